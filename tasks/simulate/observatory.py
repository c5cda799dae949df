"""The simulated observatory: e-MERLIN with six antennas at 5 GHz, and the five fields of the guide's observation.

Antennas, spectral windows, fields, end channels and flux densities are facts of the e-MERLIN 3C277.1 workshop data set
as its calibration guide and an executed copy of it print them (listobs, plots, fluxscale).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEED_OF_LIGHT_M_S = 299792458.0
"""Speed of light [m/s], exact (SI)."""

CORRELATOR_EFFICIENCY = 0.988
"""Efficiency of 4-bit (16-level) requantisation: Thompson, Moran & Swenson (2017), chapter 8."""


@dataclass(frozen=True)
class Antenna:
    """One antenna: place, dish and sensitivity."""

    name: str
    diameter_m: float
    itrf_m: tuple[float, float, float]
    sefd_jy: float


ANTENNAS = (
    # Places and diameters: listobs of the workshop data. SEFDs [Jy] near 5 GHz are our choice, not a
    # measurement: a few hundred Jy for dishes of 24 to 32 m, with Cm (32 m) the most sensitive and De the least.
    Antenna("Mk2", 24.0, (3822473.365, -153692.318, 5085851.303), 320.0),
    Antenna("Kn", 25.0, (3859711.503, -201995.077, 5056134.251), 325.0),
    Antenna("De", 25.0, (3923069.171, -146804.368, 5009320.528), 1000.0),
    Antenna("Pi", 25.0, (3817176.561, -162921.179, 5089462.057), 325.0),
    Antenna("Da", 25.0, (3828714.513, -169458.995, 5080647.749), 325.0),
    Antenna("Cm", 32.0, (3919982.752, 2651.982, 5013849.826), 212.0),
)

REFERENCE_ANTENNA = "Mk2"
"""The guide's reference antenna; delays of the truth are also given against it."""

ANTENNA_NAMES = tuple(antenna.name for antenna in ANTENNAS)
"""Antenna names, by antenna ID."""

BASELINES = tuple((first, second) for first in range(len(ANTENNAS)) for second in range(first + 1, len(ANTENNAS)))
"""Antenna pairs (ANTENNA1, ANTENNA2) of one integration; no autocorrelations, as in the workshop data."""

POLARISATIONS = ("R", "L")
"""Hands of the receivers, in the order of the gains' last axis."""

SPW_BANDWIDTH_HZ = 128e6
"""Width of each spectral window [Hz]."""

GUIDE_CHANNELS = 64
"""Channels of one spectral window in the workshop data; presets with fewer have wider ones."""

SPW_LOW_EDGE_HZ = (4816e6, 4944e6, 5072e6, 5200e6)
"""Lower band edge of each spectral window [Hz]: its first channel of 2 MHz is centred 1 MHz above."""

DEAD_CHANNELS = (((0, 6), (60, 63)), ((0, 3), (61, 63)), ((0, 3), (61, 63)), ((0, 4),))
"""Per spectral window: first and last dead channel of each range, of 64 (the executed copy's flag command)."""

DELAY_NS = MappingProxyType(
    {
        # Sizes as in the guide's plots: Mk2's baselines turn once per 512 MHz (2 ns); Cm's hands differ in sign, less
        # than half a turn one way and about a turn or more the other.
        "Mk2": (0.0, 0.0),
        "Kn": (2.1, 1.9),
        "De": (1.7, 2.2),
        "Pi": (-2.0, -1.8),
        "Da": (2.3, 1.6),
        "Cm": (-1.0, 4.0),
    }
)
"""Delay of each antenna's R and L against Mk2 [ns]."""


@dataclass(frozen=True)
class Field:
    """One field: its name in the data, its place and what it is for."""

    name: str
    common_name: str
    role: str
    ra_rad: float
    dec_rad: float


def _place(ra: tuple[int, int, float], dec: tuple[int, int, float]) -> tuple[float, float]:
    hours = ra[0] + ra[1] / 60.0 + ra[2] / 3600.0
    degrees = dec[0] + dec[1] / 60.0 + dec[2] / 3600.0
    return float(np.radians(hours * 15.0)), float(np.radians(degrees))


FIELDS = (
    Field("1302+5748", "J1302+5748", "phase_reference", *_place((13, 2, 52.465277), (57, 48, 37.60932))),
    Field("1252+5634", "3C277.1", "target", *_place((12, 52, 26.285900), (56, 34, 19.48800))),
    Field("1331+305", "3C286", "flux", *_place((13, 31, 8.287300), (30, 30, 32.95900))),
    Field("1407+284", "OQ208", "bandpass", *_place((14, 7, 0.394410), (28, 27, 14.68990))),
    Field("0319+415", "3C84", "bandpass", *_place((3, 19, 48.160110), (41, 30, 42.10330))),
)
"""The five fields by field ID, at the workshop data's J2000 positions."""

FIELD_NAMES = tuple(field.name for field in FIELDS)
"""Field names, by field ID."""


def channel_frequencies_hz(n_channels: int) -> NDArray[np.float64]:
    """Centre of every channel, shape (n_spw, n_channel) [Hz], of spectral windows cut into `n_channels`."""
    width = SPW_BANDWIDTH_HZ / n_channels
    offsets = (np.arange(n_channels) + 0.5) * width
    return np.asarray(np.asarray(SPW_LOW_EDGE_HZ)[:, None] + offsets[None, :], dtype=np.float64)


def scaled_dead_channels(spw: int, n_channels: int) -> tuple[tuple[int, int], ...]:
    """Dead channel ranges of one spectral window, scaled outwards from 64 to `n_channels`.

    a~b of 64 becomes floor(a n / 64) ~ ceil((b + 1) n / 64) - 1, so that every channel that is dead in part is in.
    """
    return tuple(
        (first * n_channels // GUIDE_CHANNELS, -(-(last + 1) * n_channels // GUIDE_CHANNELS) - 1)
        for first, last in DEAD_CHANNELS[spw]
    )
