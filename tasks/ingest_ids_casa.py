"""Row order and the observation and scan numbers of a MeasurementSet, put right inside a CASA child."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.inspection_casa import column, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray


SCAN_GAP_S = 15.0
"""A field that is away for longer than this starts a new scan where FITS-IDI files are joined [s].

The value the e-MERLIN CASA pipeline's documentation gives for importfitsidi; e-MERLIN integrates 1 to 4 s.
"""


def sort_in_time(vis: str) -> None:
    """Put the rows of `vis` in order of time, replacing it; files joined one after the other are not."""
    from casatools import ms

    if bool(np.all(np.diff(column(vis, "TIME")) >= 0)):
        return
    ordered = Path(vis).with_name("ordered.ms")
    shutil.rmtree(ordered, ignore_errors=True)
    tool = ms()
    tool.open(vis)
    try:
        tool.timesort(str(ordered))
    finally:
        tool.close()
    shutil.rmtree(vis)
    ordered.rename(vis)


def number_scans(vis: str) -> None:
    """Give the scans of `vis` the numbers 1, 2, ... in order of time; files that were joined repeat their numbers."""
    scans = column(vis, "SCAN_NUMBER")
    numbers = scans_by_visits(column(vis, "FIELD_ID"), column(vis, "TIME"))
    with opened(vis, writable=True) as tool:
        tool.putcol("SCAN_NUMBER", numbers.astype(scans.dtype))


def scans_by_visits(fields: NDArray[np.int_], times: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return scan numbers: one scan is one uninterrupted visit to a field; all shaped (row,).

    A visit ends where another field follows, or after a gap of `SCAN_GAP_S` and of 1.5 times the usual spacing.
    """
    visit = np.zeros(times.size, dtype=int)
    starts: list[float] = []
    for field in np.unique(fields):
        rows = fields == field
        moments, others = np.unique(times[rows]), np.unique(times[~rows])
        spacing = np.diff(moments)
        away = spacing > max(SCAN_GAP_S, 1.5 * float(np.median(spacing))) if spacing.size else spacing > 0
        between = np.searchsorted(others, moments[1:], "left") > np.searchsorted(others, moments[:-1], "right")
        first = np.concatenate(([0], 1 + np.flatnonzero(away | between)))
        visit[rows] = len(starts) + np.searchsorted(moments[first], times[rows], side="right") - 1
        starts.extend(float(value) for value in moments[first])
    rank = np.empty(len(starts), dtype=int)
    rank[np.argsort(starts, kind="stable")] = np.arange(1, len(starts) + 1)
    return rank[visit]


def merge_observations(vis: str) -> list[str]:
    """Put all rows under observation ID 0 where one field stands under several IDs at the same time.

    fluxscale fails on such data: "multiple gain solutions in a single timestamp". Scan numbers that are unique only
    within an observation ID are made unique. Data without such an overlap are left as they are.
    """
    fields, observations, times = (column(vis, name) for name in ("FIELD_ID", "OBSERVATION_ID", "TIME"))
    overlapping = overlapping_fields(fields, observations, times)
    if not overlapping:
        return []
    scans = column(vis, "SCAN_NUMBER")
    renumbered = unique_scans(scans, observations, times)
    with opened(vis, writable=True) as tool:
        tool.putcol("OBSERVATION_ID", np.zeros_like(observations))
        if renumbered is not None:
            tool.putcol("SCAN_NUMBER", renumbered.astype(scans.dtype))
    with opened(f"{vis}/OBSERVATION", writable=True) as tool:
        spans = tool.getcol("TIME_RANGE")
        tool.putcell("TIME_RANGE", 0, [float(spans.min()), float(spans.max())])
        if tool.nrows() > 1:
            tool.removerows(list(range(1, tool.nrows())))
    names = column(f"{vis}/FIELD", "NAME")
    listed = ", ".join(str(names[index]) for index in overlapping)
    notes = [f"Merged {np.unique(observations).size} observation IDs into one: they overlap in time on {listed}."]
    return notes if renumbered is None else [*notes, "Renumbered the scans, whose numbers were used more than once."]


def overlapping_fields(
    fields: NDArray[np.int_], observations: NDArray[np.int_], times: NDArray[np.float64]
) -> list[int]:
    """Return the fields that stand under two observation IDs whose times overlap; all arguments shaped (row,)."""
    found = []
    for field in np.unique(fields):
        spans = []
        for observation in np.unique(observations[fields == field]):
            rows = (fields == field) & (observations == observation)
            spans.append((float(times[rows].min()), float(times[rows].max())))
        spans.sort()
        if any(later[0] <= max(stop for _, stop in spans[: index + 1]) for index, later in enumerate(spans[1:])):
            found.append(int(field))
    return found


def unique_scans(
    scans: NDArray[np.int_], observations: NDArray[np.int_], times: NDArray[np.float64]
) -> NDArray[np.int_] | None:
    """Return scan numbers 1, 2, ... in order of time if two observation IDs share a number; else None.

    Scans of the same number that overlap in time are one scan, seen under two IDs: they keep one number.
    """
    pairs = np.stack([observations, scans])
    unique, inverse = np.unique(pairs, axis=1, return_inverse=True)
    inverse = inverse.ravel()
    spans = [(float(times[inverse == i].min()), float(times[inverse == i].max())) for i in range(unique.shape[1])]
    number: dict[int, int] = {}
    open_scans: dict[int, tuple[int, float]] = {}  # original number: (new number, end)
    for index in sorted(range(unique.shape[1]), key=lambda i: spans[i]):
        original = int(unique[1, index])
        start, stop = spans[index]
        if original in open_scans and start <= open_scans[original][1]:
            number[index] = open_scans[original][0]
            stop = max(stop, open_scans[original][1])
        else:
            number[index] = 1 + max(number.values(), default=0)
        open_scans[original] = (number[index], stop)
    if len({int(value) for value in unique[1]}) == len(set(number.values())):
        return None
    return np.array([number[index] for index in range(unique.shape[1])])[inverse]
