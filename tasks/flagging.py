"""Flags what is known to be bad: late on source, end channels, the user's bad times. Nothing is flagged by guess."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.results import FlagAct, FlagRecord, InspectRecord
from tasks.calibration import Calibration
from tasks.casa import run
from tasks.flag_file import check_flag_file
from tasks.ms_state import FLAGGED, save_flags
from tasks.step import step

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.parameters import FlagParams


@step("flag", FlagRecord)
def flag_known_bad(calibration: Calibration, inspected: InspectRecord) -> FlagRecord:
    """Flag late on source, end channels and bad times, each after saving the flags as they were (guide, step 1).

    Changes FLAG in the working MeasurementSet; saves the versions ``pre_quack``, ``pre_endchans``,
    ``pre_timeflagging`` and ``flagged``.
    """
    before = inspected.counts
    acts = []
    for act in (flag_late_on_source, flag_end_channels, flag_bad_times):
        done: FlagAct | None = act(calibration, before)
        if done is not None:
            acts.append(done)
            before = done.after
    save_flags(calibration, FLAGGED, "after late-on-source, end-channel and bad-time flagging")
    return FlagRecord(acts=tuple(acts), flag_version=FLAGGED)


@task(name="flag late on source", cache_policy=NO_CACHE)
def flag_late_on_source(calibration: Calibration, before: Path) -> FlagAct | None:
    """Flag the start of every scan, when antennas are still on their way, and autocorrelations."""
    asked = calibration.parameters.flag
    words = [f"the first {asked.late_on_source_s:g} s of each scan"] if asked.late_on_source_s else []
    words += ["autocorrelations"] if asked.autocorrelations else []
    if not words:
        return None

    def flag() -> None:
        if asked.late_on_source_s:
            _flagdata(calibration, mode="quack", quackinterval=asked.late_on_source_s, quackmode="beg")
        if asked.autocorrelations:
            _flagdata(calibration, mode="manual", autocorr=True)

    return _act(calibration, "late_on_source", "pre_quack", " and ".join(words), before, flag)


@task(name="flag end channels", cache_policy=NO_CACHE)
def flag_end_channels(calibration: Calibration, before: Path) -> FlagAct | None:
    """Flag the channels at the ends of each spw, where the filters let little through."""
    channels = {spw.id: spw.channels for spw in calibration.summary.spws}
    selection = end_channels(calibration.parameters.flag, channels)
    if not selection:
        return None
    words = f"end channels {selection}"
    return _act(
        calibration,
        "end_channels",
        "pre_endchans",
        words,
        before,
        lambda: _flagdata(calibration, mode="manual", spw=selection),
    )


@task(name="flag bad times", cache_policy=NO_CACHE)
def flag_bad_times(calibration: Calibration, before: Path) -> FlagAct | None:
    """Flag the user's list of bad times; each line was checked before any work and is checked again here."""
    path = calibration.parameters.flag.bad_times
    if path is None:
        return None
    commands = check_flag_file(path, calibration.summary)
    words = f"{len(commands)} commands of {path.name}"
    return _act(
        calibration,
        "bad_times",
        "pre_timeflagging",
        words,
        before,
        lambda: _flagdata(calibration, mode="list", inpfile=list(commands)),
        judged=False,
    )


def _act(
    calibration: Calibration,
    name: str,
    saved_as: str,
    asked: str,
    before: Path,
    flag: Callable[[], None],
    *,
    judged: bool = True,
) -> FlagAct:
    save_flags(calibration, saved_as, f"before flagging {name}")
    flag()
    return FlagAct(
        name=name,
        saved_as=saved_as,
        asked=asked,
        before=before,
        after=count_flags(calibration, f"flags.{name}"),
        judged=judged,
    )


def _flagdata(calibration: Calibration, **asked: object) -> None:
    timeout_s = calibration.parameters.flag.timeout_s
    run("flagdata", timeout_s=timeout_s, vis=calibration.vis, flagbackup=False, **asked)


def count_flags(calibration: Calibration, name: str) -> Path:
    """Count the flags of the working MeasurementSet into ``records/<name>.csv`` (FLAG_COLUMNS)."""
    counts = run("tasks.inspection_casa:count_flags", vis=calibration.vis)
    return calibration.workspace.save_frame(name, pd.DataFrame(counts))


def end_channels(asked: FlagParams, channels: dict[int, int]) -> str:
    """Return the end channels to flag as a CASA selection, for spws of any number of channels.

    Channel ``a~b`` of N becomes ``floor(a n/N) ~ ceil((b+1) n/N) - 1`` of n, so that no bad channel escapes; a
    spw without channels is flagged whole.

    Parameters
    ----------
    asked
        Which, counted in spws of ``end_channels_of`` channels, and which fraction at each end.
    channels
        Channels of each spw.
    """
    ranges: dict[int, list[tuple[int, int]]] = {spw: [] for spw in channels}
    for spw, text in _parts(asked.end_channels or ""):
        if spw in channels:
            # In whole numbers: 7 x (7/29) in floating point lands a channel too far.
            number, of = channels[spw], asked.end_channels_of
            for low, high in re.findall(r"(\d+)~(\d+)", text or f"0~{of - 1}"):
                ranges[spw].append((int(low) * number // of, -(-(int(high) + 1) * number // of) - 1))
    for spw, number in channels.items():
        edge = round(asked.end_channels_fraction * number)
        if edge:
            ranges[spw] += [(0, edge - 1), (number - edge, number - 1)]
    return ",".join(
        f"{spw}:" + ";".join(f"{low}~{high}" for low, high in chosen) for spw, chosen in ranges.items() if chosen
    )


def _parts(selection: str) -> list[tuple[int, str]]:
    parts = [part.partition(":") for part in selection.split(",") if part]
    return [(int(spw), text) for spw, _, text in parts]
