"""The trends of the report: delays, flux densities, solutions, verdicts and image noise, night by night."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.history import drawing
from qa.history.nights import trends_of
from qa.history.writing import moment
from qa.metrics.history import NIGHTS_LOOKED_BACK
from schemas.plots import Plot, PlotIndex
from schemas.policy import DelayBounds, FluxscaleBounds
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from qa.history.database import Database
    from qa.history.nights import Trends
    from schemas.steps import Step


@dataclass(frozen=True)
class Trend:
    """One trend: what `schemas.plots.Plot` says of it, and its figure."""

    name: str
    step: Step
    title: str
    caption: str
    alternative: str
    figure: Figure


def draw_trends(database: Database, root: Path) -> PlotIndex:
    """Draw the trends that a run's report shows, from two nights on, and list them in ``plots/history.json``.

    Parameters
    ----------
    database
        The history; the run is in it.
    root
        The run's workspace: ``outcome.json`` is read there, the pictures are written to ``plots``.

    Returns
    -------
    The plots; none where the run is not in the history, its night is not known, or it is the only one.

    Raises
    ------
    HistoryUnavailable
        The database does not answer.
    OSError, ValueError, KeyError
        There is no whole ``outcome.json``, or a picture cannot be written.
    """
    outcome = json.loads((root / "outcome.json").read_bytes())
    origin = outcome["provenance"]
    trends = trends_of(database, outcome["observation"], moment(origin["started"]), origin.get("flow_run", ""))
    plots = root / "plots"
    plots.mkdir(exist_ok=True)
    drawn = []
    for trend in () if trends is None else trends_to_show(trends):
        picture = plots / f"{trend.name}.png"
        write_whole(picture, drawing.png(trend.figure))
        words = {name: getattr(trend, name) for name in ("name", "step", "title", "caption", "alternative")}
        drawn.append(Plot(**words, made_by="gatecal", file=picture.relative_to(root)))
    index = PlotIndex(plots=tuple(drawn))
    write_whole(plots / "history.json", index.model_dump_json(indent=1))
    return index


def trends_to_show(trends: Trends) -> tuple[Trend, ...]:
    """Return each trend that has two nights or more, in the report's order."""
    found = []
    for table, make in (
        (trends.delays, delay_trend),
        (trends.fluxes, flux_trend),
        (trends.solutions, solution_trend),
        (trends.verdicts, verdict_trend),
        (trends.noise, noise_trend),
    ):
        if table["night"].nunique() > 1:
            found.append(make(trends))
    return tuple(found)


def delay_trend(trends: Trends) -> Trend:
    """Return the antennas' delays, and which jumped."""
    return Trend(
        name="trend_delay",
        step="delay",
        title=f"Delays night by night, relative to {trends.refant}",
        caption="One panel per antenna: median over time of each spectral window and hand, the line through their "
        f"median. Shaded: within {DelayBounds().history_warn_ns:g} ns of the {NIGHTS_LOOKED_BACK} nights before; a "
        "night outside of it jumped, and the first is dated. If all antennas jump together it was the reference "
        "antenna.",
        alternative=f"Delay [ns] of each antenna of {trends.telescope} relative to {trends.refant} against night, "
        f"{span(trends.delays)}. {jumps_in_words(trends.delays)}",
        figure=drawing.delay_figure(trends.delays, trends.refant),
    )


def flux_trend(trends: Trends) -> Trend:
    """Return the calibrators' flux densities."""
    return Trend(
        name="trend_flux",
        step="fluxscale",
        title="Flux densities of the calibrators night by night",
        caption=f"Phase references first. Shaded: within {100 * FluxscaleBounds().history_warn:g} % of the "
        f"{NIGHTS_LOOKED_BACK} nights before. If all move together it is the flux scale; if one does, it varies.",
        alternative=f"Flux density [Jy] of each calibrator against night, {span(trends.fluxes)}.",
        figure=drawing.flux_figure(trends.fluxes),
    )


def solution_trend(trends: Trends) -> Trend:
    """Return the fraction of solutions that succeeded, by table."""
    return Trend(
        name="trend_solutions",
        step="gains",
        title="Solutions that succeeded night by night",
        caption="Succeeded of attempted, all antennas together, one line per table. A slow decline is a receiver or "
        "the weather; one bad night is that night's.",
        alternative=f"Fraction of solutions that succeeded, by table, against night, {span(trends.solutions)}.",
        figure=drawing.solution_figure(trends.solutions),
    )


def verdict_trend(trends: Trends) -> Trend:
    """Return what the runs came to."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in trends.verdicts["verdict"].value_counts().items())
    return Trend(
        name="trend_verdict",
        step="image",
        title=f"What the runs of {trends.telescope} came to, night by night",
        caption="Of data that were processed again the last run is shown.",
        alternative=f"Verdict of each run against night, {span(trends.verdicts)}: {counts}.",
        figure=drawing.verdict_figure(trends.verdicts),
    )


def noise_trend(trends: Trends) -> Trend:
    """Return the noise of the targets' first images."""
    return Trend(
        name="trend_noise",
        step="image",
        title="Noise of the targets' first images night by night",
        caption="It depends on time on source and bandwidth too: compare like observations.",
        alternative=f"Noise [mJy/beam] of the first image of each target against night, {span(trends.noise)}.",
        figure=drawing.noise_figure(trends.noise),
    )


def span(table: pd.DataFrame) -> str:
    """Return how many nights a table has, and from when to when."""
    nights = table["night"]
    return f"{nights.nunique()} nights from {nights.min()} to {nights.max()}"


def jumps_in_words(delays: pd.DataFrame) -> str:
    """Return the first night on which each antenna jumped, in a sentence."""
    first = drawing.jumps(delays).groupby("antenna")["night"].min()
    found = "; ".join(f"{antenna} from {night}" for antenna, night in first.items())
    return f"Not as before: {found}." if found else "All as before."
