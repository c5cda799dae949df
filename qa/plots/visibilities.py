"""The calibrated phase reference: residual phases, amplitude against uv distance, and what the target sees."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.data_metrics.calibrated import amplitude_slope, phase_rms
from qa.data_metrics.transfer import transfer_amplitude, transfer_phase
from qa.plots.drawing import Drawing, legend_of
from qa.plots.style import GREY, INK, LIGHT, SMALL, STOP, WARN, WIDTH_IN, figure, heading, series_styles, shown, written
from schemas.results import ApplyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from schemas.policy import ResultBounds
    from schemas.solutions import SolutionTable
    from schemas.steps import Step

    Numbers = NDArray[np.float64]

ROW_IN = 3.1
"""Height of one field's panel [inch]."""

MOST_NAMED, LETTERS_ACROSS = 30, 105
"""More baselines than this are not named along the axis; more letters than that stand upright."""

MOST_POINTS = 4000
"""Markers drawn of one series; of more, every n-th is."""


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plots of the calibrated phase references."""
    applied = inputs.record("apply", ApplyRecord)
    if applied is None or applied.visibilities is None or inputs.inspected is None:
        return
    # The gate that judges these numbers stands after split, once that has run.
    step: Step = "split" if inputs.ledger.entry("split") is not None else "apply"
    bounds, fields = inputs.policy.result, inputs.inspected.roles.phase_references
    depends = f"{bounds} {fields}"
    yield Drawing(
        name="residual_phase",
        step=step,
        title="Calibrated phase reference: phase on each baseline",
        caption=(
            "Phase of the calibrated phase reference, averaged over scan and spw, on each baseline: for a point source "
            "at the phase centre it is zero everywhere. One baseline or antenna that stands off was not calibrated. "
            f"A warning is given above {bounds.phase_warn_deg:g} deg rms, a stop above {bounds.phase_stop_deg:g} deg."
        ),
        alternative="Corrected phase in degrees for each baseline, by spectral window and hand, about zero.",
        make=partial(draw_residual_phase, inputs, applied.visibilities, fields, bounds),
        sources=(applied.visibilities,),
        depends=depends,
        decisive=True,
        primary=True,
    )
    yield Drawing(
        name="amplitude_uv",
        step=step,
        title="Calibrated phase reference: amplitude against uv distance",
        caption=(
            "Amplitude of the calibrated phase reference over its model, averaged over scan and spw, with the straight "
            "line whose slope is judged. A point source is flat at 1; a fall to long baselines means decorrelation or "
            f"a resolved source. A warning is given above a change of {100 * bounds.slope_warn:g} % over the range, a "
            f"stop above {100 * bounds.slope_stop:g} %."
        ),
        alternative="Corrected amplitude over the model's against uv distance in wavelengths, with the fitted line.",
        make=partial(draw_amplitude_uv, inputs, applied.visibilities, fields, bounds),
        sources=(applied.visibilities,),
        depends=depends,
    )
    yield from _transfer(inputs, step, fields, bounds)


def draw_residual_phase(inputs: Inputs, path: Path, fields: Sequence[str], bounds: ResultBounds) -> Figure:
    """Draw the phase of each baseline, one panel per phase reference."""
    frame = inputs.frame(path)
    upright = any(_upright(list(_of(frame, field)["antenna"].unique())) for field in fields)
    title = "Calibrated phase reference: phase on each baseline"
    made, panels = _figure(title, fields, extra_in=0.35 if upright else 0.0)
    for axes, field in zip(panels, fields, strict=True):
        rows = _of(frame, field)
        names = list(dict.fromkeys(rows["antenna"].astype(str)))
        place = _places(rows, names)
        phase = (rows["phase_deg"].to_numpy(dtype=float) + 180.0) % 360.0 - 180.0
        rms = _number(phase_rms(rows, [field]).frame["observed"])
        _points(axes, inputs, rows, place, phase, spread=0.6)
        largest = float(np.nanmax(np.abs(phase), initial=1.0))
        axes.set_ylim(-1.12 * largest, 1.12 * largest)
        axes.axhline(0.0, color=INK, linewidth=0.8)
        for bound, colour, line in ((bounds.phase_warn_deg, WARN, "--"), (bounds.phase_stop_deg, STOP, "-")):
            for sign in (-1.0, 1.0):
                axes.axhline(sign * bound, color=colour, linestyle=line, linewidth=1.0)
        _baselines(axes, names)
        axes.set_ylabel("Phase [deg]")
        off = "" if bounds.phase_warn_deg < largest else ", off the axis"
        text = f"rms {written(rms, 2)}° (warning {bounds.phase_warn_deg:g}°, stop {bounds.phase_stop_deg:g}°{off})"
        _head(axes, field, text)
    return made


def draw_amplitude_uv(inputs: Inputs, path: Path, fields: Sequence[str], bounds: ResultBounds) -> Figure:
    """Draw amplitude over model against uv distance, one panel per phase reference."""
    frame = inputs.frame(path)
    made, panels = _figure("Calibrated phase reference: amplitude against uv distance", fields)
    for axes, field in zip(panels, fields, strict=True):
        rows = _of(frame, field)
        uv = rows["uv_wavelengths"].to_numpy(dtype=float)
        divisor, unit = (1e6, "Mλ") if np.nanmax(uv, initial=0.0) > 5e5 else (1e3, "kλ")
        ratio = rows["amplitude"].to_numpy(dtype=float) / rows["model_amplitude"].to_numpy(dtype=float)
        _points(axes, inputs, rows, uv / divisor, ratio)
        axes.axhline(1.0, color=INK, linewidth=0.8)
        line = weighted_line(uv, ratio, rows["weight"].to_numpy(dtype=float))
        if line is not None:
            ends = np.asarray([np.nanmin(uv), np.nanmax(uv)])
            axes.plot(ends / divisor, line[0] + line[1] * ends, color=STOP, linestyle="--", linewidth=1.8)
        axes.set(xlabel=f"uv distance [{unit}]", ylabel="Amplitude / model")
        slope = _number(amplitude_slope(rows, [field]).frame["observed"])
        text = (
            f"change over the range {written(100.0 * slope, 2)} % "
            f"(warning {100.0 * bounds.slope_warn:g} %, stop {100.0 * bounds.slope_stop:g} %)"
        )
        _head(axes, field, text)
    return made


def weighted_line(x: Numbers, y: Numbers, weight: Numbers) -> tuple[float, float] | None:
    """Return offset and slope of the weighted straight line that the gate judges; None where there is none."""
    good = np.isfinite(x) & np.isfinite(y) & (weight > 0.0)
    x, y, weight = x[good], y[good], weight[good]
    if len(x) == 0 or np.ptp(x) == 0.0:
        return None
    centre, mean = np.average(x, weights=weight), np.average(y, weights=weight)
    slope = float(np.sum(weight * (x - centre) * (y - mean)) / np.sum(weight * (x - centre) ** 2))
    return float(mean - slope * centre), slope


def _transfer(inputs: Inputs, step: Step, fields: Sequence[str], bounds: ResultBounds) -> Iterator[Drawing]:
    number = "2" if inputs.table("calsources.p2") is not None else "1"
    phases, amplitudes = inputs.table(f"calsources.p{number}"), inputs.table(f"calsources.ap{number}")
    if phases is None or amplitudes is None:
        return
    yield Drawing(
        name="transfer_error",
        step=step,
        title="What the target sees: error of interpolated gains",
        caption=(
            "Each scan of the phase reference predicted from its neighbours, against its own solution: rms over scans, "
            "per antenna, spw and hand. It is an upper estimate of the error of the target's gains, which lie between "
            f"two scans. Warnings are given above {bounds.transfer_phase_warn_deg:g} deg and "
            f"{100 * bounds.transfer_amplitude_warn:g} %."
        ),
        alternative="Error of interpolated phase in degrees and of amplitude in percent, for each antenna.",
        make=partial(draw_transfer, inputs, phases, amplitudes, fields, bounds),
        sources=(phases.rows, amplitudes.rows),
        depends=f"{bounds} {fields}",
    )


def draw_transfer(
    inputs: Inputs, phases: SolutionTable, amplitudes: SolutionTable, fields: Sequence[str], bounds: ResultBounds
) -> Figure:
    """Draw the errors of interpolated phases and amplitudes, antenna by antenna."""
    known = inputs.summary.antennas_with_data if inputs.summary is not None else ()
    made, (above, below) = _figure("What the target sees: error of interpolated gains", ("phase", "amplitude"))
    parts = (
        (above, transfer_phase(inputs.frame(phases.rows), fields, known), 1.0, bounds.transfer_phase_warn_deg, "deg"),
        (
            below,
            transfer_amplitude(inputs.frame(amplitudes.rows), fields, known),
            100.0,
            100.0 * bounds.transfer_amplitude_warn,
            "%",
        ),
    )
    for axes, measured, factor, warn, unit in parts:
        name = "Phase" if unit == "deg" else "Amplitude"
        axes.set_ylabel(f"{name} error [{unit}]")
        if measured.frame.empty:
            axes.text(0.5, 0.5, "too few scans to tell", transform=axes.transAxes, ha="center", color=GREY)
            continue
        rows = measured.frame[measured.frame["antenna"].isin(known)]
        place = _places(rows, known)
        values = factor * rows["observed"].to_numpy(dtype=float)
        _points(axes, inputs, rows, place, values, spread=0.5)
        largest = float(np.nanmax(values, initial=0.0))
        axes.axhline(warn, color=WARN, linestyle="--", linewidth=1.0)
        axes.set_ylim(0.0, 1.15 * max(largest, 0.2 * warn, warn if largest > 0.4 * warn else 0.0))
        off = "" if warn < axes.get_ylim()[1] else ", off the axis"
        _baselines(axes, list(known), most=32)
        _head(axes, f"{name}: worst {written(largest, 2)} {unit}", f"warning above {warn:g} {unit}{off}")
    return made


def _figure(title: str, fields: Sequence[str], extra_in: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with one wide panel per field, and a line for the legend."""
    row = ROW_IN + extra_in
    tall = 0.5 + row * len(fields)
    made = figure(tall)
    heading(made, title)
    panels = []
    for index in range(len(fields)):
        low = tall - 0.5 - row * (index + 1) + 0.6 + extra_in
        axes = made.add_axes((0.75 / WIDTH_IN, low / tall, 1 - 0.9 / WIDTH_IN, (row - 0.95 - extra_in) / tall))
        axes.grid(axis="y", color=LIGHT, linewidth=0.5)
        axes.set_axisbelow(True)
        panels.append(axes)
    return made, panels


