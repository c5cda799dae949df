"""Flux-density standards: what the primary calibrators are, where they stand and how bright they are.

Every number here is a published one. Nothing is read from CASA's data, so that roles, gates and the simulator judge
CASA's answers against the papers and not against CASA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from schemas.errors import ConfigurationError
from schemas.record import Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Standard = Literal["Perley-Butler 2013", "Perley-Butler 2017"]
"""Name of a flux-density standard, spelt as ``setjy`` spells it."""

_DEGREES_PER_HOUR = 15.0


class StandardSource(Record):
    """A primary calibrator: its names and its place."""

    name: str
    """3C name, the key of the coefficient tables."""

    position_name: str
    """IAU J2000 name, as observing files carry it."""

    ra_rad: float
    """Right ascension, J2000 [rad]."""

    dec_rad: float
    """Declination, J2000 [rad]."""


class PointComponent(Record):
    """One delta function of a source model."""

    flux_density_jy: float
    """Stokes I at the model's reference frequency [Jy]. Negative ones are part of a CLEAN-like fit."""

    east_arcsec: float
    """Offset from the phase centre, positive east [arcsec]."""

    north_arcsec: float
    """Offset from the phase centre, positive north [arcsec]."""


def _source(name: str, position_name: str, ra: tuple[int, int, float], dec: tuple[int, int, float]) -> StandardSource:
    hours = ra[0] + ra[1] / 60.0 + ra[2] / 3600.0
    degrees = dec[0] + dec[1] / 60.0 + dec[2] / 3600.0
    return StandardSource(
        name=name,
        position_name=position_name,
        ra_rad=float(np.radians(hours * _DEGREES_PER_HOUR)),
        dec_rad=float(np.radians(degrees)),
    )


STANDARD_SOURCES = (
    # J2000 positions of the NRAO VLA calibrator manual; they agree with the reference pixels of CASA's model images
    # (casadata nrao/VLA/CalModels) to 0.1 arcsec, 3C196 and 3C295, which are doubles, to 1.5 arcsec.
    _source("3C48", "0137+331", (1, 37, 41.299431), (33, 9, 35.132990)),
    _source("3C123", "0437+296", (4, 37, 4.3753), (29, 40, 13.819)),
    _source("3C138", "0521+166", (5, 21, 9.886021), (16, 38, 22.051220)),
    _source("3C147", "0542+498", (5, 42, 36.137916), (49, 51, 7.233560)),
    _source("3C196", "0813+482", (8, 13, 36.0330), (48, 13, 2.560)),
    _source("3C286", "1331+305", (13, 31, 8.287984), (30, 30, 32.958850)),
    _source("3C295", "1411+522", (14, 11, 20.5190), (52, 12, 9.970)),
    _source("3C380", "1829+487", (18, 29, 31.780954), (48, 44, 46.160710)),
)
"""The primary calibrators, by right ascension."""

COEFFICIENTS: dict[Standard, dict[str, tuple[float, ...]]] = {
    # Perley & Butler 2013, ApJS 204, 19. The variable ones (3C48, 3C138, 3C147) are those observed in 2012.0.
    "Perley-Butler 2013": {
        "3C48": (1.3324, -0.7690, -0.1950, 0.0590),
        "3C123": (1.8077, -0.8018, -0.1157),
        "3C138": (1.0332, -0.5608, -0.1197, 0.0410),
        "3C147": (1.4616, -0.7187, -0.2424, 0.0790),
        "3C196": (1.2969, -0.8690, -0.1788, 0.0305),
        "3C286": (1.2515, -0.4605, -0.1715, 0.0336),
        "3C295": (1.4866, -0.7871, -0.3440, 0.0749),
    },
    # Perley & Butler 2017, ApJS 230, 7, table 6.
    "Perley-Butler 2017": {
        "3C48": (1.3253, -0.7553, -0.1914, 0.0498),
        "3C123": (1.8017, -0.7884, -0.1035, -0.0248, 0.0090),
        "3C138": (1.0088, -0.4981, -0.1552, -0.0102, 0.0223),
        "3C147": (1.4516, -0.6961, -0.2007, 0.0640, -0.0464, 0.0289),
        "3C196": (1.2872, -0.8530, -0.1534, -0.0200, 0.0201),
        "3C286": (1.2481, -0.4507, -0.1798, 0.0357),
        "3C295": (1.4701, -0.7658, -0.2780, -0.0347, 0.0399),
        "3C380": (1.2320, -0.7909, 0.0947, 0.0976, -0.1794, -0.1566),
    },
}
"""Per standard and source: coefficients a_i of log10(S/Jy) = sum a_i (log10 nu/GHz)^i."""

_RANGE_GHZ: dict[Standard, tuple[float, float]] = {
    # PB2013 covers 1 to 50 GHz (its abstract), PB2017 50 MHz to 50 GHz.
    "Perley-Butler 2013": (1.0, 50.0),
    "Perley-Butler 2017": (0.05, 50.0),
}

_RANGE_GHZ_SOURCE: dict[tuple[Standard, str], tuple[float, float]] = {
    # PB2017, table 6: these two have a narrower range than the standard.
    ("Perley-Butler 2017", "3C138"): (0.2, 50.0),
    ("Perley-Butler 2017", "3C380"): (0.05, 4.0),
}

