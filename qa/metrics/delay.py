"""Delays (gaincal K): are they small, steady and there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.metrics.history import earlier_medians
from qa.metrics.places import PLACE, antenna_names, antenna_places, not_applicable, per_antenna, solutions

if TYPE_CHECKING:
    from qa.measurement import Measurement
    from schemas.gates import GateContext

WILD = 3.0
"""How many times the rms of all other fields one field's must be to be named as where the scatter is. Ours."""


def delay_magnitude(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Median size of the delay per antenna, spw and polarisation [ns].

    Delays are relative to the reference antenna, whose own is zero by construction and is listed too. After the
    correlator's model what is left is cable and clock, a few ns (the e-MERLIN guide's data: about 2 ns); a large one
    is a clock jump or a solve that locked onto noise, anywhere in the search window of 1/channel width.

    Parameters
    ----------
    rows
        A K table, columns `schemas.solutions.DELAY_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`: only which places there are.
    context
        The gate's context.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [ns]; NaN where every solution is flagged.
    """
    table = solutions(rows, "delay_ns")
    good = table[table["good"]]
    size = good["delay_ns"].abs().groupby([good[key] for key in PLACE]).median()
    return per_antenna("delay_magnitude", size, antenna_places(context, (rows,), statistics))


def delay_scatter(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Scatter in time of the delay: rms about its median per antenna, spw and polarisation [ns].

    Instrumental delays hold still for a night, also from calibrator to calibrator; so all fields and times are pooled.
    The plain rms and not a robust width: a jump of a third of the night or a single wild solution harms all data
    interpolated to it, and a median absolute deviation would not see either. A single good solution of several has no
    scatter and reads 0; `delay_flagged` judges the missing ones. A table of one solution interval in all does not
    apply ("one solution per scan").

    Where the scatter comes from one field alone, the place names it: with solutions of a source too faint or off its
    position every antenna fails, and it is the source that is to blame.

    Parameters and return value as in `delay_magnitude`.
    """
    table = solutions(rows, "delay_ns")
    if table["time_s"].nunique() == 1:
        return not_applicable("delay_scatter", "one solution per scan")
    good = table[table["good"]]
    keys = [good[key] for key in PLACE]
    offset = good["delay_ns"] - good["delay_ns"].groupby(keys).transform("median")
    scatter = (offset**2).groupby(keys).mean() ** 0.5
    measured = per_antenna("delay_scatter", scatter, antenna_places(context, (rows,), statistics))
    fields = _scattering_field(good.assign(squared=offset**2))
    frame = measured.frame.merge(fields, on=PLACE, how="left").fillna({"field": ""})
    return replace(measured, frame=frame)


def _scattering_field(good: pd.DataFrame) -> pd.DataFrame:
    """Return, by `PLACE`, the field whose delays scatter `WILD` times as much as those of all others together."""
    sums = good.groupby([*PLACE, "field"])["squared"].agg(["sum", "size"])
    others = sums.groupby(level=PLACE).transform("sum") - sums
    own, other = (part["sum"] / part["size"].replace(0, np.nan) for part in (sums, others))
    # At most one: a second would have to scatter more than the first.
    wild = own.gt(WILD**2 * other).rename("wild").reset_index()
    return wild.loc[wild["wild"], [*PLACE, "field"]]


def delay_flagged(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Fraction of failed solutions per antenna, spw and polarisation, from the table's FLAG.

    For K the solve statistics are copies of the number attempted (measured, CASA 6.7.0 and 6.7.5) and its SNR column
    is zero, so only the table tells. A delay that is not a number counts as failed. Intervals in which no antenna had
    data are not in the table and do not count.

    Parameters and return value as in `delay_magnitude`; 1 where every solution is flagged.
    """
    table = solutions(rows, "delay_ns")
    failed = 1.0 - table.groupby(PLACE)["good"].mean()
    return per_antenna("delay_flagged", failed, antenna_places(context, (rows,), statistics))


def delay_history(
    rows: pd.DataFrame, statistics: pd.DataFrame, history: pd.DataFrame, context: GateContext
) -> Measurement:
    """Distance of the delay from the median of the earlier nights, per antenna, spw and polarisation [ns].

    Instrumental delays stay from night to night until a cable or a clock is changed: then they jump by some ns. The
    solve takes that out, so nothing is lost; but it dates the change, and a delay found in noise shows here too.

    Parameters
    ----------
    rows, statistics, context
        As in `delay_magnitude`.
    history
        Earlier nights with the same reference antenna, columns `schemas.history.DELAY_HISTORY_COLUMNS`; this night is
        not in it.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) with five nights or more [ns], NaN where every solution of this night is
    flagged; the others are left out as having too little history.
    """
    earlier = earlier_medians(history.assign(antenna=antenna_names(history["antenna"])), PLACE, "delay_ns")
    places = antenna_places(context, (rows,), statistics)
    grid = pd.MultiIndex.from_frame(places.grid[PLACE])
    without = grid[~grid.isin(earlier.index)]
    if len(grid) and len(without) == len(grid):
        return not_applicable("delay_history", "too little history")
    table = solutions(rows, "delay_ns")
    good = table[table["good"]]
    tonight = good["delay_ns"].groupby([good[key] for key in PLACE]).median()
    return per_antenna("delay_history", (tonight - earlier).abs(), places.without(without, "too little history"))
