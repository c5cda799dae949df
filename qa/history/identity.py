"""Who is who across nights: runs of the same data, calibrators by position, spectral windows by frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from qa.catalogue import MATCH_ARCSEC
from qa.history.models import Run
from schemas.standards import angular_separation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Executable
    from sqlalchemy.orm import Session

    from schemas.history import Source, Window

SAME_BAND = 0.1
"""Flux densities whose reference frequencies differ by more than this are not compared [fraction]. Ours: a spectral
index that is off by 0.5 is then off by 5 % in flux density, half of the bound that warns."""


def runs_of_nights(session: Session, *conditions: ColumnElement[bool]) -> pd.DataFrame:
    """Return runs whose night is known, of the same data the latest alone.

    The same data are the same input, or the same observation of the same night (a copy of an input is another input).

    Parameters
    ----------
    session
        To read with.
    conditions
        Which runs are asked for.

    Returns
    -------
    Columns observation, night (ISO date), telescope, refant and verdict, by the runs' ids, in order of processing.
    """
    columns = (Run.id, Run.observation, Run.input_fingerprint, Run.night, Run.telescope, Run.refant, Run.verdict)
    asked = select(*columns).where(Run.night.is_not(None), *conditions).order_by(Run.started, Run.id)
    runs = table(session, asked)
    runs = runs.drop_duplicates("input_fingerprint", keep="last")
    runs = runs.drop_duplicates(["observation", "night"], keep="last").set_index("id")
    return runs.assign(night=runs["night"].map(str)).drop(columns="input_fingerprint")


def rows_of(session: Session, model: Any, runs: pd.DataFrame) -> pd.DataFrame:  # noqa: ANN401 - a table with run_id
    """Return the rows that belong to runs, with each run's ``night``."""
    asked = select(model.__table__).where(model.run_id.in_([int(number) for number in runs.index]))
    return table(session, asked).join(runs["night"], on="run_id")


def same_sources(rows: pd.DataFrame, sources: Iterable[Source]) -> pd.DataFrame:
    """Return the flux densities of the calibrators asked for, under this night's names.

    A calibrator is known by its position, within `qa.catalogue.MATCH_ARCSEC`. Its flux density is scaled to the
    reference frequency asked for by its own night's spectral index, where there is one; where the frequencies differ by
    more than `SAME_BAND` it is left out.

    Parameters
    ----------
    rows
        Rows of the flux densities' table.
    sources
        Calibrators asked for.
    """
    found = [_same_source(rows, source) for source in sources]
    return pd.concat([rows.iloc[:0], *(part for part in found if len(part))] if not rows.empty else [rows])


def same_windows(rows: pd.DataFrame, windows: Iterable[Window]) -> pd.DataFrame:
    """Return the delays of the spectral windows asked for, under this night's numbers.

    A window is the same if its centre lies within half a bandwidth.

    Parameters
    ----------
    rows
        Rows of the delays' table.
    windows
        Spectral windows asked for.
    """
    centre = numbers(rows["centre_hz"])
    found = [
        rows[(centre - window.centre_hz).abs().lt(window.bandwidth_hz / 2.0)].assign(spw=window.spw)
        for window in windows
    ]
    return pd.concat([rows.iloc[:0], *(part for part in found if len(part))] if not rows.empty else [rows])


def table(session: Session, asked: Executable) -> pd.DataFrame:
    """Return what is asked as a table."""
    result = session.execute(asked)
    return pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))


def numbers(column: pd.Series) -> pd.Series:
    """Return a column as floats: one without any number comes from the database as objects."""
    return pd.to_numeric(column).astype(float)


def _same_source(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    places = zip(np.radians(numbers(rows["ra_deg"])), np.radians(numbers(rows["dec_deg"])), strict=True)
    apart = [np.degrees(angular_separation(source.ra_rad, source.dec_rad, ra, dec)) * 3600.0 for ra, dec in places]
    ratio = source.reference_hz / numbers(rows["reference_hz"])
    same = pd.Series(apart, index=rows.index, dtype=float).le(MATCH_ARCSEC) & ratio.sub(1.0).abs().le(SAME_BAND)
    scale = ratio ** numbers(rows["spectral_index"]).fillna(0.0)
    return rows.assign(
        field=source.field,
        flux_density_jy=numbers(rows["flux_density_jy"]) * scale,
        error_jy=numbers(rows["error_jy"]) * scale,
    )[same]
