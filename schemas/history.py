"""The history of nights: what tells one night's observation from another, and the columns of what is asked of it.

The history's tables are in `qa.history.models`; here is the contract between those who ask and those who answer.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from schemas.record import Record

if TYPE_CHECKING:
    from schemas.inspection import MsSummary

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
"""Zero of the Modified Julian Date."""

FLUX_HISTORY_COLUMNS = (
    "field",  # this night's name of the calibrator
    "night",  # UTC date of the earlier observation, ISO 8601
    "flux_density_jy",  # then, scaled to this night's reference frequency where the spectral index is known [Jy]
)
"""A calibrator's earlier nights."""

DELAY_HISTORY_COLUMNS = (
    "antenna",
    "spw",  # this night's number of the spectral window
    "polarisation",
    "night",  # as above
    "delay_ns",  # median over time, relative to the same reference antenna as now [ns]
)
"""An antenna's earlier nights."""


class HistoryUnavailable(Exception):
    """The history cannot be opened, read or written.

    Raised for a database that does not answer, is locked, or is of a newer gatecal. A calibration notes it and goes on:
    what could not be written is caught up from ``outcome.json`` by the next run.
    """


class Night(Record):
    """One observation's place in the history."""

    telescope: str
    """Telescope name as in the data."""
    night: date
    """UTC date of its first scan: the same data processed again are the same night."""
    input_fingerprint: str
    """The input's fingerprint."""
    refant: str
    """Reference antenna: delays are relative to it."""


class Source(Record):
    """A calibrator, as the history knows it: by its position, whatever it is called."""

    field: str
    """This night's field name."""
    ra_rad: float
    """Right ascension J2000 [rad]."""
    dec_rad: float
    """Declination J2000 [rad]."""
    reference_hz: float
    """Reference frequency of its flux density [Hz]."""


class Window(Record):
    """A spectral window, as the history knows it: by its frequency, whatever its number is."""

    spw: int
    """This night's number."""
    centre_hz: float
    """Centre frequency [Hz]."""
    bandwidth_hz: float
    """Bandwidth [Hz]."""


def date_of(summary: MsSummary) -> date | None:
    """Return the UTC date of the first scan; None where there is no scan."""
    if not summary.scans:
        return None
    return (MJD_EPOCH + timedelta(seconds=min(scan.start_s for scan in summary.scans))).date()


def night_of(summary: MsSummary, input_fingerprint: str, refant: tuple[str, ...]) -> Night | None:
    """Return an observation's place in the history; None where it has no scan or no reference antenna."""
    night = date_of(summary)
    if night is None or not refant:
        return None
    return Night(telescope=summary.telescope, night=night, input_fingerprint=input_fingerprint, refant=refant[0])