REFERENCE_3C286_HZ = 5.5e9
"""Frequency of the flux densities of `COMPONENTS_3C286` [Hz]."""

PHASE_CENTRE_3C286_RAD = (
    float(np.radians((13 + 31 / 60 + 8.287300 / 3600) * _DEGREES_PER_HOUR)),
    float(np.radians(30 + 30 / 60 + 32.959 / 3600)),
)
"""J2000 position from which the offsets of `COMPONENTS_3C286` are counted: (ra, dec) [rad]."""

COMPONENTS_3C286 = tuple(
    PointComponent(flux_density_jy=flux, east_arcsec=east, north_arcsec=north)
    for flux, east, north in (
        (2.62134, 0.0247, -0.00933),
        (1.5307, 0.01099, -0.02682),
        (1.43248, -0.01573, -0.01335),
        (1.04161, -0.04078, -0.04152),
        (0.30867, -0.01942, -0.07435),
        (0.08586, 0.06266, -0.0775),
        (-0.10599, 0.04936, -0.01527),
        (-0.30748, -0.05596, -0.02792),
    )
)
"""3C286 as e-MERLIN sees it near 5 GHz (baselines to 217 km, 3.7 million wavelengths).

Eight point components, fitted to the visibilities that the e-MERLIN guide's CLEAN model of 3C286 (5.5 GHz) predicts on
the array's uv plane for hour angles of -5 h to +5 h; rms of the complex residual 0.083 Jy of 6.67 Jy (1.2 %).
Scale their sum to a flux-density standard per channel, as ``setjy`` does with a model image. CASA's own 3C286_C.im has
cells of 0.05 arcsec, whose uv grid ends at 124 km: it cannot be used on e-MERLIN's longest baselines.
"""


def _coefficients(source: str, standard: str) -> tuple[Standard, tuple[float, ...]]:
    for known in get_args(Standard):
        if known == standard:
            table = COEFFICIENTS[known]
            if source not in table:
                msg = f"{standard} has no flux density for {source!r}. It covers {', '.join(sorted(table))}."
                raise ConfigurationError(msg)
            return known, table[source]
    msg = f"Unknown flux-density standard {standard!r}. Known are {', '.join(get_args(Standard))}."
    raise ConfigurationError(msg)


def flux_density_jy(source: str, frequency_hz: ArrayLike, standard: str) -> NDArray[np.float64]:
    """Evaluate a flux-density standard: log10(S/Jy) = sum of a_i (log10 nu/GHz)^i (PB2013 eq. 1, PB2017 eq. 1).

    Parameters
    ----------
    source
        3C name, e.g. ``3C286``.
    frequency_hz
        Frequencies, any shape [Hz].
    standard
        A `Standard`.

    Returns
    -------
    Flux densities, shaped like `frequency_hz` [Jy].

    Raises
    ------
    ConfigurationError
        Unknown source or standard, or a frequency outside the range the paper gives.
    """
    known, coefficients = _coefficients(source, standard)
    ghz = np.asarray(frequency_hz, dtype=np.float64) / 1e9
    low, high = _RANGE_GHZ_SOURCE.get((known, source), _RANGE_GHZ[known])
    if not bool(np.all((ghz >= low) & (ghz <= high))):
        worst = ghz[~((ghz >= low) & (ghz <= high))].flat[0]
        msg = (
            f"{standard} gives {source} from {low:g} to {high:g} GHz; {worst:g} GHz was asked. Choose another standard."
        )
        raise ConfigurationError(msg)
    logarithm = np.polynomial.polynomial.polyval(np.log10(ghz), np.array(coefficients))
    return np.asarray(10.0**logarithm, dtype=np.float64)


def angular_separation(ra1_rad: float, dec1_rad: float, ra2_rad: float, dec2_rad: float) -> float:
    """Angle between two directions [rad], exact at all separations (Vincenty's formula)."""
    delta = ra2_rad - ra1_rad
    sin1, cos1, sin2, cos2 = np.sin(dec1_rad), np.cos(dec1_rad), np.sin(dec2_rad), np.cos(dec2_rad)
    across = np.hypot(cos2 * np.sin(delta), cos1 * sin2 - sin1 * cos2 * np.cos(delta))
    along = sin1 * sin2 + cos1 * cos2 * np.cos(delta)
    return float(np.arctan2(across, along))


def standard_source_at(ra_rad: float, dec_rad: float, tolerance_arcsec: float = 10.0) -> str | None:
    """Name the primary calibrator at a position, or None.

    Parameters
    ----------
    ra_rad, dec_rad
        Position, J2000 [rad].
    tolerance_arcsec
        How far off it may be [arcsec]. 10 arcsec covers rounded coordinates in observing files and the doubles'
        centroids; the field's other sources are thousands of times fainter.

    Returns
    -------
    3C name, or None where no primary calibrator stands.
    """

    def distance(source: StandardSource) -> float:
        return angular_separation(ra_rad, dec_rad, source.ra_rad, source.dec_rad)

    nearest = min(STANDARD_SOURCES, key=distance)
    return nearest.name if np.degrees(distance(nearest)) * 3600.0 <= tolerance_arcsec else None
