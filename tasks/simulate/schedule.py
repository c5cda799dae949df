"""Which scans an observation has: the workshop's own list, and two shorter nights at the same observatory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from schemas.errors import ConfigurationError
from tasks.simulate.atmosphere import RMS_1KM_DEG
from tasks.simulate.observatory import BASELINES, FIELD_NAMES, SPW_LOW_EDGE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_DAY = datetime(2015, 5, 5, tzinfo=UTC)
"""The day on which the workshop's observation began."""

FIRST_NIGHT = FIRST_DAY.date()
"""The night of a simulated observation, where no other is asked for: UTC date of its first scan."""

_MJD_FIRST_DAY = 57147.0

STELLAR_DAY_S = 86164.0989
"""One turn of the Earth against the stars [s]: the stellar day of the IERS's useful constants."""

YEARS = (2000, 2099)
"""First and last year that may be asked for: the precession formula's series is about J2000."""

WORKSHOP_RMS_1KM_DEG = 3.0
"""The workshop's weather [deg]: quieter than the other presets', for what the phases do between two scans of the phase
reference, eight to ten minutes apart, no calibration can know. Of the target's peak it costs 0.6 % here, 1.7 % at 5 deg
(qa/CLOSED_LOOP.md); the workshop is compared with the truth to half the others' tolerances.
"""

ROWS_PER_INTEGRATION = len(BASELINES) * len(SPW_LOW_EDGE_HZ)
"""15 baselines times 4 spectral windows: the workshop's 747,300 rows are 12,455 of these."""


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes
    ----------
    number : int
        SCAN_NUMBER; scans are numbered source by source, as in the workshop data.
    observation_id : int
        OBSERVATION_ID, one per source.
    field : int
        Field ID.
    start_s, stop_s : float
        UTC [MJD seconds]; edges of the first and last integration.
    n_integrations : int
        How many integrations it has.
    """

    number: int
    observation_id: int
    field: int
    start_s: float
    stop_s: float
    n_integrations: int

    def integrations(self, integration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres [MJD seconds] and widths [s] of the integrations, each of shape (n_integration,).

        All are `integration_s` wide but the first and the last, which share what is left of the scan: the
        observatory averages on a grid of its own, so a scan begins and ends with part of a bin.
        """
        n = self.n_integrations
        widths = np.full(n, integration_s)
        if n > 1:
            widths[[0, -1]] = (self.stop_s - self.start_s - (n - 2) * integration_s) / 2.0
        else:
            widths[0] = self.stop_s - self.start_s
        edges = self.start_s + np.concatenate([[0.0], np.cumsum(widths)])
        return (edges[:-1] + edges[1:]) / 2.0, widths


@dataclass(frozen=True)
class Preset:
    """What is simulated, before any random number is drawn.

    Attributes
    ----------
    name : str
        Its name on the command line.
    n_channels : int
        Channels per spectral window of 128 MHz.
    integration_s : float
        Integration time [s].
    scans : tuple[Scan, ...]
        In order of time.
    resolved_out : float
        Fraction of 3C286's standard flux density that reaches the data. The e-MERLIN profile multiplies fluxscale's
        answer by 0.938 (Fenech et al., quoted by the guide): a model that is too bright makes the gains low and the
        other calibrators too bright by 1/0.938, which the factor takes back. Set to 1 to leave both out.
    rms_1km_deg : float
        The night's zenith rms phase difference over 1 km [deg], at 5.07 GHz.
    night : date
        UTC date of the first scan.
    """

    name: str
    n_channels: int
    integration_s: float
    scans: tuple[Scan, ...]
    resolved_out: float = 0.938
    rms_1km_deg: float = RMS_1KM_DEG
    night: date = FIRST_NIGHT

    @property
    def n_rows(self) -> int:
        """Rows of the MeasurementSet."""
        return ROWS_PER_INTEGRATION * sum(scan.n_integrations for scan in self.scans)


def mjd_seconds(when: datetime) -> float:
    """Turn a UTC time into seconds since modified Julian date 0, CASA's time scale in tables."""
    return _MJD_FIRST_DAY * 86400.0 + (when - FIRST_DAY) / timedelta(seconds=1)


def utc_text(time_s: float) -> str:
    """MJD seconds in the form CASA's time selection takes: ``2015/05/06/07:30:03.0``."""
    when = FIRST_DAY + timedelta(seconds=round(time_s - _MJD_FIRST_DAY * 86400.0, 1))
    return when.strftime("%Y/%m/%d/%H:%M:%S.") + str(when.microsecond // 100000)


def _workshop() -> Preset:
    table: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "workshop_scans.yaml").read_text(encoding="utf-8"))
    scans = tuple(
        Scan(number, observation, FIELD_NAMES.index(field), *_span(start, stop), integrations)
        for number, observation, field, start, stop, integrations in table["scans"]
    )
    return Preset(
        "workshop",
        64,
        float(table["integration_s"]),
        tuple(sorted(scans, key=lambda scan: scan.start_s)),
        rms_1km_deg=WORKSHOP_RMS_1KM_DEG,
    )


