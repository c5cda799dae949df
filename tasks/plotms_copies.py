"""Small private copies of the visibilities that plots are drawn from; runs inside a CASA child.

No plot ever reads the working MeasurementSet: a step may be writing into it, and its locks would hold the step up. The
rows that a plot needs are copied while nothing else is at work, and drawn later.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.inspection_casa import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VISIBILITIES = ("DATA", "FLOAT_DATA", "MODEL_DATA", "CORRECTED_DATA")


def copy_rows(vis: str, out: str, wanted: Sequence[dict[str, Any]], columns: Sequence[str]) -> int:
    """Copy some rows of a MeasurementSet, whole in frequency and correlation; return how many.

    Parameters
    ----------
    vis
        The MeasurementSet; only read.
    out
        The copy; its row numbers in `vis` go beside it, for `set_flags`.
    wanted
        What of each field: ``field`` (its id), ``baselines`` (pairs of antenna ids, or None for all) and ``limit``, the
        most visibilities to copy. Above that, every n-th integration is left.
    columns
        The columns of visibilities to copy besides DATA, where they are there.
    """
    shutil.rmtree(out, ignore_errors=True)
    with opened(vis) as tool:
        names = tool.colnames()
        size = int(np.size(tool.getcell("FLAG", 0)))
        index = {name: tool.getcol(name) for name in ("FIELD_ID", "ANTENNA1", "ANTENNA2", "TIME")}
        rows = np.unique(np.concatenate([_rows(index, size, **each) for each in wanted]))
        kept = [name for name in names if name not in VISIBILITIES or name in {"DATA", *columns}]
        if rows.size == 0:
            msg = "there are no visibilities to plot"
            raise ValueError(msg)
        everything = tool.query("FIELD_ID >= 0", columns=",".join(kept))
        chosen = everything.selectrows(rows.tolist())
        chosen.copy(out, deep=True, valuecopy=True).close()
        chosen.close()
        everything.close()
    np.save(_rows_file(out), rows)
    return int(rows.size)


def _rows(
    index: dict[str, NDArray[Any]], size: int, field: int, baselines: Sequence[Sequence[int]] | None, limit: int
) -> NDArray[np.int_]:
    one, other = index["ANTENNA1"], index["ANTENNA2"]
    chosen = (index["FIELD_ID"] == field) & (one != other)
    if baselines is not None:
        number = 1 + max(one.max(), other.max())
        pairs = [min(pair) * number + max(pair) for pair in baselines]
        chosen &= np.isin(np.minimum(one, other) * number + np.maximum(one, other), pairs)
    rows = np.flatnonzero(chosen)
    every = -(-rows.size * size // limit)
    if every > 1:
        times = np.unique(index["TIME"][rows])
        rows = rows[np.isin(index["TIME"][rows], times[::every])]
    return rows


def set_flags(copy: str, version: str) -> None:
    """Set the flags of a copy to those of a saved flag version of the MeasurementSet it was made from."""
    rows = np.load(_rows_file(copy))
    with opened(version) as saved:
        chosen = saved.selectrows(rows.tolist())
        flags = {name: chosen.getcol(name) for name in ("FLAG", "FLAG_ROW")}
        chosen.close()
    with opened(copy, writable=True) as tool:
        for name, values in flags.items():
            tool.putcol(name, values)


def _rows_file(copy: str) -> Path:
    return Path(f"{copy}.rows.npy")