def _of(frame: pd.DataFrame, field: str) -> pd.DataFrame:
    return frame[(frame["field"].astype(str) == field) & (frame["weight"] > 0)]


def _points(axes: Axes, inputs: Inputs, rows: pd.DataFrame, x: Numbers, y: Numbers, spread: float = 0.0) -> None:
    """Draw one marker per row, by spw and hand; `spread` sets the spws of one place beside each other."""
    spws = [spw.id for spw in inputs.summary.spws] if inputs.summary is not None else []
    spws = sorted({*spws, *(int(spw) for spw in rows["spw"])})
    hands = sorted({str(hand) for hand in rows["polarisation"]}, key=lambda hand: (hand not in "RX", hand))
    styles = series_styles(spws, hands)
    spw, hand = rows["spw"].to_numpy(dtype=int), rows["polarisation"].to_numpy(dtype=object)
    for index, ((window, name), style) in enumerate(styles.items()):
        chosen = np.flatnonzero((spw == window) & (hand == name))
        chosen = chosen[:: max(1, len(chosen) // MOST_POINTS)]
        aside = spread * ((index + 0.5) / len(styles) - 0.5)
        face = style.colour if style.filled else "none"
        axes.plot(x[chosen] + aside, y[chosen], style.marker, ms=3.2, mew=0.8, color=style.colour, mfc=face)
    made = axes.figure
    if not made.legends and styles:
        handles = [axes.plot([], [], label=text, **drawn)[0] for text, drawn in legend_of(styles)]
        height = float(made.get_figure(root=True).get_size_inches()[1])
        made.legend(
            handles=handles,
            loc="upper left",
            ncols=len(handles),
            bbox_to_anchor=(0.6 / WIDTH_IN, 1 - 0.33 / height),
            handletextpad=0.1,
            columnspacing=1.2,
            borderpad=0.0,
        )


def _baselines(axes: Axes, names: Sequence[str], most: int = MOST_NAMED) -> None:
    """Name the places along the axis: all of them if they can be read, else none but their number."""
    axes.set_xlim(-0.7, max(len(names), 1) - 0.3)
    if len(names) > most:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} baselines, in the order of the antennas")
        return
    short = [shown(name.replace("&", "–"), 15) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=90 if _upright(short, most) else 0)
    axes.tick_params(axis="x", length=0)


def _places(rows: pd.DataFrame, names: Sequence[str]) -> Numbers:
    index = {name: float(i) for i, name in enumerate(names)}
    return np.asarray(rows["antenna"].map(index), dtype=np.float64)


def _upright(names: Sequence[str], most: int = MOST_NAMED) -> bool:
    """Tell whether names along the axis have to stand upright to be read."""
    return len(names) <= most and sum(len(name) + 2 for name in names) > LETTERS_ACROSS


def _head(axes: Axes, left: str, right: str) -> None:
    axes.set_title(shown(left, 40), loc="left", weight="bold", size=10.0)
    axes.set_title(right, loc="right", size=SMALL, color=GREY)


def _number(column: pd.Series) -> float:
    return float(column.iloc[0]) if len(column) else float("nan")
