"""Delays, phase gains and amplitude gains against time, and their S/N."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.metrics.delay import delay_magnitude
from qa.metrics.gains import phase_tracking
from qa.plots.drawing import Drawing, Laid, bound_marks, laid
from qa.plots.inputs import SOLVES
from qa.plots.panels import Panels, panel_width
from qa.plots.scales import decades, degrees, hours, linear
from qa.plots.style import GREY, STOP, WARN, written
from qa.words import table_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.measurement import Measurement
    from qa.plots.inputs import Inputs
    from qa.plots.scales import Scale
    from schemas.gates import GateContext
    from schemas.solutions import SolutionTable
    from schemas.steps import Step

    Metric = Callable[[pd.DataFrame, pd.DataFrame, GateContext], Measurement]

OUTLIER = 1.5
"""Factor off the median at which the gates count an amplitude as an outlier (`qa.metrics.amplitudes`)."""

NEAR_ONE = 0.1
"""Amplitudes within this of their median are shown on that axis, others on one with the bounds of outliers."""

FAR = 6.0
"""A bound more than this many times the largest delay is not drawn but written."""

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""

_SERIES = ["antenna", "spw", "polarisation"]


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plots of delays, gains and their S/N, step by step."""
    for step in SOLVES:
        for table in inputs.tables(step):
            if table.kind == "K":
                yield _delays(inputs, step, table)
            elif table.kind in {"p", "ap"}:
                yield (_phases if table.kind == "p" else _amplitudes)(inputs, step, table)
                yield _snr(inputs, step, table)


def slug(table: SolutionTable) -> str:
    """Return a table's part of a plot's name."""
    return table.name.lower().replace(".", "_")


def _delays(inputs: Inputs, step: Step, table: SolutionTable) -> Drawing:
    bounds = inputs.policy.delay
    return Drawing(
        name="delays",
        step=step,
        title="Delays against time",
        caption=(
            "Delay of each antenna relative to the reference antenna, per spw and hand; at the right of each panel its "
            "median and scatter [ns]. Look for jumps in time, for one source off from the others, and for spws that "
            f"disagree. A warning is given beyond ±{bounds.warn_ns:g} ns, a stop beyond ±{bounds.stop_ns:g} ns."
        ),
        alternative="Delay in nanoseconds against time, one panel per antenna, by spectral window and hand.",
        make=partial(draw_delays, inputs, table, bounds.warn_ns, bounds.stop_ns),
        sources=(table.rows, table.statistics),
        depends=f"{bounds.warn_ns} {bounds.stop_ns} {inputs.refant[:1]}",
        primary=True,
    )


def draw_delays(inputs: Inputs, table: SolutionTable, warn_ns: float, stop_ns: float) -> Figure:
    """Draw delays against time, with the bounds of their size where they are on the axis."""
    data = laid(inputs, table.rows)
    values = data.frame["delay_ns"].to_numpy(dtype=float)
    good = values[data.good]
    largest = float(np.nanmax(np.abs(good), initial=0.0))
    # A bound far off would leave no room for the delays themselves.
    include = [sign * bound for bound in (warn_ns, stop_ns) if bound < FAR * largest for sign in (-1.0, 1.0)]
    y = linear(np.clip(good, -2.0 * stop_ns, 2.0 * stop_ns), "Delay [ns]", include)
    panels = _against_time(data, values, y, "Delays", inputs.refant[:1])
    for sign in (-1.0, 1.0):
        panels.bound(sign * warn_ns, WARN, "--")
        panels.bound(sign * stop_ns, STOP, "-")
    near = "" if warn_ns <= y.high else ", off axis"
    beyond = "" if stop_ns <= y.high else ", off axis"
    marks = bound_marks(f"warning ±{warn_ns:g}{near}", f"stop ±{stop_ns:g}{beyond}")
    panels.legend([*data.legend(failed=not data.good.all()), *marks])
    size = worst(delay_magnitude, table, inputs, "delay")
    for index, (median, scatter) in enumerate(_median_and_scatter(data, values)):
        wide = size.get(data.antennas[index], 0.0) > warn_ns
        panels.note(index, f"{written(median)} ± {written(scatter, 2)}", WARN if wide else GREY)
    return panels.figure


