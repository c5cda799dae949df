"""Apply: all tables to calibrators and targets, and targets flagged where no phase solution is near."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from schemas.results import ApplyRecord
from tasks.casa import run
from tasks.flagging import count_flags
from tasks.gains import only
from tasks.gaintables import GainTable, casa_chain
from tasks.ms_state import APPLIED, save_flags
from tasks.solving import chain_of
from tasks.step import step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.inspection import MsSummary
    from schemas.solutions import SolveRecord
    from tasks.calibration import Calibration

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
"""Day zero of the modified Julian date."""


@step("apply", ApplyRecord)
def apply_tables(
    calibration: Calibration, delays: SolveRecord, bandpass: SolveRecord, gains: SolveRecord, final: SolveRecord
) -> ApplyRecord:
    """Apply delays, bandpass and gains with applycal ``calflag`` (guide, step 12).

    A calibrator takes its own p1 and ap2; a target takes its phase reference's p2 and ap2. Rewrites CORRECTED_DATA,
    adds flags where solutions failed and where target data are too far from a good phase solution, and saves the flag
    version ``applied``.
    """
    asked = calibration.parameters.apply
    if not asked.enabled:
        return ApplyRecord(skipped="switched off (apply.enabled)")
    before = count_flags(calibration, "apply.before")
    phases, amplitudes = only(gains, "p"), only(final if final.tables else gains, "ap")
    scan_phases = only(final, "p") if final.tables else phases
    for field in calibration.roles.calibrators:
        _applycal(calibration, field, field, [delays, bandpass, phases, amplitudes])
    target_tables = [delays, bandpass, scan_phases, amplitudes]
    for target, reference in calibration.roles.phase_reference.items():
        _applycal(calibration, target, reference, target_tables)
    gaps = _flag_gaps(calibration, scan_phases)
    save_flags(calibration, APPLIED, "after applycal")
    workspace = calibration.workspace
    fields = list(calibration.roles.calibrators)
    visibilities = pd.DataFrame(run("tasks.tables_casa:read_corrected", vis=calibration.vis, fields=fields))
    return ApplyRecord(
        fields=(*calibration.roles.calibrators, *calibration.roles.targets),
        tables=tuple(table.caltable for record in target_tables for table in record.tables),
        before=before,
        after=count_flags(calibration, "apply.after"),
        visibilities=workspace.save_frame("apply.visibilities", visibilities),
        gaps=gaps,
        flag_version=APPLIED,
    )


def _applycal(calibration: Calibration, field: str, solutions_of: str, records: list[SolveRecord]) -> None:
    asked = calibration.parameters.apply
    chain: list[GainTable] = [
        table for record in records for table in chain_of(calibration, record, gainfield=solutions_of)
    ]
    run(
        "applycal",
        timeout_s=asked.timeout_s,
        vis=calibration.vis,
        field=field,
        applymode="calflag",
        calwt=asked.calwt,
        flagbackup=False,
        **casa_chain(chain),
    )


def _flag_gaps(calibration: Calibration, scan_phases: SolveRecord) -> tuple[str, ...]:
    cycles = calibration.parameters.apply.max_gap_cycles
    if cycles is None or not scan_phases.tables:
        return ()
    rows = calibration.workspace.load_frame(scan_phases.tables[0].rows)
    commands: list[str] = []
    for target, reference in calibration.roles.phase_reference.items():
        commands += gap_commands(calibration.summary, rows, target, reference, cycles)
    if commands:
        run("flagdata", vis=calibration.vis, mode="list", inpfile=commands, flagbackup=False)
    return tuple(commands)


def gap_commands(
    summary: MsSummary, rows: pd.DataFrame, target: str, reference: str, max_gap_cycles: float
) -> list[str]:
    """Return flagdata commands for target data farther than so many cycles from a good phase solution.

    Per antenna and spw: an antenna whose phase reference failed for an hour must not have its target phases
    interpolated across it. A solution is good if either hand survived; a failed hand alone is applycal's to flag.

    Parameters
    ----------
    summary
        Scans of the observation; the cycle is the median spacing of the phase reference's scans.
    rows
        The phase table (`schemas.solutions.GAIN_COLUMNS`).
    target, reference
        Field names.
    max_gap_cycles
        Largest distance allowed [cycles].
    """
    cycle_s = cycle(summary, reference)
    if cycle_s is None:
        return []
    commands = []
    own = rows[(rows["field"] == reference)]
    for (antenna, spw), solutions in own.groupby(["antenna", "spw"]):
        good = solutions.loc[~solutions["flagged"], "time_s"].to_numpy()
        if not len(good):
            continue  # no solution at all: applycal flags the antenna, and the gate has named it
        for start, stop in _far_from(good, _scans(summary, target), max_gap_cycles * cycle_s):
            commands.append(
                f"mode='manual' field='{target}' antenna='{antenna}' spw='{spw}' "
                f"timerange='{_casa_time(start)}~{_casa_time(stop)}' reason='no_phase_solution_within_a_cycle'"
            )
    return commands


def cycle(summary: MsSummary, reference: str) -> float | None:
    """Return the median spacing of a phase reference's scans, middle to middle [s]; None with a single scan."""
    middles = [(start + stop) / 2 for start, stop in _scans(summary, reference)]
    spacings = [later - earlier for earlier, later in pairwise(middles)]
    return float(np.median(spacings)) if spacings else None


def _scans(summary: MsSummary, field: str) -> list[tuple[float, float]]:
    return sorted((scan.start_s, scan.stop_s) for scan in summary.scans if scan.field == field)


def _far_from(good: NDArray[np.float64], scans: list[tuple[float, float]], gap_s: float) -> list[tuple[float, float]]:
    """Return the parts of `scans` farther than `gap_s` from every time in `good`."""
    near = sorted((time - gap_s, time + gap_s) for time in good)
    found = []
    for start, stop in scans:
        left = start
        for low, high in near:
            if low > left:
                found.append((left, min(low, stop)))
            left = max(left, high)
            if left >= stop:
                break
        if left < stop:
            found.append((left, stop))
    return [(low, high) for low, high in found if high > low]


def _casa_time(mjd_s: float) -> str:
    return (MJD_EPOCH + timedelta(seconds=mjd_s)).strftime("%Y/%m/%d/%H:%M:%S.%f")[:-3]
