"""The troposphere: a frozen screen of path lengths that the wind carries over the array.

The structure function of the phase, D(r) = <[phi(x + r) - phi(x)]^2>, follows r^(5/3) below the height of the
turbulent layer (three-dimensional Kolmogorov turbulence) and r^(2/3) above it (two-dimensional), up to the outer scale
(Tatarskii 1961; Carilli & Holdaway 1999, Radio Science 34, 817; Thompson, Moran & Swenson 2017, section 13.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.simulate.geometry import Directions, ground_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCE_FREQUENCY_HZ = 5.07e9
"""Frequency at which the rms phase is quoted [Hz]: the middle of the band."""

RMS_1KM_DEG = 5.0
"""Zenith rms phase difference over 1 km [deg] on a good night at sea level, at 5.07 GHz.

Between the quartiles of the VLA site scaled from 22 to 5 GHz (Carilli & Holdaway 1999, fig. 4). With the wind below it
turns by some 15 degrees between phase-reference scans ten minutes apart, which the guide's recipe copes with.
"""

WIND_M_S = 10.0
"""Speed of the screen [m/s]: with 40 m per 4 s, phases move on scales of 10 s to minutes."""

LAYER_HEIGHT_M = 1500.0
"""Height and thickness of the turbulent layer [m]: where 5/3 turns into 2/3, and where a source's ray pierces it."""

OUTER_SCALE_M = 1.0e6
"""Largest eddies [m]: beyond the array, so that the structure function grows with every baseline."""

_INNER_SCALE_M = 20.0
_DIRECTIONS = 32
_MODES = 40 * _DIRECTIONS


@dataclass(frozen=True)
class Screen:
    """A sum of plane waves of path delay, carried by the wind.

    Attributes
    ----------
    wavevector : NDArray[np.float64]
        Shape (n_mode, 2), east and north [rad/m].
    amplitude_s : NDArray[np.float64]
        Shape (n_mode,), amplitude of the delay [s].
    phase : NDArray[np.float64]
        Shape (n_mode,) [rad].
    wind_m_s : tuple[float, float]
        East and north [m/s].
    """

    wavevector: NDArray[np.float64]
    amplitude_s: NDArray[np.float64]
    phase: NDArray[np.float64]
    wind_m_s: tuple[float, float]

    def delay_s(self, position_m: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zenith delay at positions of shape (n_time, n_point, 2) [m], at times (n_time,) [s]; (n_time, n_point)."""
        moved = position_m - time_s[:, None, None] * np.asarray(self.wind_m_s)
        delay = np.zeros(moved.shape[:2])
        for part in np.array_split(np.arange(self.phase.size), 10):
            # In parts, so that the cosines of a long scan stay within some tens of megabytes.
            angle = moved @ self.wavevector[part].T + self.phase[part]
            delay += np.cos(angle) @ self.amplitude_s[part]
        return delay

    def structure_function_s2(self, distance_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Isotropic structure function of the delay at distances (n,) [m], as the ensemble has it [s^2]."""
        angles = (np.arange(256) + 0.5) / 256 * np.pi / 2
        wavenumber = np.hypot(*self.wavevector.T)
        # <1 - cos(k r cos a)> over directions a, which is 1 - J0(k r).
        projected = wavenumber[:, None] * np.cos(angles)
        return np.array(
            [float(self.amplitude_s**2 @ (1.0 - np.cos(projected * r)).mean(axis=1)) for r in np.atleast_1d(distance_m)]
        )

    def scaled(self, factor: float) -> Screen:
        """Return the same screen, `factor` times as strong."""
        return Screen(self.wavevector, self.amplitude_s * factor, self.phase, self.wind_m_s)


def draw_screen(rng: np.random.Generator, rms_1km_deg: float = RMS_1KM_DEG) -> Screen:
    """Draw a screen whose rms phase difference over 1 km is `rms_1km_deg` [deg] at the reference frequency.

    Wavenumbers are spread evenly in their logarithm and directions evenly within each group of neighbours, so that a
    single realisation already has the ensemble's structure function to a few per cent.
    """
    edges = np.log(2.0 * np.pi / np.array([OUTER_SCALE_M, _INNER_SCALE_M]))
    steps = (np.arange(_MODES) + rng.uniform(size=_MODES)) / _MODES
    wavenumber = np.exp(edges[0] + steps * (edges[1] - edges[0]))
    groups = [rng.permutation(_DIRECTIONS) + rng.uniform() for _ in range(_MODES // _DIRECTIONS)]
    direction = np.concatenate(groups) * np.pi / _DIRECTIONS
    wavevector = wavenumber[:, None] * np.stack([np.sin(direction), np.cos(direction)], axis=1)
    bend = 1.0 / LAYER_HEIGHT_M
    # Variance per logarithmic interval of wavenumber: k^(-5/3) above the bend, k^(-2/3) below it.
    variance = np.where(wavenumber > bend, (wavenumber / bend) ** (-5.0 / 3.0), (wavenumber / bend) ** (-2.0 / 3.0))
    heading = rng.uniform(0.0, 2.0 * np.pi)
    unit = Screen(
        wavevector,
        np.sqrt(variance),
        rng.uniform(0.0, 2.0 * np.pi, _MODES),
        (float(WIND_M_S * np.sin(heading)), float(WIND_M_S * np.cos(heading))),
    )
    wanted_s = np.radians(rms_1km_deg) / (2.0 * np.pi * REFERENCE_FREQUENCY_HZ)
    return unit.scaled(float(wanted_s / np.sqrt(unit.structure_function_s2(np.array([1000.0]))[0])))


def antenna_delay_s(
    screen: Screen, seen: Directions, time_s: NDArray[np.float64], origin_s: float
) -> NDArray[np.float64]:
    """Delay of the troposphere over each antenna towards a source, shape (n_time, n_antenna) [s].

    The ray pierces the layer off the zenith, so that a source and its phase reference two degrees away see nearly the
    same screen; the path grows with the square root of the air mass, as the rms of a thick layer does.

    Parameters
    ----------
    screen
        The frozen screen.
    seen
        Where the source stands over each antenna.
    time_s
        Centres of the integrations [MJD seconds].
    origin_s
        When the screen lies as drawn [MJD seconds].
    """
    sine = np.maximum(np.sin(seen.elevation), np.sin(np.radians(5.0)))
    reach = LAYER_HEIGHT_M * np.sqrt(1.0 - sine**2) / sine
    pierced = ground_positions() + np.stack([reach * np.sin(seen.azimuth), reach * np.cos(seen.azimuth)], axis=-1)
    return screen.delay_s(pierced, time_s - origin_s) / np.sqrt(sine)