def _phases(inputs: Inputs, step: Step, table: SolutionTable) -> Drawing:
    bounds = inputs.policy.gains
    return Drawing(
        name=f"phase_{slug(table)}",
        step=step,
        title=f"{table_title(table.name)}: phase against time",
        caption=(
            "Phase of each antenna relative to the reference antenna. At the right of each panel: the steps from "
            "solution to solution inside a scan, rms of the worst spw and hand [deg], or, with one solution per scan, "
            "those from scan to scan. Phases may wind, but must do so smoothly, the hands and spws together: noise has "
            f"steps of 104 deg; a warning is given above {bounds.tracking_warn_deg:g} deg inside a scan."
        ),
        alternative="Phase gain in degrees against time, one panel per antenna, by spectral window and hand.",
        make=partial(draw_phases, inputs, step, table),
        sources=(table.rows, table.statistics),
        depends=f"{bounds.tracking_warn_deg} {inputs.refant[:1]}",
        primary=table.name in {"bpcals_precal.p1", "calsources.p1", "calsources.p2"},
    )


def draw_phases(inputs: Inputs, step: Step, table: SolutionTable) -> Figure:
    """Draw phase gains against time, with the phase steps that the gate judges."""
    data = laid(inputs, table.rows)
    values = data.frame["phase_deg"].to_numpy(dtype=float)
    panels = _against_time(data, values, degrees("Phase [deg]"), table_title(table.name), inputs.refant[:1])
    panels.legend(data.legend(failed=not data.good.all()))
    steps = worst(phase_tracking, table, inputs, step)
    warn = inputs.policy.gains.tracking_warn_deg
    scans = phase_steps(data.frame[data.good], ["field"])
    for index, name in enumerate(data.antennas):
        inside = name in steps
        number = steps.get(name, scans.get(name, float("nan")))
        text = f"steps {written(number, 2)}°" if inside else f"scan to scan {written(number, 2)}°"
        panels.note(index, text if np.isfinite(number) else "", WARN if inside and number > warn else GREY)
    return panels.figure


def phase_steps(good: pd.DataFrame, within: list[str]) -> dict[str, float]:
    """Return the rms of phase steps between consecutive solutions of each antenna's worst spw and hand [deg].

    Parameters
    ----------
    good
        Solutions that did not fail (`schemas.solutions.GAIN_COLUMNS`).
    within
        Columns inside whose groups solutions are consecutive, besides antenna, spw and hand.
    """
    ordered = good.sort_values("time_s")
    change = ordered.groupby([*_SERIES, *within])["phase_deg"].diff()
    wrapped = (change + 180.0) % 360.0 - 180.0
    rms = (wrapped**2).groupby([ordered[key] for key in _SERIES]).mean() ** 0.5
    return {str(name): float(value) for name, value in rms.dropna().groupby(level="antenna").max().items()}


def _amplitudes(inputs: Inputs, step: Step, table: SolutionTable) -> Drawing:
    # Once the flux scale is set, an antenna's amplitude must be the same on every calibrator.
    by_field = table.name != "calsources.ap2"
    against = "its median on that source" if by_field else "its median over all sources"
    return Drawing(
        name=f"amplitude_{slug(table)}",
        step=step,
        title=f"{table_title(table.name)}: amplitude against time",
        caption=(
            f"Amplitude gain of each antenna over {against}, per spw and hand: 1 is steady. At the right of each panel "
            f"the scatter [%]. The lines are a factor {OUTLIER:g} either way, beyond which a solution counts as an "
            "outlier. Look for solutions low at the starts of scans (late on source), drops and steps"
            + ("." if by_field else ", and for sources that disagree (a wrong flux scale or model).")
        ),
        alternative="Relative amplitude gain against time, one panel per antenna, by spectral window and hand.",
        make=partial(draw_amplitudes, inputs, table, by_field=by_field),
        sources=(table.rows,),
        depends=str(inputs.refant[:1]),
        primary=table.name == "calsources.ap1",
    )