def _span(start: str, stop: str) -> tuple[float, float]:
    first, last = (mjd_seconds(datetime.fromisoformat(text).replace(tzinfo=UTC)) for text in (start, stop))
    return first, last


def _night(name: str, n_channels: int, integration_s: float, cycles: int, lengths: dict[str, int]) -> Preset:
    """Lay out a short night: flux and bandpass calibrators and the cycles late in the evening, 3C84 in the morning.

    The hours are those of the workshop's scans, so that each source stands where it stood there. Phase-reference and
    target scans keep the guide's cycle, shortened; the last scan of the cycles is the phase reference again.

    Parameters
    ----------
    name, n_channels, integration_s
        As in `Preset`.
    cycles
        Phase-reference and target scans in turn.
    lengths
        Integrations per scan of each field.
    """
    evening = mjd_seconds(FIRST_DAY + timedelta(hours=22, minutes=40))
    runs = [("1331+305", evening), ("1407+284", evening + 480.0)]
    start = evening + 1000.0
    for index in range(2 * cycles + 1):
        field = FIELD_NAMES[index % 2]
        runs.append((field, start))
        # 4 s between scans, as in the workshop's list: the slew falls into the late-on-source time.
        start += lengths[field] * integration_s + 4.0
    runs.append(("0319+415", mjd_seconds(FIRST_DAY + timedelta(days=1, hours=7, minutes=30))))
    by_source = sorted(runs, key=lambda run: (FIELD_NAMES.index(run[0]), run[1]))
    scans = []
    for number, (field, begin) in enumerate(by_source, start=1):
        field_id, n = FIELD_NAMES.index(field), lengths[field]
        scans.append(Scan(number, field_id, field_id, begin, begin + n * integration_s, n))
    return Preset(name, n_channels, integration_s, tuple(sorted(scans, key=lambda scan: scan.start_s)))


def _demo() -> Preset:
    lengths = {"1302+5748": 33, "1252+5634": 60, "1331+305": 105, "1407+284": 105, "0319+415": 150}
    return _night("demo", 32, 4.0, 7, lengths)


def _tiny() -> Preset:
    lengths = {"1302+5748": 16, "1252+5634": 24, "1331+305": 30, "1407+284": 30, "0319+415": 40}
    return _night("tiny", 16, 8.0, 3, lengths)


_PRESETS = {"workshop": _workshop, "demo": _demo, "tiny": _tiny}

PRESET_NAMES = tuple(_PRESETS)
"""What may be asked for."""


def load_preset(name: str, night: date | None = None) -> Preset:
    """Build a preset by name, on the night asked for (UTC date of its first scan); on the workshop's if None.

    Raises
    ------
    ConfigurationError
        No preset has that name, or the night is too far from J2000.
    """
    if name not in _PRESETS:
        msg = f"There is no simulation preset {name!r}. Choose one of {', '.join(PRESET_NAMES)}."
        raise ConfigurationError(msg)
    preset = _PRESETS[name]()
    return preset if night is None else on_night(preset, night)


def on_night(preset: Preset, night: date) -> Preset:
    """Move a preset to another night, by whole turns of the Earth against the stars.

    Every source is then seen at the same hour angle as on the preset's own night (to a second and precession, some
    seconds a year), so scans begin 3 min 56 s earlier each day, and at any hour of the day in the course of a year.

    Parameters
    ----------
    preset
        To be moved; on its own night it stays as it is.
    night
        UTC date on which the first scan is to begin.

    Raises
    ------
    ConfigurationError
        The year is not one of `YEARS`.
    """
    if not YEARS[0] <= night.year <= YEARS[1]:
        msg = f"Cannot simulate the night of {night}: choose a year from {YEARS[0]} to {YEARS[1]}."
        raise ConfigurationError(msg)
    midnight = mjd_seconds(datetime(night.year, night.month, night.day, tzinfo=UTC))
    turns = math.ceil((midnight - preset.scans[0].start_s) / STELLAR_DAY_S)
    # A turn is shorter than a day: the first start after midnight is on that day. Whole seconds keep times readable.
    shift = math.ceil(turns * STELLAR_DAY_S)
    scans = (replace(scan, start_s=scan.start_s + shift, stop_s=scan.stop_s + shift) for scan in preset.scans)
    return replace(preset, scans=tuple(scans), night=night)
