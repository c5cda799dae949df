"""Where the antennas are seen from a source: uvw, elevation, azimuth and parallactic angle.

All closed formulas, so that they hold without CASA; a contract test compares uvw with what CASA's simulator writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.simulate.observatory import ANTENNAS, BASELINES, Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

MJD_J2000 = 51544.5
"""Modified Julian date of the epoch J2000.0."""

SECONDS_PER_DAY = 86400.0

UT1_MINUS_UTC_S = -0.64
"""UT1 - UTC on 5 May 2015 [s]: IERS Bulletin A, rounded. 10 ms are 0.15 arcsec of Earth rotation.

Other nights keep it: at most 1.6 s off, for UT1 is kept within 0.9 s of UTC; data and UVW column agree all the same."""

_ARCSEC = np.pi / 180.0 / 3600.0


@dataclass(frozen=True)
class Directions:
    """One field seen from each antenna.

    Attributes
    ----------
    elevation, azimuth, parallactic_angle
        Shape (n_time, n_antenna) [rad]; azimuth from north through east, neither refraction nor aberration.
    """

    elevation: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    parallactic_angle: NDArray[np.float64]


def precession_matrix(mjd: float) -> NDArray[np.float64]:
    """Rotation from J2000 to the mean equator and equinox of date (Lieske et al. 1977, A&A 58, 1)."""
    t = (mjd - MJD_J2000) / 36525.0
    zeta = (2306.2181 * t + 0.30188 * t**2) * _ARCSEC
    z = (2306.2181 * t + 1.09468 * t**2) * _ARCSEC
    theta = (2004.3109 * t - 0.42665 * t**2) * _ARCSEC
    return _about_z(-z) @ _about_y(theta) @ _about_z(-zeta)


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def sidereal_angle(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greenwich mean sidereal time [rad] at UTC times in MJD seconds (Aoki et al. 1982, A&A 105, 359)."""
    days = (time_s + UT1_MINUS_UTC_S) / SECONDS_PER_DAY - MJD_J2000
    t = days / 36525.0
    seconds = 67310.54841 + (876600.0 * 3600.0 + 8640184.812866) * t + 0.093104 * t**2
    return np.asarray(np.mod(seconds, SECONDS_PER_DAY) / SECONDS_PER_DAY * 2.0 * np.pi)


def antenna_positions() -> NDArray[np.float64]:
    """ITRF positions, shape (n_antenna, 3) [m]."""
    return np.array([antenna.itrf_m for antenna in ANTENNAS])


def uvw_m(field: Field, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Baseline vectors, ANTENNA1 - ANTENNA2, in the field's J2000 frame, shape (n_time, n_baseline, 3) [m].

    The Earth-fixed baseline is turned by the sidereal time into the frame of date, by precession to J2000, and
    projected on east, north and the line of sight (Thompson, Moran & Swenson 2017, eq. 4.1). The sense of the
    baseline is the one CASA's simulator and importuvfits write. Nutation, polar motion
    and aberration (1e-4 of the baseline together) are left out: what counts is that data and UVW column agree.

    Parameters
    ----------
    field
        The phase centre.
    time_s
        Centres of the integrations, UTC [MJD seconds].
    """
    theta = sidereal_angle(time_s)
    position = antenna_positions()
    c, s = np.cos(theta)[:, None], np.sin(theta)[:, None]
    of_date = np.stack(
        [
            c * position[:, 0] - s * position[:, 1],
            s * position[:, 0] + c * position[:, 1],
            np.broadcast_to(position[:, 2], (theta.size, len(ANTENNAS))),
        ],
        axis=-1,
    )
    # The inverse of a rotation is its transpose: x_J2000 = P^T x_date, written for row vectors.
    j2000 = of_date @ precession_matrix(float(np.mean(time_s)) / SECONDS_PER_DAY)
    ra, dec = field.ra_rad, field.dec_rad
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    ahead = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    seen = j2000 @ np.stack([east, north, ahead], axis=1)
    first, second = np.array(BASELINES).T
    return np.asarray(seen[:, first] - seen[:, second])


def directions(field: Field, time_s: NDArray[np.float64]) -> Directions:
    """Horizontal coordinates and parallactic angle of a field at each antenna (Smart 1977, ch. 2).

    Parameters
    ----------
    field
        The field looked at.
    time_s
        Centres of the integrations, UTC [MJD seconds].
    """
    mjd = float(np.mean(time_s)) / SECONDS_PER_DAY
    ra, dec = field.ra_rad, field.dec_rad
    unit = precession_matrix(mjd) @ np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    dec_date = np.arcsin(unit[2])
    longitude, latitude = _longitude_latitude()
    hour_angle = sidereal_angle(time_s)[:, None] + longitude - np.arctan2(unit[1], unit[0])
    sin_dec, cos_dec = np.sin(dec_date), np.cos(dec_date)
    sin_lat, cos_lat = np.sin(latitude), np.cos(latitude)
    elevation = np.arcsin(sin_lat * sin_dec + cos_lat * cos_dec * np.cos(hour_angle))
    azimuth = np.arctan2(-cos_dec * np.sin(hour_angle), cos_lat * sin_dec - sin_lat * cos_dec * np.cos(hour_angle))
    parallactic = np.arctan2(np.sin(hour_angle) * cos_lat, cos_dec * sin_lat - sin_dec * cos_lat * np.cos(hour_angle))
    return Directions(elevation, azimuth, parallactic)


def _longitude_latitude() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and geocentric latitude plus the ellipsoid's tilt, of each antenna [rad]."""
    x, y, z = antenna_positions().T
    # (1 - e^2) of the WGS84 ellipsoid turns the geocentric into the geodetic latitude at sea level.
    return np.arctan2(y, x), np.arctan2(z, (1.0 - 0.00669438) * np.hypot(x, y))


def ground_positions() -> NDArray[np.float64]:
    """East and north of each antenna on the plane that touches the Earth at the array's middle, (n_antenna, 2) [m]."""
    offset = antenna_positions() - antenna_positions().mean(axis=0)
    longitude, latitude = (float(np.mean(values)) for values in _longitude_latitude())
    east = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
    north = np.array([-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)])
    return np.asarray(offset @ np.stack([east, north], axis=1))
