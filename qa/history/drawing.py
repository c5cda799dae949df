"""Pictures of the history night by night: a panel per antenna, calibrator or target."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from qa.metrics.history import NIGHTS_LOOKED_BACK, NIGHTS_TO_COMPARE
from schemas.policy import DelayBounds, FluxscaleBounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777")
"""Told apart by the colour-blind too: Okabe and Ito 2008, with grey for their yellow, which is too faint on white; each
comes with a marker of its own."""

MARKERS = "osD^vP*X"
"""One for each of `COLOURS`."""

VERDICTS = {"crashed": "X", "stopped": "s", "held": "D", "warned": "^", "passed": "o"}
"""Markers of verdicts, from bottom to top."""

VERDICT_COLOURS = {
    "crashed": "#000000",
    "stopped": "#D55E00",
    "held": "#CC79A7",
    "warned": "#E69F00",
    "passed": "#0072B2",
}

WIDTH_INCH = 9.0
ROW_INCH = 2.1
DPI = 110
"""Some 1000 pixels across: the width of the report's page."""

COLUMNS = 3
"""Panels side by side."""


def png(figure: Figure) -> bytes:
    """Return a figure as a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def usual(series: pd.Series) -> pd.Series:
    """Return what each night of a series (in order of time) is compared with: the median of the nights before."""
    return series.shift(1).rolling(NIGHTS_LOOKED_BACK, min_periods=NIGHTS_TO_COMPARE).median()


def jumps(delays: pd.DataFrame, bound_ns: float | None = None) -> pd.DataFrame:
    """Return the nights on which an antenna's delay was not what it was before.

    Parameters
    ----------
    delays
        As in `qa.history.nights.Trends`.
    bound_ns
        How far off [ns]; the policy's default if None.

    Returns
    -------
    Columns antenna, polarisation, night and delay_ns (median over spws), in order of time.
    """
    bound = DelayBounds().history_warn_ns if bound_ns is None else bound_ns
    keys = ["antenna", "polarisation"]
    nightly = delays.groupby([*keys, "night"])["delay_ns"].median().reset_index().sort_values(by="night")
    before = nightly.groupby(keys)["delay_ns"].transform(usual)
    beyond = (nightly["delay_ns"] - before).abs().gt(bound)
    return nightly[beyond].reset_index(drop=True)


def delay_figure(delays: pd.DataFrame, refant: str) -> Figure:
    """Return one panel per antenna but the reference antenna."""
    others = delays[delays["antenna"].ne(refant)]
    bound = DelayBounds().history_warn_ns
    jumped = jumps(others)

    def draw(axes: Axes, antenna: str) -> None:
        mine = others[others["antenna"].eq(antenna)]
        for index, (hand, rows) in enumerate(mine.groupby("polarisation")):
            colour, marker = COLOURS[index], MARKERS[index]
            nightly = rows.groupby("night")["delay_ns"].median()
            before = usual(nightly)
            axes.fill_between(
                days(nightly.index), before - bound, before + bound, color=colour, alpha=0.12, linewidth=0
            )
            axes.plot(days(rows["night"]), rows["delay_ns"], marker, color=colour, markersize=2.5, alpha=0.4)
            axes.plot(days(nightly.index), nightly, "-", marker=marker, color=colour, markersize=3.5, label=str(hand))
        first = jumped.loc[jumped["antenna"].eq(antenna), "night"].min()
        title = antenna
        if isinstance(first, str):
            at = date2num(pd.Timestamp(first))  # type: ignore[no-untyped-call]
            axes.axvline(float(at), color="0.3", linestyle=":")
            title = f"{antenna}: jump on {first}"
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7, loc="best")

    return panels(sorted(others["antenna"].unique()), draw, "delay [ns]")


def flux_figure(fluxes: pd.DataFrame) -> Figure:
    """Return one panel per calibrator, phase references first."""
    warn = FluxscaleBounds().history_warn

    def draw(axes: Axes, field: str) -> None:
        mine = fluxes[fluxes["field"].eq(field)].sort_values("night")
        before, nights = usual(mine["flux_density_jy"]), days(mine["night"])
        axes.fill_between(nights, before * (1 - warn), before * (1 + warn), color="0.85", linewidth=0)
        errors = mine["error_jy"].fillna(0.0)
        axes.errorbar(nights, mine["flux_density_jy"], yerr=errors, fmt="o-", color=COLOURS[0], markersize=3.5)
        kind = " (phase reference)" if mine["phase_reference"].any() else ""
        axes.set_title(f"{field}{kind}", fontsize=10)

    order = fluxes.sort_values(["phase_reference", "field"], ascending=[False, True])["field"].unique()
    return panels(list(order), draw, "flux density [Jy]")


def solution_figure(solutions: pd.DataFrame) -> Figure:
    """Return one line per table: succeeded of attempted, all antennas together."""
    summed = solutions.groupby(["caltable", "night"])[["attempted", "succeeded"]].sum()
    ratio = summed["succeeded"] / summed["attempted"].where(summed["attempted"].gt(0))

    def draw(axes: Axes, _: str) -> None:
        for index, (name, series) in enumerate(ratio.groupby(level="caltable")):
            nights = days(series.index.get_level_values("night"))
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            line = "-" if index < len(COLOURS) else "--"
            axes.plot(nights, series, line, color=colour, marker=marker, markersize=4, label=str(name))
        axes.set_ylim(min(0.7, float(ratio.min()) - 0.02), 1.02)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return panels([""], draw, "succeeded / attempted")


def verdict_figure(verdicts: pd.DataFrame) -> Figure:
    """Return one mark per run, at the height of its verdict."""

    def draw(axes: Axes, _: str) -> None:
        for height, (verdict, marker) in enumerate(VERDICTS.items()):
            nights = verdicts.loc[verdicts["verdict"].eq(verdict), "night"]
            axes.plot(days(nights), [height] * len(nights), marker, color=VERDICT_COLOURS[verdict], markersize=7)
        axes.set_yticks(range(len(VERDICTS)), list(VERDICTS))
        axes.set_ylim(-0.5, len(VERDICTS) - 0.5)

    return panels([""], draw, "")


def noise_figure(noise: pd.DataFrame) -> Figure:
    """Return one panel per target."""

    def draw(axes: Axes, field: str) -> None:
        mine = noise[noise["field"].eq(field)].sort_values("night")
        axes.plot(days(mine["night"]), 1e3 * mine["noise_jy_beam"], "o-", color=COLOURS[0], markersize=3.5)
        axes.set_title(field, fontsize=10)

    return panels(sorted(noise["field"].unique()), draw, "noise [mJy/beam]")


def days(nights: pd.Series | pd.Index) -> pd.DatetimeIndex:
    """Return ISO dates as times to plot against."""
    return pd.DatetimeIndex(pd.to_datetime(pd.Index(nights)))


def panels(names: list[str], draw: Callable[[Axes, str], None], label: str) -> Figure:
    """Return a figure of small panels, one per name, that share the axis of nights."""
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    height = ROW_INCH * rows + (0.4 if len(names) > 1 else 0.9)
    figure = Figure(figsize=(WIDTH_INCH, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(names):
            axes.set_visible(False)
            continue
        draw(axes, names[index])
        locator = AutoDateLocator(maxticks=5)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.xaxis.get_offset_text().set_size(8)
        axes.tick_params(labelsize=8, labelbottom=True)
        axes.grid(alpha=0.3)
    figure.supylabel(label, fontsize=9)
    figure.supxlabel("night (UTC)", fontsize=9)
    return figure
