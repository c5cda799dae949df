"""What a night's gates compare with: earlier nights of the same calibrators and of the same antennas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.history.identity import rows_of, runs_of_nights, same_sources, same_windows
from qa.history.models import CalibratorFlux, Delay, Run
from schemas.history import DELAY_HISTORY_COLUMNS, FLUX_HISTORY_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from sqlalchemy.orm import Session

    from qa.history.database import Database
    from schemas.history import Night, Source, Window

NIGHTS_READ = 60
"""How many of the latest nights delays are read of: enough for an antenna that was out for a month. Ours."""


def earlier_fluxes(database: Database, this: Night, sources: Iterable[Source]) -> pd.DataFrame:
    """Return the calibrators' flux densities of earlier nights of the same telescope.

    Only runs that the flux-scale gate did not stop count, and of the same data the latest alone. Who is the same
    calibrator, and how frequencies are met: `qa.history.identity.same_sources`.

    Parameters
    ----------
    database
        The history.
    this
        This night: neither it nor the same input enters.
    sources
        This night's calibrators.

    Returns
    -------
    Columns `schemas.history.FLUX_HISTORY_COLUMNS`.

    Raises
    ------
    HistoryUnavailable
        The database does not answer.
    """
    with database.reading() as session:
        rows = rows_of(session, CalibratorFlux, _earlier_runs(session, this))
    return _columns(same_sources(rows, sources), FLUX_HISTORY_COLUMNS)


def earlier_delays(database: Database, this: Night, windows: Iterable[Window]) -> pd.DataFrame:
    """Return the antennas' delays of earlier nights of the same telescope, relative to the same reference antenna.

    Parameters
    ----------
    database
        The history.
    this
        This night: neither it nor the same input enters.
    windows
        This night's spectral windows.

    Returns
    -------
    Columns `schemas.history.DELAY_HISTORY_COLUMNS`, of the latest `NIGHTS_READ` nights.

    Raises
    ------
    HistoryUnavailable
        The database does not answer.
    """
    with database.reading() as session:
        runs = _earlier_runs(session, this)
        runs = runs[runs["refant"].eq(this.refant)]
        runs = runs[runs["night"].isin(sorted(runs["night"].unique())[-NIGHTS_READ:])]
        rows = rows_of(session, Delay, runs)
    return _columns(same_windows(rows, windows).rename(columns={"median_ns": "delay_ns"}), DELAY_HISTORY_COLUMNS)


def _earlier_runs(session: Session, this: Night) -> pd.DataFrame:
    return runs_of_nights(
        session,
        Run.comparable.is_(True),
        Run.telescope == this.telescope,
        Run.night < this.night,
        Run.input_fingerprint != this.input_fingerprint,
    )


def _columns(rows: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the columns asked for, of rows that have a number."""
    return rows[list(columns)].dropna(subset=columns[-1]).reset_index(drop=True)
