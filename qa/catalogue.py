"""Known calibrators and the range of flux densities they have been seen at, from ``catalogue.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field

from schemas.record import Record
from schemas.standards import angular_separation

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
"""The catalogue that comes with gatecal."""

MATCH_ARCSEC = 10.0
"""How far a field may point off a catalogue position [arcsec]: rounded coordinates of observing files."""


class FluxRange(Record):
    """What a calibrator's flux density may be in one band."""

    low_hz: float = Field(gt=0)
    """Lowest frequency at which the range holds [Hz]."""
    high_hz: float = Field(gt=0)
    """Highest frequency at which the range holds [Hz]."""
    low_jy: float = Field(gt=0)
    """Lowest flux density [Jy]."""
    high_jy: float = Field(gt=0)
    """Highest flux density [Jy]."""
    source: str = Field(min_length=10)
    """Where the range comes from."""

    def factor_outside(self, flux_density_jy: float) -> float:
        """Factor by which a flux density lies outside the range: 1 inside, 2 at twice the highest or half the lowest.

        NaN for one that is not positive, which no factor describes.
        """
        if not flux_density_jy > 0.0:
            return float("nan")
        return max(1.0, flux_density_jy / self.high_jy, self.low_jy / flux_density_jy)


class Calibrator(Record):
    """One known calibrator."""

    name: str
    """Its common name, e.g. ``3C84``."""
    aliases: tuple[str, ...]
    """Other names, as observing files have them."""
    ra_deg: float = Field(ge=0, lt=360)
    """Right ascension, J2000 [deg]."""
    dec_deg: float = Field(ge=-90, le=90)
    """Declination, J2000 [deg]."""
    ranges: tuple[FluxRange, ...] = Field(min_length=1)
    """Its flux densities, by band."""

    def is_named(self, name: str) -> bool:
        """Tell whether a field's name is one of its names, whatever the case."""
        return name.casefold() in {known.casefold() for known in (self.name, *self.aliases)}

    def is_at(self, ra_rad: float, dec_rad: float) -> bool:
        """Tell whether a position [rad] is its own, within `MATCH_ARCSEC`."""
        apart = angular_separation(ra_rad, dec_rad, np.radians(self.ra_deg), np.radians(self.dec_deg))
        return bool(np.degrees(apart) * 3600.0 <= MATCH_ARCSEC)


@cache
def load_catalogue(path: Path = CATALOGUE) -> tuple[Calibrator, ...]:
    """Read and validate a catalogue.

    Raises
    ------
    pydantic.ValidationError
        An entry lacks a key, has an unknown one or a number out of range.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(Calibrator.model_validate(entry) for entry in entries["calibrators"])


def known_ranges(
    name: str, ra_rad: float, dec_rad: float, frequency_hz: float, catalogue: tuple[Calibrator, ...] | None = None
) -> tuple[FluxRange, ...]:
    """Find what the calibrator of a name, and the one at a position, may have at a frequency.

    Usually they are one and the same. Where two fields were given each other's names they are two, and the flux density
    cannot lie in both ranges.

    Parameters
    ----------
    name
        The field's name.
    ra_rad, dec_rad
        Position, J2000 [rad].
    frequency_hz
        Frequency [Hz].
    catalogue
        Known calibrators; those of `CATALOGUE` if None.
    """
    return tuple(
        band
        for calibrator in (load_catalogue() if catalogue is None else catalogue)
        if calibrator.is_named(name) or calibrator.is_at(ra_rad, dec_rad)
        for band in calibrator.ranges
        if band.low_hz <= frequency_hz <= band.high_hz
    )
