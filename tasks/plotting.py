"""What a run's plots are: what plotms is asked for each, from which copy of the data or which solution table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from schemas.plots import Plot
from schemas.record import Record
from schemas.solutions import SolveRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.solutions import SolutionTable
    from schemas.steps import Step
    from tasks.calibration import Calibration

WIDTH, HEIGHT = 900, 600
"""Size of a plot with one panel [pixels]."""
STACKED = 8
"""Up to so many panels stand one above the other, as wide as the picture; more go into a grid."""
COLUMNS = 4
"""Panels beside each other in a grid."""

CopyName = Literal["raw", "model", "trial", "corrected"]
"""The private copies of visibilities that plots are drawn from."""


class Drawing(Record):
    """One plot as it is asked of plotms."""

    plot: Plot
    """What the report says of it."""
    copy_of: CopyName | None = None
    """Which copy of the visibilities it is drawn from; None: a solution table."""
    caltable: Path | None = None
    """The solution table, relative to the workspace."""
    flag_version: str = ""
    """Flag version to draw it with; empty: the flags as they were when the copy was made."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """plotms' parameters, without the data and the picture's file."""


def drawing(
    step: Step,
    name: str,
    title: str,
    caption: str,
    alternative: str,
    asked: dict[str, Any],
    *,
    copy_of: CopyName | None = None,
    caltable: Path | None = None,
    flag_version: str = "",
    decisive: bool = False,
) -> Drawing:
    """Return a drawing; a plot of one panel has its title in the picture too."""
    size = {"width": WIDTH, "height": HEIGHT}
    return Drawing(
        plot=Plot(
            name=name,
            step=step,
            title=title,
            caption=caption,
            alternative=alternative,
            made_by="plotms",
            decisive=decisive,
        ),
        copy_of=copy_of,
        caltable=caltable,
        flag_version=flag_version,
        asked=size
        | ({} if "iteraxis" in asked else {"title": title.replace("%", " per cent"), "titlefont": 11})
        | asked,
    )


def panels(axis: str, number: int) -> dict[str, Any]:
    """Return what plotms is asked for one panel each along `axis`: stacked where they are few, else in a grid."""
    fonts = {"titlefont": 9, "xaxisfont": 9, "yaxisfont": 9}
    if number <= STACKED:
        return fonts | {
            "iteraxis": axis,
            "gridrows": number,
            "gridcols": 1,
            "width": WIDTH,
            "height": 170 * number,
            # One range for all. A shared axis would stand askew below the panels, and in the next plot too.
            "xselfscale": True,
        }
    rows = -(-number // COLUMNS)
    return fonts | {
        "iteraxis": axis,
        "gridrows": rows,
        "gridcols": COLUMNS,
        "width": 300 * COLUMNS,
        "height": 190 * rows,
    }


def by_antenna(calibration: Calibration) -> dict[str, Any]:
    """Return one panel for each antenna of a solution table."""
    return panels("antenna", len(calibration.summary.antennas))


def time_axis(number: int) -> str:
    """Return the axis to show time on: in a grid of panels only scan numbers leave the labels readable."""
    return "time" if number <= STACKED else "scan"


def middle_spw(calibration: Calibration) -> int:
    """Return the spectral window that stands for all."""
    spws = calibration.summary.spws
    return spws[len(spws) // 2].id


def field_ids(calibration: Calibration, names: tuple[str, ...]) -> str:
    """Return fields as a selection by their ids: a name may hold characters that select something else."""
    return ",".join(str(calibration.summary.field(name).id) for name in names)


def solution_drawings(calibration: Calibration, step: Step, record: Record) -> Iterator[Drawing]:
    """Return the plots of a solve step's tables."""
    if not isinstance(record, SolveRecord):
        return
    for table in record.tables:
        if step == "delay":
            yield delays(calibration, table)
        elif step in {"bandpass1", "bandpass2"}:
            yield from bandpass(calibration, step, table)
        elif step in {"gains", "finalgains"}:
            yield gains(calibration, step, table)


