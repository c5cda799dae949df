"""The bright calibrators that observatories use for the bandpass, told by position."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import yaml

from schemas.record import Record
from schemas.standards import angular_separation

TOLERANCE_ARCSEC = 10.0
"""How far off a field may be [arcsec]: observing files round coordinates; chance coincidences do not happen at Jy."""


class BrightCalibrator(Record):
    """One of `calibrators.yaml`."""

    name: str
    """Common name."""
    iau: str
    """IAU J2000 name."""
    ra: str
    """Right ascension, J2000 [h:m:s]."""
    dec: str
    """Declination, J2000 [deg:arcmin:arcsec]."""
    used_by: str
    """Observatories that use it for the bandpass."""

    @property
    def ra_rad(self) -> float:
        """Right ascension [rad]."""
        return float(np.radians(15.0 * _sexagesimal(self.ra)))

    @property
    def dec_rad(self) -> float:
        """Declination [rad]."""
        return float(np.radians(_sexagesimal(self.dec)))


def _sexagesimal(text: str) -> float:
    whole, minutes, seconds = (float(part) for part in text.lstrip("+-").split(":"))
    return (-1.0 if text.startswith("-") else 1.0) * (whole + minutes / 60.0 + seconds / 3600.0)


@cache
def bright_calibrators() -> tuple[BrightCalibrator, ...]:
    """Read the table."""
    text = Path(__file__).with_name("calibrators.yaml").read_text(encoding="utf-8")
    return tuple(BrightCalibrator.model_validate(entry) for entry in yaml.safe_load(text))


def bright_calibrator_at(ra_rad: float, dec_rad: float) -> str | None:
    """Name the bright calibrator at a J2000 position, or None."""
    for entry in bright_calibrators():
        separation = angular_separation(ra_rad, dec_rad, entry.ra_rad, entry.dec_rad)
        if np.degrees(separation) * 3600.0 <= TOLERANCE_ARCSEC:
            return entry.name
    return None
