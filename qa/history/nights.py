"""The history night by night, as tables for the report's trends."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sqlalchemy import select

from qa.history.identity import numbers, rows_of, runs_of_nights, same_sources, same_windows
from qa.history.models import CalibratorFlux, Delay, Image, Run, Solve
from schemas.history import Source, Window

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from qa.history.database import Database

NIGHTS_SHOWN = 120
"""How many nights a trend has: a season. Ours."""


@dataclass(frozen=True)
class Trends:
    """One run's telescope, night by night; of the same data the latest run alone, and stopped ones too.

    Attributes
    ----------
    telescope, observation
        Whose.
    night
        The run's own night (ISO date).
    refant
        The run's reference antenna.
    delays
        Columns antenna, spw, polarisation, night and delay_ns: of nights with the same reference antenna, in the run's
        spectral windows.
    fluxes
        Columns field, night, flux_density_jy, error_jy and phase_reference: of the run's calibrators.
    solutions
        Columns caltable, antenna, night, attempted, succeeded and ratio (succeeded/attempted).
    verdicts
        Columns observation, night and verdict.
    noise
        Columns field, night and noise_jy_beam: first images of targets.
    """

    telescope: str
    observation: str
    night: str
    refant: str
    delays: pd.DataFrame
    fluxes: pd.DataFrame
    solutions: pd.DataFrame
    verdicts: pd.DataFrame
    noise: pd.DataFrame


def trends_of(database: Database, observation: str, started: datetime, flow_run: str) -> Trends | None:
    """Return the latest nights, or those around a run's own where that is before them.

    None for a run that the history lacks, or whose night is not known.

    Parameters
    ----------
    database
        The history.
    observation, started, flow_run
        The run.

    Raises
    ------
    HistoryUnavailable
        The database does not answer.
    """
    with database.reading() as session:
        run = session.scalar(
            select(Run).where(Run.observation == observation, Run.started == started, Run.flow_run == flow_run)
        )
        if run is None or run.night is None or run.telescope is None:
            return None
        runs = runs_of_nights(session, Run.telescope == run.telescope)
        runs = runs[runs["night"].isin(_shown(sorted(runs["night"].unique()), str(run.night)))]
        return Trends(
            telescope=run.telescope,
            observation=observation,
            night=str(run.night),
            refant=run.refant or "",
            delays=_delays(session, run, runs),
            fluxes=_fluxes(session, run, runs),
            solutions=_solutions(session, runs),
            verdicts=runs[["observation", "night", "verdict"]].sort_values("night").reset_index(drop=True),
            noise=_noise(session, runs),
        )


def _shown(nights: list[str], own: str) -> list[str]:
    """Return the latest of all nights; where a run's own is none of them, those around it."""
    latest = nights[-NIGHTS_SHOWN:]
    if own in latest:
        return latest
    first = max(0, bisect.bisect_left(nights, own) - NIGHTS_SHOWN // 2)
    return nights[first : first + NIGHTS_SHOWN]


def _delays(session: Session, run: Run, runs: pd.DataFrame) -> pd.DataFrame:
    windows = {
        delay.spw: Window(spw=delay.spw, centre_hz=delay.centre_hz, bandwidth_hz=delay.bandwidth_hz)
        for delay in run.delays
        if delay.centre_hz is not None and delay.bandwidth_hz is not None
    }
    rows = same_windows(rows_of(session, Delay, runs[runs["refant"].eq(run.refant or "")]), windows.values())
    rows = rows.rename(columns={"median_ns": "delay_ns"})
    return _by_night(rows, ["antenna", "spw", "polarisation"], ["delay_ns"])


def _fluxes(session: Session, run: Run, runs: pd.DataFrame) -> pd.DataFrame:
    own = pd.DataFrame(
        [(flux.field, flux.ra_deg, flux.dec_deg, flux.reference_hz, flux.phase_reference) for flux in run.fluxes],
        columns=["field", "ra_deg", "dec_deg", "reference_hz", "phase_reference"],
    ).dropna()
    sources = [
        Source(
            field=row["field"],
            ra_rad=float(np.radians(row["ra_deg"])),
            dec_rad=float(np.radians(row["dec_deg"])),
            reference_hz=row["reference_hz"],
        )
        for row in own.to_dict("records")
    ]
    rows = same_sources(rows_of(session, CalibratorFlux, runs), sources)
    found = _by_night(rows, ["field"], ["flux_density_jy", "error_jy"])
    references = set(own.loc[own["phase_reference"].astype(bool), "field"])
    return found.assign(phase_reference=found["field"].isin(references))


def _solutions(session: Session, runs: pd.DataFrame) -> pd.DataFrame:
    rows = rows_of(session, Solve, runs)
    summed = rows.groupby(["caltable", "antenna", "night"], as_index=False)[["attempted", "succeeded"]].sum()
    attempted = numbers(summed["attempted"])
    return summed.assign(ratio=numbers(summed["succeeded"]) / attempted.where(attempted.gt(0.0)))


def _noise(session: Session, runs: pd.DataFrame) -> pd.DataFrame:
    rows = rows_of(session, Image, runs)
    return _by_night(rows[rows["target"].astype(bool)], ["field"], ["noise_jy_beam"])


def _by_night(rows: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Return one row per key and night, in order of time: the median where a night was observed twice."""
    table = rows.assign(**{name: numbers(rows[name]) for name in values}).dropna(subset=values[0])
    return table.groupby([*keys, "night"], as_index=False)[values].median()
