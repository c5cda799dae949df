"""A metric's numbers, ready to be judged: one row per place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from schemas.gates import NotApplicable

PLACE_COLUMNS = ("field", "antenna", "spw", "polarisation", "scan")
"""Columns that say where a number was measured; a metric's frame has those that apply, and ``observed``."""


@dataclass(frozen=True)
class Measurement:
    """One metric, measured at every place where it applies.

    Attributes
    ----------
    metric
        Name, as in the suite.
    frame
        One row per place: some of `PLACE_COLUMNS`, and ``observed`` [the metric's unit] as float.
    places
        How many rows `frame` must have, counted from the inputs and not from `frame`: a metric that lost rows stops.
    per_antenna
        Whether the one-dead-antenna rule applies (then ``antenna`` is among the columns).
    not_applicable
        Why the whole metric does not apply; decided from the inputs before the metric is read. Then `frame` is unread.
    left_out
        Places left out of `frame` and why, e.g. antennas without any data.
    """

    metric: str
    frame: pd.DataFrame
    places: int
    per_antenna: bool = False
    not_applicable: NotApplicable | None = None
    left_out: tuple[tuple[str, NotApplicable], ...] = field(default=())
