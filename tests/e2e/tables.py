"""Read and break tables; run inside a CASA child."""

from __future__ import annotations

import numpy as np


def all_columns(table: str) -> dict[str, np.ndarray]:
    """Return every column that holds values, row axis last; rows in one fixed order are compared as they stand."""
    from casatools import table as table_tool  # noqa: TID251

    tool = table_tool()
    tool.open(str(table))
    try:
        return {name: _column(tool, name) for name in tool.colnames() if tool.iscelldefined(name, 0)}
    finally:
        tool.close()


def _column(tool, name: str) -> np.ndarray:
    try:
        return np.asarray(tool.getcol(name))
    except RuntimeError:
        # Cells differ in shape, from spw to spw: their values one after the other.
        return np.concatenate([np.ravel(cell) for cell in tool.getvarcol(name).values()])


def clear_corrected(vis: str) -> None:
    """Set CORRECTED_DATA to zero, so that only a new applycal can fill it."""
    from casatools import table as table_tool  # noqa: TID251

    tool = table_tool()
    tool.open(vis, nomodify=False)
    tool.putcol("CORRECTED_DATA", np.zeros_like(tool.getcol("CORRECTED_DATA")))
    tool.close()


def subtable_column(table: str, name: str, value: list[float] | None = None) -> list[float]:
    """Return a scalar column, after setting it where a value is given."""
    from casatools import table as table_tool  # noqa: TID251

    tool = table_tool()
    tool.open(table, nomodify=value is None)
    if value is not None:
        tool.putcol(name, np.asarray(value))
    found = [float(entry) for entry in tool.getcol(name)]
    tool.close()
    return found


def corrected_over_model(vis: str, field: str) -> float:
    """Return the median of |vector average of corrected / model| over baselines, parallel hands, cross-correlations."""
    rows = _of_field(vis, field, ("CORRECTED_DATA", "MODEL_DATA", "FLAG", "ANTENNA1", "ANTENNA2"))
    cross = rows["ANTENNA1"] != rows["ANTENNA2"]
    good = ~rows["FLAG"][[0, -1]][..., cross]
    ratio = rows["CORRECTED_DATA"][[0, -1]][..., cross] / rows["MODEL_DATA"][[0, -1]][..., cross]
    baselines = rows["ANTENNA1"][cross] * 1000 + rows["ANTENNA2"][cross]
    found = []
    for baseline in np.unique(baselines):
        chosen = baselines == baseline
        values = ratio[..., chosen][good[..., chosen]]
        if values.size:
            found.append(abs(values.mean()))
    return float(np.median(found))


def _of_field(vis: str, field: str, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    from casatools import table as table_tool  # noqa: TID251

    tool = table_tool()
    tool.open(f"{vis}/FIELD")
    number = list(tool.getcol("NAME")).index(field)
    tool.close()
    tool.open(vis)
    rows = tool.query(f"FIELD_ID=={number}")
    found = {name: np.asarray(rows.getcol(name)) for name in columns}
    rows.close()
    tool.close()
    return found


def flagged_fractions(vis: str) -> dict[str, float]:
    """Return each field's flagged fraction of cross-correlations, counted in the FLAG and FLAG_ROW columns."""
    from casatools import table as table_tool  # noqa: TID251

    tool = table_tool()
    tool.open(f"{vis}/FIELD")
    names = [str(name) for name in tool.getcol("NAME")]
    tool.close()
    found = {}
    for name in names:
        rows = _of_field(vis, name, ("FLAG", "FLAG_ROW", "ANTENNA1", "ANTENNA2"))
        cross = rows["ANTENNA1"] != rows["ANTENNA2"]
        flags = rows["FLAG"][..., cross] | rows["FLAG_ROW"][cross]
        found[name] = float(flags.mean())
    return found
