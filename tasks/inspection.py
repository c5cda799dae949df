"""Look at a MeasurementSet: the summary everything is decided from, CASA's own listing, and flag counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from schemas.inspection import MsSummary
from schemas.observation import Selection
from schemas.solutions import FLAG_COLUMNS
from tasks.casa import TIMEOUT_S, run

if TYPE_CHECKING:
    from pathlib import Path


def summarise(vis: Path, selection: Selection = Selection(), timeout_s: float = TIMEOUT_S) -> MsSummary:  # noqa: B008
    """Summarise a MeasurementSet without writing to it; a read-only one will do.

    Parameters
    ----------
    vis
        The MeasurementSet.
    selection
        The part to count; spectral windows and scans keep their numbers.
    timeout_s
        Time limit [s].

    Returns
    -------
    The summary. Times are those of the TIME column: CASA's solution tables and time selections use the same.

    Raises
    ------
    ConfigurationError
        The selection does not fit the data.
    DataUnusable
        There is nothing in it.
    """
    found = run(
        "tasks.summary_casa:summarise",
        timeout_s=timeout_s,
        vis=vis,
        spw=selection.spw,
        scan=selection.scan,
        antenna=selection.antenna,
    )
    return MsSummary.model_validate(found)


def list_observation(vis: Path, listing: Path, timeout_s: float = TIMEOUT_S) -> Path:
    """Write CASA's ``listobs`` of `vis` to `listing` and return its path."""
    listing.parent.mkdir(parents=True, exist_ok=True)
    run("listobs", timeout_s=timeout_s, vis=str(vis), listfile=str(listing.absolute()), overwrite=True)
    return listing


def count_flags(vis: Path, timeout_s: float = TIMEOUT_S) -> pd.DataFrame:
    """Count flagged cross-correlations by field, antenna, spw and correlation.

    Each baseline counts for both of its antennas, a flagged row in all of its channels.

    Returns
    -------
    Columns `FLAG_COLUMNS`, rows only where there are data.
    """
    found = run("tasks.inspection_casa:count_flags", timeout_s=timeout_s, vis=vis)
    return pd.DataFrame({name: found[name] for name in FLAG_COLUMNS})
