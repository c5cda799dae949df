"""The plots of flagging: what each act is for, before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.plotms_data import (
    FOREVER_S,
    baselines_to_refant,
    like_hands,
    listed_fields,
    refant_name,
    reference,
    reference_names,
    to_refant,
    whole_band,
)
from tasks.plotting import Drawing, drawing, field_ids, middle_spw, panels, time_axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.results import FlagRecord
    from tasks.calibration import Calibration


def flagging(calibration: Calibration, record: FlagRecord) -> Iterator[Drawing]:
    """Return, for each act of flagging, the plot that shows it before and after."""
    makers = {"late_on_source": late_on_source, "end_channels": end_channels, "bad_times": bad_times}
    afterwards = [act.saved_as for act in record.acts[1:]] + [record.flag_version]
    for act, after in zip(record.acts, afterwards, strict=True):
        maker = makers.get(act.name)
        if maker is not None:
            yield maker(calibration, "before", act.saved_as, act.asked)
            yield maker(calibration, "after", after, act.asked)


def late_on_source(calibration: Calibration, when: str, flags: str, asked: str) -> Drawing:
    """Return amplitude against time of the phase reference."""
    names, refant = reference_names(calibration), refant_name(calibration)
    return drawing(
        "flag",
        f"amplitude_time_{when}_quack",
        f"{names}: amplitude against time, {when} late-on-source flagging",
        f"Amplitude (uncalibrated) on the baselines to {refant}, by baseline, averaged over each spectral window. "
        "Points that rise at the start of a scan are antennas still on their way to the source"
        + (": they must be gone." if when == "after" else f". Flagged next: {asked}."),
        f"Uncalibrated amplitude against time of {names} on the baselines to {refant}, {when} flagging late on source.",
        {
            **reference(calibration),
            "xaxis": "time",
            "yaxis": "amp",
            "msselect": to_refant(calibration),
            "avgchannel": whole_band(calibration),
            "coloraxis": "baseline",
        },
        copy_of="raw",
        flag_version=flags,
    )


def end_channels(calibration: Calibration, when: str, flags: str, asked: str) -> Drawing:
    """Return amplitude against channel of the phase reference."""
    names, refant = reference_names(calibration), refant_name(calibration)
    return drawing(
        "flag",
        f"amplitude_channel_{when}_end_channels",
        f"{names}: amplitude against channel, {when} end-channel flagging",
        f"Amplitude (uncalibrated) averaged over all time, on the baselines to {refant}, one panel for each spectral "
        "window. The filters let little through at the ends"
        + (": what is left must be level." if when == "after" else f". Flagged next: {asked}."),
        f"Uncalibrated amplitude against channel number of {names}, one panel for each spectral window, {when} "
        "flagging the end channels.",
        {
            **reference(calibration),
            "xaxis": "channel",
            "yaxis": "amp",
            "msselect": to_refant(calibration),
            "avgtime": FOREVER_S,
            "avgscan": True,
            # A vector average over the whole time would only show how the raw phases turn.
            "scalar": True,
            "coloraxis": "baseline",
            **spw_panels(calibration),
        },
        copy_of="raw",
        flag_version=flags,
    )


def spw_panels(calibration: Calibration) -> dict[str, Any]:
    """Return a grid with one panel for each spectral window."""
    number = len(calibration.summary.spws)
    if number == 1:
        return {}
    columns = 2 if number <= 6 else 4
    rows = -(-number // columns)
    fonts = {"titlefont": 9, "xaxisfont": 9, "yaxisfont": 9}
    size = {"width": 450 * columns, "height": 300 * rows}
    return fonts | size | {"iteraxis": "spw", "gridrows": rows, "gridcols": columns}


def bad_times(calibration: Calibration, when: str, flags: str, asked: str) -> Drawing:
    """Return amplitude against time on each baseline to the reference antenna."""
    fields = listed_fields(calibration)
    names, refant, spw = ", ".join(fields), refant_name(calibration), middle_spw(calibration)
    return drawing(
        "flag",
        f"amplitude_time_baselines_{when}_bad_times",
        f"{names}: amplitude on each baseline to {refant}, {when} the list of bad times",
        f"Amplitude (uncalibrated) of spectral window {spw} against time, one panel for each baseline to {refant}. A "
        "drop is an antenna that did not work"
        + (": it must be gone." if when == "after" else f". Flagged next: {asked}."),
        f"Uncalibrated amplitude against time of {names}, one panel for each baseline to {refant}, {when} applying the "
        "list of bad times.",
        {
            "field": field_ids(calibration, fields),
            "correlation": like_hands(calibration),
            "xaxis": time_axis(len(baselines_to_refant(calibration))),
            "yaxis": "amp",
            "spw": str(spw),
            "msselect": to_refant(calibration),
            "avgchannel": whole_band(calibration),
            "coloraxis": "corr",
            **panels("baseline", len(baselines_to_refant(calibration))),
        },
        copy_of="raw",
        flag_version=flags,
    )
