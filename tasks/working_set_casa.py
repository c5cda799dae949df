"""Tells whether a MeasurementSet can be read; runs inside a CASA child."""

from __future__ import annotations

from tasks.inspection_casa import opened

COLUMNS = ("DATA", "MODEL_DATA", "CORRECTED_DATA", "FLAG", "FLAG_ROW", "TIME", "UVW")
"""Columns the recipe reads and writes."""


def readable(vis: str) -> bool:
    """Return whether the main table opens and the first and last cell of every column can be read."""
    try:
        with opened(vis) as table:
            last = table.nrows() - 1
            for column in COLUMNS:
                table.getcell(column, 0)
                table.getcell(column, last)
    except RuntimeError:
        return False
    return True
