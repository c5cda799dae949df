"""Is there an observation to calibrate: antennas, roles, the phase reference's rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from qa.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.inspection import MsSummary, ScanSummary

PHASE_REFERENCE_REACH_S = 900.0
"""How far from a phase-reference scan target data may lie [s]: the design's 15 min (the guide's cycle is 7 min)."""

Interval = tuple[float, float]


def antennas_with_data(summary: MsSummary) -> Measurement:
    """Count the antennas that have visibilities [antennas].

    Amplitude self-consistency needs closure amplitudes, which take four antennas (Readhead et al. 1980, Nature 285,
    137).
    """
    frame = pd.DataFrame({"observed": [float(len(summary.antennas_with_data))]})
    return Measurement("antennas_with_data", frame, places=1)


def unresolved_roles(problems: Sequence[str]) -> Measurement:
    """Count the roles that could not be given to a field [roles].

    Parameters
    ----------
    problems
        One sentence per calibrator without a field or target without a phase reference.
    """
    return Measurement("unresolved_roles", pd.DataFrame({"observed": [float(len(problems))]}), places=1)


def phase_reference_gap(
    summary: MsSummary, phase_reference: Mapping[str, str], bad_scans: Collection[int]
) -> Measurement:
    """Measure the part of each target's time farther than 15 min from a good scan of its phase reference [fraction].

    Farther than that the phases are extrapolated over more than two of the guide's cycles.

    Parameters
    ----------
    summary
        Knows the scans' times.
    phase_reference
        Target to its phase reference.
    bad_scans
        Numbers of scans that are flagged whole.

    Returns
    -------
    One place per target; NaN where a target has no scan, which stops.
    """
    rows = [
        {"field": target, "observed": _gap(summary, target, calibrator, bad_scans)}
        for target, calibrator in phase_reference.items()
    ]
    return Measurement("phase_reference_gap", pd.DataFrame(rows), places=len(phase_reference))


def _gap(summary: MsSummary, target: str, calibrator: str, bad_scans: Collection[int]) -> float:
    wanted = [_interval(scan) for scan in summary.scans if scan.field == target and scan.rows > 0]
    good = [
        _interval(scan)
        for scan in summary.scans
        if scan.field == calibrator and scan.rows > 0 and scan.number not in bad_scans
    ]
    reach = PHASE_REFERENCE_REACH_S
    covered = _union([(start - reach, stop + reach) for start, stop in good])
    total = sum(stop - start for start, stop in wanted)
    near = sum(_overlap(one, other) for one in wanted for other in covered)
    return 1.0 - near / total if total > 0.0 else float("nan")


def _interval(scan: ScanSummary) -> Interval:
    # A scan of one integration may start and stop at the same time stamp; it still lasts that integration.
    return scan.start_s, max(scan.stop_s, scan.start_s + max(scan.integration_s, 1e-3))


def _union(intervals: Sequence[Interval]) -> list[Interval]:
    """Merge overlapping intervals, so that no time counts twice."""
    merged: list[Interval] = []
    for start, stop in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _overlap(one: Interval, other: Interval) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