def delays(calibration: Calibration, table: SolutionTable) -> Drawing:
    """Return the plot of the delays."""
    return drawing(
        "delay",
        "delays",
        "Delays by antenna",
        "Delay [ns] of each antenna against scan, all spectral windows (by colour) and both hands. A good antenna "
        "stays within a nanosecond; a jump or a scatter of several tells a fault at the station or too weak a source.",
        "Delay in nanoseconds against scan number, one panel for each antenna, coloured by spectral window.",
        {"xaxis": "scan", "yaxis": "delay", "coloraxis": "spw", **by_antenna(calibration)},
        caltable=table.caltable,
    )


def bandpass(calibration: Calibration, step: Step, table: SolutionTable) -> Iterator[Drawing]:
    """Return the plots of a bandpass: phase and amplitude."""
    which, plain = ("Initial", "B1") if step == "bandpass1" else ("Final", "B2")
    # In a grid of small panels the digits of a narrow band's frequencies run into each other.
    axis = (
        "channel" if len(calibration.summary.antennas) > STACKED and len(calibration.summary.spws) == 1 else "frequency"
    )
    asked = {"xaxis": axis, "coloraxis": "corr", **by_antenna(calibration)}
    yield drawing(
        step,
        f"bandpass_{plain.lower()}_phase",
        f"{which} bandpass ({plain}), phase",
        f"Phase [deg] of each antenna's response against {axis}, both hands (by colour). It should be smooth and "
        "near zero: a slope is a delay left over, a jump from channel to channel is interference or too little signal.",
        f"Phase in degrees of the {which.lower()} bandpass against {axis}, one panel for each antenna, by hand.",
        asked | {"yaxis": "phase"},
        caltable=table.caltable,
    )
    yield drawing(
        step,
        f"bandpass_{plain.lower()}_amplitude",
        f"{which} bandpass ({plain}), amplitude",
        f"Amplitude of each antenna's response against {axis}, both hands (by colour). It should be smooth, and fall "
        "at the ends of the spectral windows only.",
        f"Amplitude of the {which.lower()} bandpass against {axis}, one panel for each antenna, coloured by hand.",
        asked | {"yaxis": "amp"},
        caltable=table.caltable,
        decisive=step == "bandpass2",
    )


def gains(calibration: Calibration, step: Step, table: SolutionTable) -> Drawing:
    """Return the plot of a gain table: phases of the phase references, or amplitudes of all calibrators."""
    when = "final" if step == "finalgains" else "time-dependent"
    panes = by_antenna(calibration)
    if table.kind == "p":
        spw = middle_spw(calibration)
        references = calibration.roles.phase_references
        return drawing(
            step,
            f"{'final_' if step == 'finalgains' else ''}phase_gains",
            f"{when.capitalize()} phase gains by antenna, {', '.join(references)}",
            f"Phase [deg] of each antenna against time, both hands (by colour), spectral window {spw}. The target sees "
            "these phases interpolated between the scans: they should be traceable by eye from one to the next.",
            f"Gain phase in degrees against time of the phase reference, one panel for each antenna, coloured by hand, "
            f"spectral window {spw}.",
            {
                "xaxis": time_axis(len(calibration.summary.antennas)),
                "yaxis": "phase",
                "coloraxis": "corr",
                "field": field_ids(calibration, references),
                "spw": str(spw),
                "plotrange": [0, 0, -180, 180],
                **panes,
            },
            caltable=table.caltable,
            decisive=step == "gains",
        )
    return drawing(
        step,
        f"{'final_' if step == 'finalgains' else ''}amplitude_gains",
        f"{when.capitalize()} amplitude gains by antenna",
        "Amplitude of each antenna's gain against scan, all calibrators and spectral windows, both hands (by colour). "
        + (
            "On the final flux scale an antenna has the same gain on every calibrator."
            if step == "finalgains"
            else "Before the flux scale is set, each calibrator stands at a level of its own."
        ),
        "Gain amplitude against scan number of all calibrators, one panel for each antenna, coloured by hand.",
        {"xaxis": "scan", "yaxis": "amp", "coloraxis": "corr", **panes},
        caltable=table.caltable,
    )
