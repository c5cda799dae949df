"""Read columns of a written table back; runs inside a CASA child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_columns(table: Path | str, columns: Sequence[str], where: str = "") -> dict[str, NDArray[Any]]:
    """Read columns as arrays whose first axis is the row (CASA's own order reversed).

    Parameters
    ----------
    table
        Path of a MeasurementSet or of a table in it.
    columns
        Names of columns whose cells have one shape.
    where
        A TaQL condition, e.g. ``FIELD_ID==2``; empty for all rows.
    """
    import casatools

    opened = casatools.table()
    opened.open(str(table))
    selected = opened.query(where) if where else opened
    try:
        return {name: np.asarray(selected.getcol(name)).T for name in columns}
    finally:
        selected.close()
        opened.close()


def column_names(table: Path | str) -> list[str]:
    """Return the names of a table's columns."""
    import casatools

    opened = casatools.table()
    opened.open(str(table))
    try:
        return [str(name) for name in opened.colnames()]
    finally:
        opened.close()
