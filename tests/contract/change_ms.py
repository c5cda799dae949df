"""Changes to MeasurementSets that tests ask for; run inside a CASA child."""

from __future__ import annotations

import numpy as np


def _open(vis):
    from casatools import table  # noqa: TID251

    tool = table()
    tool.open(vis, nomodify=False)
    return tool


def put(vis, name, value):
    """Fill a column with one value."""
    tool = _open(vis)
    tool.putcol(name, np.full_like(tool.getcol(name), value))
    tool.close()


def flag_first(vis, rows):
    """Flag the first rows, and nothing else."""
    tool = _open(vis)
    flags = np.zeros_like(tool.getcol("FLAG"))
    flags[..., :rows] = True
    tool.putcol("FLAG", flags)
    tool.putcol("FLAG_ROW", flags.all(axis=(0, 1)))
    tool.close()


def flag_rows_only(vis):
    """Flag every row by FLAG_ROW, leaving FLAG alone."""
    tool = _open(vis)
    tool.putcol("FLAG_ROW", np.ones(tool.nrows(), dtype=bool))
    tool.close()


def split_observation(vis):
    """Put every other row under a second observation ID."""
    tool = _open(vis)
    tool.putcol("OBSERVATION_ID", (np.arange(tool.nrows()) % 2).astype(np.int32))
    tool.close()
    observation = _open(f"{vis}/OBSERVATION")
    observation.copyrows(f"{vis}/OBSERVATION", nrow=1)
    observation.close()
