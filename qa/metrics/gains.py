"""Gains (gaincal G, ``p`` and ``ap``): did the solves succeed, and do the phases follow the atmosphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.metrics.places import (
    PLACE,
    SOLUTIONS_TO_TRACK,
    antenna_places,
    antenna_statistics,
    intervals_per_scan,
    not_applicable,
    per_antenna,
    short_scans_only,
    solutions,
    wrapped_deg,
)

if TYPE_CHECKING:
    from qa.measurement import Measurement
    from schemas.gates import GateContext

_SCAN = [*PLACE, "field", "scan"]


def succeeded_fraction(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Solutions that succeeded, of those attempted, per antenna, spw and polarisation.

    Attempted is CASA's ``data_unflagged`` and succeeded its ``above_minsnr``, both at antenna level: the spw level does
    not fall when S/N rejects solutions. Cross-checked with the table: its unflagged solutions with a finite complex
    gain. In real solves (p, ap; int, inf; minsnr 2 to 1e5; dead hands; CASA 6.7.0) the two counts are equal, so a
    difference is a fault of one of them, and the lower one is what is observed.

    Parameters
    ----------
    rows
        A G table, columns `schemas.solutions.GAIN_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`.
    context
        The gate's context.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [fraction]; NaN where nothing was attempted: that antenna is lost there.
    """
    counts = antenna_statistics(statistics)
    table = solutions(rows, "phase_deg")
    table["good"] &= np.isfinite(table["amplitude"].astype(float))
    unflagged = table.groupby(PLACE)["good"].sum().reindex(counts.index, fill_value=0)
    succeeded = counts["succeeded"].clip(upper=unflagged)
    fraction = succeeded / counts["attempted"].where(counts["attempted"].gt(0))
    return per_antenna("succeeded_fraction", fraction, antenna_places(context, (rows,), statistics))


def attempted_fraction(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Solutions attempted, of those expected, per antenna, spw and polarisation.

    What is missing had no unflagged data: late arrivals, bad weather, flags. The e-MERLIN guide's p1 attempted 935 of
    1400 (0.67) over all antennas.

    Parameters and return value as in `succeeded_fraction`; 0 where all data are flagged.
    """
    counts = antenna_statistics(statistics)
    fraction = counts["attempted"] / counts["expected"].where(counts["expected"].gt(0))
    return per_antenna("attempted_fraction", fraction, antenna_places(context, (rows,), statistics))


def phase_tracking(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Rms of consecutive phase differences inside one scan of one field, per antenna, spw and polarisation [deg].

    Differences are wrapped to within 180 deg and pooled over the scans in which the antenna has three good solutions
    or more; across scans and fields nothing is compared. Phases that follow the atmosphere move by a fraction of a
    turn from one solution to the next; noise gives 180/sqrt(3) = 104 deg, the rms of a uniform distribution. The
    reference antenna's phase is zero by construction, so it reads 0. Not applicable if no scan of the table has three
    solution intervals, flagged or not ("one solution per scan"); single places are left out for the same reason.

    Parameters and return value as in `succeeded_fraction` [deg].
    """
    table = solutions(rows, "phase_deg")
    intervals = intervals_per_scan(table)
    if intervals is not None and intervals < SOLUTIONS_TO_TRACK:
        return not_applicable("phase_tracking", "one solution per scan")
    good = table[table["good"]].sort_values("time_s")
    scans = good.groupby(_SCAN)["phase_deg"]
    enough = scans.transform("size").ge(SOLUTIONS_TO_TRACK)
    steps = good.assign(square=wrapped_deg(scans.diff()) ** 2)[enough]
    rms = np.sqrt(steps.groupby(PLACE)["square"].mean())
    places = antenna_places(context, (rows,), statistics)
    return per_antenna("phase_tracking", rms, places.without(short_scans_only(good, PLACE), "one solution per scan"))


def scan_phase(
    rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext, p1: pd.DataFrame | None
) -> Measurement:
    """One phase per scan (p2) against the circular mean of the short solutions (p1) in that scan [deg].

    The rms over scans of the wrapped difference, per antenna, spw and polarisation. Both refer to the same antenna, and
    the second bandpass was solved on p1, so no offset between them is expected and none is taken out: a p2 that
    averages over turning phases, or a solve on another reference antenna, shows as a difference.

    Parameters
    ----------
    rows, statistics, context
        As in `succeeded_fraction`, of p2.
    p1
        The short-interval phase table; None if this table is not p2: then there is nothing to compare with, which is
        recorded as "stage skipped".

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [deg].
    """
    if p1 is None:
        return not_applicable("scan_phase", "stage skipped")
    short, long = solutions(p1, "phase_deg"), solutions(rows, "phase_deg")
    mean = _scan_means(short[short["good"]])
    both = long[long["good"]].merge(mean, on=_SCAN)
    both["square"] = wrapped_deg(both["phase_deg"] - both["mean_deg"]) ** 2
    rms = np.sqrt(both.groupby(PLACE)["square"].mean())
    return per_antenna("scan_phase", rms, antenna_places(context, (rows, p1), statistics))


def _scan_means(good: pd.DataFrame) -> pd.DataFrame:
    """Circular mean per scan: the angle of the mean unit vector (Mardia & Jupp 2000, Directional Statistics, 2.2)."""
    angle = np.radians(good["phase_deg"].astype(float))
    vectors = good[_SCAN].assign(x=np.cos(angle), y=np.sin(angle)).groupby(_SCAN)[["x", "y"]].mean()
    return pd.Series(np.degrees(np.arctan2(vectors["y"], vectors["x"])), name="mean_deg").reset_index()
