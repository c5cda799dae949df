"""How much is flagged, how much a step flagged, and how much applycal added.

All read flag counts (`schemas.solutions.FLAG_COLUMNS`) of cross-correlations, in which each baseline counts for both of
its antennas; fractions per field are not changed by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from qa.measurement import Measurement
from qa.metrics.places import antenna_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.gates import NotApplicable

_KEYS = ["field", "antenna", "spw", "correlation"]

OUTSTANDING = 2.0
"""An antenna is outstanding if it lost over this factor more than the median antenna of its field.

One dead antenna of N takes 1/(N-1) from each other one, a half to a sixth of its own loss for N of 3 to 7; a fault
common to all leaves none outstanding.
"""


def field_flagged(after: pd.DataFrame, fields: Sequence[str]) -> Measurement:
    """Measure the flagged part of each calibrator and target's cross-correlations [fraction].

    Returns
    -------
    One place per field; NaN for a field without data, which stops.
    """
    fraction = _fraction(_counts(after).groupby("field")[["flagged", "total"]].sum())
    frame = pd.DataFrame({"field": list(fields), "observed": fraction.reindex(list(fields)).to_numpy()})
    return Measurement("field_flagged", frame, places=len(fields))


def antenna_flagged(after: pd.DataFrame, antennas: Sequence[str]) -> Measurement:
    """Measure the flagged part of each antenna's cross-correlations over all fields [fraction].

    Parameters
    ----------
    after
        Flag counts.
    antennas
        The observation's antennas; those without any count here (selections) are left out.
    """
    sums = _by_antenna(after, antennas)
    empty = [name for name in antennas if sums.loc[name, "total"] == 0.0]
    kept = [name for name in antennas if name not in empty]
    frame = pd.DataFrame({"antenna": kept, "observed": _fraction(sums.loc[kept]).to_numpy()})
    reason: NotApplicable = "antenna without any data"
    left_out = tuple((f"antenna {name}", reason) for name in empty)
    return Measurement("antenna_flagged", frame, places=len(kept), per_antenna=True, left_out=left_out)


def reference_flagged(after: pd.DataFrame, refant: Sequence[str]) -> Measurement:
    """Measure the flagged part of the reference antenna's cross-correlations [fraction].

    One place, the reference antenna, under the one-dead-antenna rule: with a usable fallback its loss is a warning.

    Raises
    ------
    ValueError
        No reference antenna is given.
    """
    if not refant:
        raise ValueError("no reference antenna is given")
    name = refant[0]
    observed = _fraction(_by_antenna(after, [name])).to_numpy()
    frame = pd.DataFrame({"antenna": [name], "observed": observed})
    return Measurement("reference_flagged", frame, places=1, per_antenna=True)


def usable_fallbacks(after: pd.DataFrame, refant: Sequence[str], limit: float) -> tuple[str, ...]:
    """Return the fallbacks that would pass the reference antenna's own bound.

    Parameters
    ----------
    after
        Flag counts.
    refant
        Reference antenna, then its fallbacks.
    limit
        Largest flagged part [fraction].
    """
    fraction = _fraction(_by_antenna(after, list(refant)))
    return tuple(name for name in refant[1:] if fraction[name] <= limit)


def newly_flagged(before: pd.DataFrame, after: pd.DataFrame) -> Measurement:
    """Measure what a step flagged, of what was unflagged before, over the whole observation [fraction].

    Not per field: 40 s of settling are a third of a 2 min scan, and right. A field that is nearly gone is another
    metric's (`field_flagged`). With nothing left to flag it reads NaN, which stops.
    """
    whole = _before_and_after(before, after)[["unflagged", "added"]].sum()
    overall = whole["added"] / whole["unflagged"] if whole["unflagged"] > 0.0 else float("nan")
    return Measurement("newly_flagged", pd.DataFrame({"observed": [overall]}), places=1)


def flags_added(before: pd.DataFrame, after: pd.DataFrame, antennas: Sequence[str]) -> Measurement:
    """Measure the flags applycal added for want of solutions, of what was unflagged, per field and antenna [fraction].

    A baseline's data are flagged when either antenna has no solution. So what the outstanding antennas of a field
    (`OUTSTANDING`) lost is taken out of the counts of the others: N-1 baselines share it equally. One dead antenna then
    fails alone and falls under the one-dead-antenna rule; a fault common to all fails all.

    Returns
    -------
    One place per field and antenna with unflagged data before; every antenna of a field that had none left reads NaN.
    """
    both = _before_and_after(before, after)
    both = both[both["antenna"].isin(antennas)]
    sums = both.groupby(["field", "antenna"])[["unflagged", "added"]].sum()
    had_some = sums.groupby(level="field")["unflagged"].transform("max") > 0.0
    sums = sums[(sums["unflagged"] > 0.0) | ~had_some]
    parts = [_own_loss(rows) for _, rows in sums.groupby(level="field")]
    observed = pd.concat(parts) if parts else pd.Series(dtype=float)
    frame = observed.rename("observed").reset_index()
    return Measurement("flags_added", frame, places=len(sums), per_antenna=True)


def _own_loss(rows: pd.DataFrame) -> pd.Series[float]:
    """Return the lost part of each antenna of one field, less what the outstanding ones took from it."""
    fraction = (rows["added"] / rows["unflagged"]).astype(float)
    outstanding = fraction > OUTSTANDING * fraction.median()
    # Each of the other antennas shares one baseline in N-1 with an outstanding one.
    taken = rows["added"].where(outstanding, 0.0).sum() / max(len(rows) - 1, 1)
    added, left = (rows["added"] - taken).clip(lower=0.0), rows["unflagged"] - taken
    others = (added / left.where(left > 0.0)).clip(upper=1.0)
    return fraction.where(outstanding | others.isna(), others)


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return flag counts with antenna names as text; a missing number is refused, since sums would skip it.

    Raises
    ------
    ValueError
        The table is empty or a count is missing.
    """
    if table.empty:
        raise ValueError("the table of flag counts is empty")
    numbers = table[["flagged", "total"]].astype(float)
    missing = int(numbers.isna().any(axis=1).sum())
    if missing:
        raise ValueError(f"{missing} of {len(table)} flag counts are not numbers")
    return table.assign(antenna=antenna_names(table["antenna"]), flagged=numbers["flagged"], total=numbers["total"])


def _by_antenna(table: pd.DataFrame, antennas: Sequence[str]) -> pd.DataFrame:
    sums = _counts(table).groupby("antenna")[["flagged", "total"]].sum()
    return sums.reindex(list(antennas), fill_value=0.0)


def _fraction(sums: pd.DataFrame) -> pd.Series[float]:
    return (sums["flagged"] / sums["total"]).where(sums["total"] > 0.0).astype(float)


def _before_and_after(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return per row what was unflagged before and what of it was flagged since.

    Raises
    ------
    ValueError
        The two tables do not count the same data.
    """
    both = _counts(before).merge(_counts(after), on=_KEYS, how="outer", suffixes=("_before", "_after"))
    if not bool((both["total_before"] == both["total_after"]).all()):
        raise ValueError("the flag counts before and after are not of the same data")
    unflagged = both["total_before"] - both["flagged_before"]
    return both.assign(unflagged=unflagged, added=both["flagged_after"] - both["flagged_before"])