def draw_amplitudes(inputs: Inputs, table: SolutionTable, *, by_field: bool) -> Figure:
    """Draw amplitude gains against time, over their medians, with the bounds of outliers."""
    data = laid(inputs, table.rows)
    values = relative(data.frame, data.good, by_field=by_field)
    near = np.clip(values[data.good], 0.0, 3.0)
    far = bool(np.any(np.abs(near - 1.0) > NEAR_ONE))
    y = linear(near, "Amplitude gain / median", (1 / OUTLIER, OUTLIER) if far else (1.0 - NEAR_ONE, 1.0 + NEAR_ONE))
    panels = _against_time(data, values, y, table_title(table.name), inputs.refant[:1])
    shows = y.low < 1 / OUTLIER or y.high > OUTLIER
    for bound in (1 / OUTLIER, OUTLIER):
        panels.bound(bound, WARN, "--")
    text = f"outlier: factor {OUTLIER:g}" + ("" if shows else ", off axis")
    panels.legend([*data.legend(failed=not data.good.all()), *bound_marks(text, "")])
    for index, (_, scatter) in enumerate(_median_and_scatter(data, values)):
        panels.note(index, f"± {written(100.0 * scatter, 2)} %" if np.isfinite(scatter) else "")
    return panels.figure


def relative(frame: pd.DataFrame, good: NDArray[np.bool_], *, by_field: bool) -> NDArray[np.float64]:
    """Return amplitudes over the median of good ones of their antenna, spw and hand (and field, where `by_field`)."""
    keys = [*_SERIES, "field"] if by_field else _SERIES
    amplitude = frame["amplitude"].astype(float)
    median = amplitude.where(good).groupby([frame[key] for key in keys]).transform("median")
    return (amplitude / median.where(median > 0.0)).to_numpy(dtype=float)


def _snr(inputs: Inputs, step: Step, table: SolutionTable) -> Drawing:
    return Drawing(
        name=f"snr_{slug(table)}",
        step=step,
        title=f"{table_title(table.name)}: S/N of the solutions",
        caption=(
            "S/N of each solution as CASA estimates it, on a logarithmic axis; at the right of each panel the median. "
            "Look for antennas well below the others and for sources too faint for the solution interval."
        ),
        alternative="S/N of the gain solutions against time, one panel per antenna, by spectral window and hand.",
        make=partial(draw_snr, inputs, table),
        sources=(table.rows,),
        depends=str(inputs.refant[:1]),
    )


def draw_snr(inputs: Inputs, table: SolutionTable) -> Figure:
    """Draw the S/N of solutions against time."""
    data = laid(inputs, table.rows)
    snr = data.frame["snr"].to_numpy(dtype=float)
    values = np.log10(np.where(snr > 0.0, snr, np.nan))
    title = f"{table_title(table.name)}: S/N"
    panels = _against_time(data, values, decades(values[data.good], "S/N"), title, inputs.refant[:1])
    panels.legend(data.legend(failed=not data.good.all()))
    for index, (median, _) in enumerate(_median_and_scatter(data, values)):
        panels.note(index, f"median {written(10.0**median, 2)}" if np.isfinite(median) else "")
    return panels.figure


def _against_time(data: Laid, values: NDArray[np.float64], y: Scale, title: str, refant: tuple[str, ...]) -> Panels:
    panels = Panels(
        data.antennas,
        hours(data.hours, data.day_s, panel_width(len(data.antennas))),
        y,
        title,
        refant[0] if refant else "",
    )
    panel, good, at = data.panel, data.good, data.hours
    for series, rows in data.each():
        chosen = rows & good
        panels.points(panel[chosen], at[chosen], values[chosen], series)
    panels.failed(panel[~good], at[~good])
    return panels


def _median_and_scatter(data: Laid, values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return each panel's median, and its scatter about the medians of its spws and hands (robust)."""
    good = data.frame.assign(value=values)[data.good & np.isfinite(values)]
    centre = good.groupby(_SERIES)["value"].transform("median")
    medians = good.groupby("antenna")["value"].median()
    scatter = MAD_TO_SIGMA * (good["value"] - centre).abs().groupby(good["antenna"]).median()
    return [(float(medians.get(name, np.nan)), float(scatter.get(name, np.nan))) for name in data.antennas]


def worst(metric: Metric, table: SolutionTable, inputs: Inputs, step: Step) -> Mapping[str, float]:
    """Return a gate metric's worst number of each antenna, so that plot and gate say the same; none where it cannot."""
    try:
        measured = metric(inputs.frame(table.rows), inputs.frame(table.statistics), inputs.context(step, step))
    except (ValueError, KeyError, TypeError):
        return {}
    if measured.frame.empty or "antenna" not in measured.frame:
        return {}
    worst = measured.frame.groupby("antenna")["observed"].max().dropna()
    return {str(name): float(value) for name, value in worst.items()}
