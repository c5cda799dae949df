"""Earlier nights: what a number of this night is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

NIGHTS_TO_COMPARE = 5
"""Fewest earlier nights that make a history (the design's value)."""

NIGHTS_LOOKED_BACK = 10
"""How many of the latest nights are compared with. Ours: what drifts slowly is followed (half a window behind), and six
nights after a jump the new value is the normal one, so that a delay moved by maintenance stops warning."""


def earlier_medians(history: pd.DataFrame, keys: Sequence[str], value: str) -> pd.Series:
    """Median of the latest `NIGHTS_LOOKED_BACK` nights of each place that has `NIGHTS_TO_COMPARE` or more.

    Parameters
    ----------
    history
        Columns `keys`, ``night`` (ISO date) and `value`. Several values of a night count once, by their median; missing
        and infinite ones do not count.
    keys
        Columns that make a place.
    value
        The column of numbers.

    Returns
    -------
    By `keys` [the unit of `value`].
    """
    numbers = pd.to_numeric(history[value], errors="coerce").astype(float)
    known = history.assign(**{value: numbers})[np.isfinite(numbers)]
    nightly = known.groupby([*keys, "night"])[value].median().sort_index()
    latest = nightly.groupby(level=list(keys)).tail(NIGHTS_LOOKED_BACK).groupby(level=list(keys))
    return latest.median()[latest.size().ge(NIGHTS_TO_COMPARE)]


def compared_nights(history: pd.DataFrame) -> str:
    """Return which nights a comparison is made with, in words; empty where there are none."""
    nights = sorted(history["night"].dropna().astype(str).unique())[-NIGHTS_LOOKED_BACK:]
    return f"the median of {len(nights)} nights, {nights[0]} to {nights[-1]}" if nights else ""
