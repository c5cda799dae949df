"""Amplitudes of the gains (gaincal ap): are they steady, from the start of each scan, and on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from qa.measurement import Measurement
from qa.metrics.places import (
    PLACE,
    SOLUTIONS_TO_TRACK,
    antenna_places,
    intervals_per_scan,
    not_applicable,
    per_antenna,
    short_scans_only,
    solutions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.gates import GateContext

OUTLIER_FACTOR = 1.5
"""A gain amplitude off its median by more than this factor is an outlier (the design's value)."""

LATE_RATIO = 0.8
"""A first solution below this fraction of the rest is low: the antenna was off source for a fifth of that interval,
since a gain scales with the time on source. Atmosphere and gain drift stay within a few per cent at cm waves."""

LATE_SIGMA = 3.0
"""And it must be low by this many times the scatter of the rest, so that noisy gains are not taken for late ones."""

_MAD_TO_SIGMA = 1.4826  # of a normal distribution: 1 / (quantile at 3/4), e.g. Rousseeuw & Croux 1993, JASA 88, 1273


def amplitude_outliers(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Fraction of solutions off their median amplitude by a factor 1.5, per antenna, spw and polarisation.

    The median is that of the antenna, spw, polarisation and field: before the flux scale is set, fields differ in
    amplitude by the root of their flux densities. Phase-only tables have amplitude 1 throughout and read 0.

    Parameters
    ----------
    rows
        A G table, columns `schemas.solutions.GAIN_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`: only which places there are.
    context
        The gate's context.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [fraction of the good solutions]; NaN where there is none.
    """
    table = solutions(rows, "amplitude")
    good = table[table["good"]]
    ratio = good["amplitude"] / good.groupby([*PLACE, "field"])["amplitude"].transform("median")
    off = good.assign(off=~ratio.between(1.0 / OUTLIER_FACTOR, OUTLIER_FACTOR))
    fraction = off.groupby(PLACE)["off"].mean()
    return per_antenna("amplitude_outliers", fraction, antenna_places(context, (rows,), statistics))


def late_on_source(rows: pd.DataFrame, context: GateContext) -> Measurement:
    """Fraction of scans whose first solution is low against the rest of the scan, per antenna.

    An antenna that still slews when the scan starts sees less of the source: its first gain is low. A first solution
    counts as low below `LATE_RATIO` of the median of the others, and by `LATE_SIGMA` times their scatter (scaled
    median absolute deviation). Slewing is the antenna's, so a scan counts as late when more than half of its spws and
    polarisations say so. Scans with three good solutions or more count; without a scan of three solution intervals the
    metric does not apply ("one solution per scan"), and antennas with shorter scans only are left out. Phase-only
    tables have amplitude 1 and read 0.

    Parameters
    ----------
    rows
        A G table, columns `schemas.solutions.GAIN_COLUMNS`.
    context
        The gate's context.

    Returns
    -------
    One row per antenna with data [fraction of its scans]; NaN where no scan of an antenna can be judged.
    """
    table = solutions(rows, "amplitude")
    intervals = intervals_per_scan(table)
    if intervals is not None and intervals < SOLUTIONS_TO_TRACK:
        return not_applicable("late_on_source", "one solution per scan")
    good = table[table["good"]].sort_values("time_s")
    low = _low_firsts(good)
    late = low.groupby(level=["antenna", "field", "scan"]).mean().gt(0.5)
    fraction = late.groupby(level="antenna").mean()
    short = set(short_scans_only(good, ["antenna"])) & set(context.antennas)
    antennas = [name for name in context.antennas if name not in short]
    frame = pd.DataFrame({"antenna": antennas, "observed": fraction.reindex(antennas).to_numpy(dtype=float)})
    left_out = antenna_places(context, (rows,)).left_out
    left_out += tuple((f"antenna {name}", "one solution per scan") for name in sorted(short))
    count = max(1, len(context.antennas) - len(short))
    return Measurement("late_on_source", frame, places=count, per_antenna=True, left_out=left_out)


def scale_between_calibrators(rows: pd.DataFrame, calibrators: Sequence[str], context: GateContext) -> Measurement:
    """Largest relative difference of one antenna's amplitude gain between calibrators.

    Once every calibrator has its flux density, an antenna's gain is the same on all of them: per antenna, spw and
    polarisation, the largest of the fields' median amplitudes over the smallest, less one. Against the median of the
    fields a difference between two calibrators would read only half: in NGC 5921 a phase calibrator left at 1 Jy
    instead of 2.53 Jy reads 0.6 here and would read 0.23 there.

    Parameters
    ----------
    rows
        The table ap2, columns `schemas.solutions.GAIN_COLUMNS`.
    calibrators
        Names of all calibrators; each must be in the table.
    context
        The gate's context.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [fraction]; NaN where fewer than two fields have a good solution.

    Raises
    ------
    ValueError
        A calibrator has no solution in the table, good or flagged.
    """
    absent = [name for name in calibrators if name not in set(rows["field"])]
    if absent:
        raise ValueError(f"the table has no solutions of {', '.join(absent)}")
    table = solutions(rows, "amplitude")
    good = table[table["good"]]
    fields = good.groupby([*PLACE, "field"])["amplitude"].median()
    by_place = fields.groupby(level=PLACE)
    largest = (by_place.max() / by_place.min() - 1.0).where(by_place.size().ge(2))
    return per_antenna("scale_between_calibrators", largest, antenna_places(context, (rows,)))


def _low_firsts(good: pd.DataFrame) -> pd.Series:
    """Say of each antenna, field, scan, spw and polarisation with three solutions if the first is low."""
    keys = ["antenna", "field", "scan", "spw", "polarisation"]
    scans = good.groupby(keys)["amplitude"]
    enough = scans.transform("size").ge(SOLUTIONS_TO_TRACK)
    first = scans.cumcount().eq(0)
    rest = good[enough & ~first]
    median = rest.groupby(keys)["amplitude"].transform("median")
    spread = rest.assign(spread=(rest["amplitude"] - median).abs()).groupby(keys)["spread"].median()
    level = rest.groupby(keys)["amplitude"].median()
    start = good[enough & first].set_index(keys)["amplitude"]
    significant = (level - start).gt(LATE_SIGMA * _MAD_TO_SIGMA * spread)
    return (start.lt(LATE_RATIO * level) & significant).astype(float)
