"""The chain of tables that is applied before a solve or to the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence


class GainTable(Record):
    """One table in the chain; one gainfield entry each, since CASA gives a joined string to the first table only."""

    caltable: Path
    """Absolute path."""
    gainfield: str = "nearest"
    """Field whose solutions are used; ``nearest`` on the sky gives each calibrator its own; empty: all."""
    interp: str = "linear"
    """Interpolation in time, and in frequency after a comma."""


def casa_chain(tables: Sequence[GainTable]) -> dict[str, list[str]]:
    """Return the chain as CASA's gaintable, gainfield and interp, of one length each."""
    return {
        "gaintable": [str(table.caltable) for table in tables],
        "gainfield": [table.gainfield for table in tables],
        "interp": [table.interp for table in tables],
    }
