"""Keeps the history of all runs and asks it for the gates; a history that fails never fails a calibration."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pandas as pd
from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.history import (
    DELAY_HISTORY_COLUMNS,
    FLUX_HISTORY_COLUMNS,
    HistoryUnavailable,
    Night,
    Source,
    Window,
    night_of,
)
from schemas.plots import PlotIndex
from schemas.whole import write_whole

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL

    from qa.history.database import Database
    from schemas.inspection import MsSummary
    from schemas.outcome import Outcome
    from schemas.solutions import FluxscaleRecord
    from tasks.calibration import Calibration

FILE = "history.sqlite"
"""The history's file in the folder of the workspaces, where no other database is set."""


class HistorySettings(BaseSettings):
    """Where the history is, from the environment."""

    model_config = SettingsConfigDict(env_prefix="GATECAL_HISTORY_", use_attribute_docstrings=True)

    url: SecretStr = SecretStr("")
    """SQLAlchemy's URL, ``postgresql://user:password@host/database``; empty: SQLite beside the workspaces. SQLite's
    locks do not work over network file systems: several machines want PostgreSQL."""


def record_run(outcome: Outcome, summary: MsSummary, workspaces: Path) -> None:
    """Write a run into the history, and what earlier runs could not write; failing, note it in the log.

    Parameters
    ----------
    outcome
        The run; its ``outcome.json`` is written already, from which the next run catches up if this fails.
    summary
        Its data in numbers.
    workspaces
        Folder of the workspaces.
    """
    from qa.history.writing import backfill, write_run

    with _noted("this run is not in the history; the next run writes it there from its outcome.json"):
        database = _open(workspaces)
        write_run(database, outcome, summary)
        caught_up = backfill(database, workspaces)
        if caught_up:
            _log().info("history: %d earlier runs that were missing are written too", caught_up)


def fluxes_before(calibration: Calibration, scaled: FluxscaleRecord) -> pd.DataFrame:
    """Return the calibrators' earlier nights, `schemas.history.FLUX_HISTORY_COLUMNS`; empty where there are none."""
    from qa.history.comparison import earlier_fluxes

    found = pd.DataFrame(columns=list(FLUX_HISTORY_COLUMNS))
    with _noted("flux densities are not compared with earlier nights"):
        this, database = _asked(calibration)
        if this is not None and database is not None:
            fields = {field.name: field for field in calibration.summary.fields}
            sources = [
                Source(
                    field=fit.field,
                    ra_rad=fields[fit.field].ra_rad,
                    dec_rad=fields[fit.field].dec_rad,
                    reference_hz=fit.reference_hz,
                )
                for fit in scaled.fits
            ]
            found = earlier_fluxes(database, this, sources)
    return found


def delays_before(calibration: Calibration) -> pd.DataFrame:
    """Return the antennas' earlier nights, `schemas.history.DELAY_HISTORY_COLUMNS`; empty where there are none."""
    from qa.history.comparison import earlier_delays

    found = pd.DataFrame(columns=list(DELAY_HISTORY_COLUMNS))
    with _noted("delays are not compared with earlier nights"):
        this, database = _asked(calibration)
        if this is not None and database is not None:
            windows = [
                Window(spw=spw.id, centre_hz=spw.centre_hz, bandwidth_hz=spw.bandwidth_hz)
                for spw in calibration.summary.spws
            ]
            found = earlier_delays(database, this, windows)
    return found


def this_night(calibration: Calibration) -> str:
    """Return the observation's night (UTC date of its first scan); empty where it has no scan."""
    this = _night(calibration)
    return "" if this is None else str(this.night)


def draw_history(root: Path) -> PlotIndex:
    """Draw the trends of a run's report; none, and a note in the log, where that fails.

    Parameters
    ----------
    root
        The run's workspace, with its ``outcome.json``, whose run is in the history.
    """
    from qa.history.trends import draw_trends

    drawn = PlotIndex()
    with _noted("the report shows no trends"):
        # An earlier run's trends must not stand beside this one's numbers.
        (root / "plots").mkdir(exist_ok=True)
        write_whole(root / "plots" / "history.json", drawn.model_dump_json(indent=1))
        drawn = draw_trends(_open(root.parent), root)
    return drawn  # noqa: RET504 - what was there before, where drawing failed


def history_url(workspaces: Path) -> str | URL:
    """Return the URL of the history's database; it may hold a password and is not for logs."""
    from sqlalchemy import URL

    asked = HistorySettings().url.get_secret_value()
    if asked:
        return asked
    # Not as text: SQLAlchemy 2.0 does not quote what a path may hold and a URL may not.
    return URL.create("sqlite", database=str(workspaces.absolute() / FILE))


def _open(workspaces: Path) -> Database:
    from qa.history.database import open_history

    return open_history(history_url(workspaces))


def _asked(calibration: Calibration) -> tuple[Night | None, Database | None]:
    """Return what a gate asks with: this night, and the history if there is one yet."""
    workspaces = calibration.workspace.root.parent
    if not HistorySettings().url.get_secret_value() and not (workspaces / FILE).exists():
        return None, None
    return _night(calibration), _open(workspaces)


def _night(calibration: Calibration) -> Night | None:
    return night_of(calibration.summary, calibration.source.fingerprint, calibration.refant)


@contextlib.contextmanager
def _noted(consequence: str) -> Iterator[None]:
    """Turn whatever fails into a line of the log: a calibration is worth more than its entry in the history."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, HistoryUnavailable) else f"{type(error).__name__}: "
        _log().warning("history: %s%s; %s", kind, error, consequence)


def _log() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """Return the run's logger, which the Prefect UI shows; outside of a run Prefect's own."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("gatecal.history")
