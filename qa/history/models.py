"""Tables of the history (SQLAlchemy): one row set per run, in SQLite or PostgreSQL.

Names begin with ``gatecal_``, so that the tables may live in a database that others use too. A number that is not
finite is NULL. What changes here needs a migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Annotated, Any

from sqlalchemy import DateTime as SqlDateTime
from sqlalchemy import Double, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Number(TypeDecorator[float]):
    """A double; NaN and infinity are kept as NULL."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> float | None:  # noqa: ANN401
        """Return what is stored."""
        return None if value is None or not math.isfinite(value) else float(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on reading."""

    impl = SqlDateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ANN401
        """Return what is stored."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ANN401
        """Return what is read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Key = Annotated[int, mapped_column(primary_key=True)]
OfRun = Annotated[int, mapped_column(ForeignKey("gatecal_run.id", ondelete="CASCADE"), index=True)]


class Base(DeclarativeBase):
    """All tables of the history."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {float: Number(), datetime: UtcTime()}  # noqa: RUF012 - SQLAlchemy's way


class Run(Base):
    """One run of one observation, however it ended."""

    __tablename__ = "gatecal_run"
    __table_args__ = (
        UniqueConstraint("observation", "started", "flow_run"),
        Index("ix_gatecal_run_telescope", "telescope", "night"),
    )

    id: Mapped[Key]
    observation: Mapped[str]
    flow_run: Mapped[str] = mapped_column(comment="Prefect's id; empty outside of Prefect")
    started: Mapped[datetime] = mapped_column(comment="UTC")
    finished: Mapped[datetime] = mapped_column(comment="UTC")
    verdict: Mapped[str] = mapped_column(comment="passed, warned, stopped, held or crashed")
    reason: Mapped[str]
    profile: Mapped[str]
    gatecal_version: Mapped[str | None]
    input_fingerprint: Mapped[str]
    telescope: Mapped[str | None]
    night: Mapped[date | None] = mapped_column(comment="UTC date of the first scan")
    refant: Mapped[str | None]
    comparable: Mapped[bool] = mapped_column(
        comment="the flux-scale gate did not stop it: later nights compare with it"
    )
    checks: Mapped[list[GateCheck]] = relationship(cascade="all, delete-orphan")
    fluxes: Mapped[list[CalibratorFlux]] = relationship(cascade="all, delete-orphan")
    delays: Mapped[list[Delay]] = relationship(cascade="all, delete-orphan")
    solves: Mapped[list[Solve]] = relationship(cascade="all, delete-orphan")
    images: Mapped[list[Image]] = relationship(cascade="all, delete-orphan")


class GateCheck(Base):
    """One check of one gate."""

    __tablename__ = "gatecal_check"

    id: Mapped[Key]
    run_id: Mapped[OfRun]
    gate: Mapped[str]
    step: Mapped[str]
    metric: Mapped[str]
    severity: Mapped[str]
    worst_place: Mapped[str]
    observed: Mapped[float | None] = mapped_column(comment="the worst number [unit]")
    unit: Mapped[str]
    bound: Mapped[str]
    verdict: Mapped[str]
    reason: Mapped[str]


class CalibratorFlux(Base):
    """Flux density of one calibrator."""

    __tablename__ = "gatecal_flux"

    id: Mapped[Key]
    run_id: Mapped[OfRun]
    field: Mapped[str]
    phase_reference: Mapped[bool]
    ra_deg: Mapped[float | None] = mapped_column(comment="J2000 [deg]")
    dec_deg: Mapped[float | None] = mapped_column(comment="J2000 [deg]")
    flux_density_jy: Mapped[float | None] = mapped_column(comment="at the reference frequency [Jy]")
    error_jy: Mapped[float | None] = mapped_column(comment="[Jy]")
    spectral_index: Mapped[float | None] = mapped_column(comment="S ~ frequency^index")
    spectral_index_error: Mapped[float | None]
    reference_hz: Mapped[float | None] = mapped_column(comment="[Hz]")


class Delay(Base):
    """Delay of one antenna, spw and hand."""

    __tablename__ = "gatecal_delay"

    id: Mapped[Key]
    run_id: Mapped[OfRun]
    antenna: Mapped[str]
    spw: Mapped[int]
    centre_hz: Mapped[float | None] = mapped_column(comment="of the spw [Hz]")
    bandwidth_hz: Mapped[float | None] = mapped_column(comment="of the spw [Hz]")
    polarisation: Mapped[str]
    median_ns: Mapped[float | None] = mapped_column(comment="over time, relative to the reference antenna [ns]")
    scatter_ns: Mapped[float | None] = mapped_column(comment="1.4826 x median absolute deviation over time [ns]")


class Solve(Base):
    """Solutions of one antenna in one table, summed over spws and hands."""

    __tablename__ = "gatecal_solve"

    id: Mapped[Key]
    run_id: Mapped[OfRun]
    caltable: Mapped[str]
    antenna: Mapped[str]
    expected: Mapped[int]
    attempted: Mapped[int]
    succeeded: Mapped[int]


class Image(Base):
    """First image of a target or phase reference."""

    __tablename__ = "gatecal_image"

    id: Mapped[Key]
    run_id: Mapped[OfRun]
    field: Mapped[str]
    target: Mapped[bool]
    peak_jy_beam: Mapped[float | None] = mapped_column(comment="[Jy/beam]")
    noise_jy_beam: Mapped[float | None] = mapped_column(comment="1.4826 x median absolute deviation [Jy/beam]")
    beam_major_arcsec: Mapped[float | None] = mapped_column(comment="[arcsec]")
    beam_minor_arcsec: Mapped[float | None] = mapped_column(comment="[arcsec]")
