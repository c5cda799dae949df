"""Where a metric has to have a number: the places, counted from the inputs and not from the metric's own result.

A solution table holds rows for antennas that never observed (all flagged), and may lack rows of antennas that did. So
the places of a metric per antenna, spw and polarisation are the antennas with data (known from the observation) times
the pairs of spw and polarisation that the table and the solve statistics know. A place without a usable solution
stays in the frame as NaN, which counts as that antenna failing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.measurement import Measurement

if TYPE_CHECKING:
    from schemas.gates import GateContext, NotApplicable

PLACE = ["antenna", "spw", "polarisation"]
"""What "per antenna" means in the gate table."""

_PAIR = ["spw", "polarisation"]


@dataclass(frozen=True)
class AntennaPlaces:
    """The places a metric must cover.

    Attributes
    ----------
    grid
        One row per place, columns `PLACE`.
    count
        How many there must be: antennas times pairs of spw and polarisation, less those left out; at least one, so
        that a metric of empty tables cannot be complete.
    left_out
        Antennas, or single places, without any data, with the reason.
    """

    grid: pd.DataFrame
    count: int
    left_out: tuple[tuple[str, NotApplicable], ...]

    def without(self, places: pd.Index, reason: NotApplicable) -> AntennaPlaces:
        """Leave out places of the grid, with the reason."""
        out = pd.MultiIndex.from_frame(self.grid[PLACE]).isin(places)
        named = tuple((_words(place), reason) for place in self.grid[out][PLACE].itertuples(index=False, name=None))
        count = max(1, self.count - int(out.sum()))
        return AntennaPlaces(self.grid[~out].reset_index(drop=True), count, self.left_out + named)


def solutions(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return a solution table with whole keys and a column ``good``.

    Parameters
    ----------
    rows
        A table with the columns `PLACE`, ``flagged`` and `value`.
    value
        The column the metric reads.

    Returns
    -------
    A copy without the rows that lack a key; ``antenna`` is text; ``good`` is true where the solution is neither flagged
    nor a missing or infinite number. A NaN that CASA did not flag is a failed solution, not a value to skip.
    """
    table = rows.dropna(subset=PLACE).copy()
    table["antenna"] = antenna_names(table["antenna"])
    flagged = table["flagged"].isna() | table["flagged"].ne(0)
    table["good"] = ~flagged & np.isfinite(pd.to_numeric(table[value], errors="coerce"))
    return table


def antenna_names(column: pd.Series) -> pd.Series:
    """Return antenna names as text: VLA names are digits, which a CSV reader may have taken for numbers."""
    if pd.api.types.is_float_dtype(column):
        return column.map(lambda name: f"{name:g}")
    return column.astype(str)


def antenna_statistics(statistics: pd.DataFrame) -> pd.DataFrame:
    """Return ``solvestats`` at antenna level, summed over calls, indexed by `PLACE`.

    The rows of the spw as a whole (empty antenna) are left out: they do not fall when S/N rejects solutions (measured
    with CASA 6.7.0 and 6.7.5), so nothing may be judged on them.
    """
    counts = statistics.dropna(subset=PLACE)
    counts = counts.assign(antenna=antenna_names(counts["antenna"]))
    counts = counts[counts["antenna"].ne("")]
    summed = counts.groupby(PLACE)[["expected", "attempted", "succeeded"]].sum(min_count=1)
    return summed.astype(float)


def antenna_places(
    context: GateContext, tables: tuple[pd.DataFrame, ...], statistics: pd.DataFrame | None = None
) -> AntennaPlaces:
    """Count the places of a metric per antenna, spw and polarisation.

    Parameters
    ----------
    context
        Knows the antennas that have data.
    tables
        Solution tables; their antennas outside the context are left out as having no data.
    statistics
        Solve statistics, if the metric has them. An antenna that had data to solve on at some spw and polarisation but
        none at another (``expected`` 0 there) is left out there. One that had none anywhere, although the observation
        has data of it, is kept: it is lost.
    """
    known = [*tables, statistics] if statistics is not None else [*tables]
    pairs = pd.concat([table[_PAIR] for table in known], ignore_index=True).dropna().drop_duplicates()
    antennas = pd.DataFrame({"antenna": list(context.antennas)})
    grid = antennas.merge(pairs.sort_values(_PAIR), how="cross")
    empty = _empty_places(grid, statistics)
    places = AntennaPlaces(grid, max(1, len(context.antennas) * len(pairs)), _without_data(context, tables))
    return places.without(pd.MultiIndex.from_frame(grid[empty][PLACE]), "antenna without any data")


def per_antenna(metric: str, values: pd.Series, places: AntennaPlaces) -> Measurement:
    """Lay a metric's values, indexed by `PLACE`, onto its places; where there is none the place reads NaN."""
    observed = values.rename("observed").astype(float).reset_index()
    frame = places.grid.merge(observed, on=PLACE, how="left")
    return Measurement(metric=metric, frame=frame, places=places.count, per_antenna=True, left_out=places.left_out)


def not_applicable(metric: str, reason: NotApplicable) -> Measurement:
    """Return a measurement that says why its metric does not apply."""
    empty = pd.DataFrame({"observed": pd.Series(dtype=float)})
    return Measurement(metric=metric, frame=empty, places=0, not_applicable=reason)


SOLUTIONS_TO_TRACK = 3
"""Fewest solutions of a scan that say how it goes on: two differences, or a first one and a rest."""


def intervals_per_scan(table: pd.DataFrame) -> int | None:
    """Count the solution intervals of the scan that has most of them, flagged or not; None in an empty table."""
    keys = ["field", "scan", "spw", "time_s"]
    times = table[keys].dropna().drop_duplicates()
    return None if times.empty else int(times.groupby(keys[:-1]).size().max())


def short_scans_only(good: pd.DataFrame, keys: list[str]) -> pd.Index:
    """Places (`keys`) with good solutions, but in no scan as many as `SOLUTIONS_TO_TRACK`.

    Nothing can be said of a scan there; what is missing is judged by the fraction of solutions that succeeded.
    """
    most = good.groupby([*PLACE, "field", "scan"]).size().groupby(level=keys).max()
    return most.index[most.lt(SOLUTIONS_TO_TRACK)]


def wrapped_deg(angle: pd.Series) -> pd.Series:
    """Bring angles into -180 to 180 [deg]."""
    return (angle + 180.0) % 360.0 - 180.0


def _without_data(context: GateContext, tables: tuple[pd.DataFrame, ...]) -> tuple[tuple[str, NotApplicable], ...]:
    seen = {name for table in tables for name in antenna_names(table["antenna"].dropna()).unique()}
    return tuple((name, "antenna without any data") for name in sorted(seen - set(context.antennas)))


def _empty_places(grid: pd.DataFrame, statistics: pd.DataFrame | None) -> pd.Series:
    if statistics is None or statistics.empty:
        return pd.Series(data=False, index=grid.index)
    expected = antenna_statistics(statistics)["expected"]
    had_some = expected.groupby(level="antenna").max()
    here = grid[PLACE].merge(expected.reset_index(), on=PLACE, how="left")["expected"]
    return here.eq(0.0) & grid["antenna"].map(had_some).gt(0.0)


def _words(place: tuple[object, ...]) -> str:
    antenna, spw, polarisation = place
    return f"antenna {antenna}, spw {spw}, {polarisation}"
