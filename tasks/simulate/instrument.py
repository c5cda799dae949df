"""The instrument: gains, delays, bandpasses, leakage and noise of each antenna, spectral window and hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.simulate.observatory import (
    ANTENNAS,
    CORRELATOR_EFFICIENCY,
    DEAD_CHANNELS,
    DELAY_NS,
    GUIDE_CHANNELS,
    SPW_LOW_EDGE_HZ,
    scaled_dead_channels,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORRELATOR_LEVEL = 0.8
"""Gain amplitude times the square root of the SEFD [sqrt(correlator unit)].

A correlator measures S/SEFD, so a gain is near 1/sqrt(SEFD); 0.8 puts De at 0.025 and Cm at 0.055, inside the range
0.01 to 0.06 of the guide's gain plots.
"""

AMPLITUDE_DRIFT = 0.001
"""Slow drift of the gain amplitudes, peak [fraction]."""

GAIN_CURVE = 0.002
"""Loss of gain amplitude 40 degrees from the elevation of best gain [fraction]. With the drift 0.3 % at most, which
keeps fluxscale's answers good to 1 % without a gain curve."""

BEST_ELEVATION_DEG = 50.0
"""Where the dishes were set [deg]."""

LEAKAGE = 0.02
"""rms of the leakage terms' real and imaginary parts [fraction]: 3 % in all, usual for C band receivers."""

DEAD_LEVEL = 0.002
"""Bandpass amplitude in the dead end channels [fraction]."""

N_SHAPE = (len(ANTENNAS), len(SPW_LOW_EDGE_HZ), 2)
"""(n_antenna, n_spw, n_pol)."""


@dataclass(frozen=True)
class Instrument:
    """What the antennas and receivers do to a signal, before any fault.

    Attributes
    ----------
    amplitude : NDArray[np.float64]
        Gain amplitude, shape (n_antenna, n_spw, n_pol) [sqrt(correlator unit / Jy)].
    phase : NDArray[np.float64]
        Gain phase at the middle of the spectral window, same shape [rad].
    delay_s : NDArray[np.float64]
        Static delay, same shape [s]; it turns the phase about the middle of each spectral window.
    sefd_jy : NDArray[np.float64]
        System equivalent flux density, same shape [Jy].
    leakage : NDArray[np.complex128]
        Part of the other hand's voltage in each hand, same shape [fraction].
    bandpass : NDArray[np.complex128]
        Shape (n_antenna, n_spw, n_channel, n_pol); mean power 1 and no slope of phase over the channels that the
        end-channel flags leave.
    drift_delay_s, drift_period_s, drift_phase : NDArray[np.float64]
        Slow delay drift: amplitude [s], period [s], phase [rad], each of shape (n_antenna, n_pol).
    amplitude_drift_phase : NDArray[np.float64]
        Phase of the amplitude drift, shape (n_antenna, n_pol) [rad]; its period is the delay drift's.
    """

    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]
    delay_s: NDArray[np.float64]
    sefd_jy: NDArray[np.float64]
    leakage: NDArray[np.complex128]
    bandpass: NDArray[np.complex128]
    drift_delay_s: NDArray[np.float64]
    drift_period_s: NDArray[np.float64]
    drift_phase: NDArray[np.float64]
    amplitude_drift_phase: NDArray[np.float64]

    def drifted_delay_s(self, elapsed_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Delay drift at times since the start (n_time,) [s]; shape (n_time, n_antenna, n_pol) [s]."""
        turns = 2.0 * np.pi * elapsed_s[:, None, None] / self.drift_period_s
        return np.asarray(self.drift_delay_s * np.sin(turns + self.drift_phase))

    def amplitude_factor(self, elapsed_s: NDArray[np.float64], elevation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Drift and gain curve, shape (n_time, n_antenna, n_pol) [fraction].

        Parameters
        ----------
        elapsed_s
            Times since the start, shape (n_time,) [s].
        elevation
            Shape (n_time, n_antenna) [rad].
        """
        turns = 2.0 * np.pi * elapsed_s[:, None, None] / self.drift_period_s
        drift = 1.0 + AMPLITUDE_DRIFT * np.sin(turns + self.amplitude_drift_phase)
        curve = 1.0 - GAIN_CURVE * ((np.degrees(elevation) - BEST_ELEVATION_DEG) / 40.0) ** 2
        return np.asarray(drift * curve[:, :, None])

    def noise_rms(self, channel_width_hz: float, interval_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Noise of the real (or imaginary) part in correlator units, shape (n_time, n_antenna, n_antenna, n_spw, 2, 2).

        The radiometer equation, sigma = sqrt(SEFD_i SEFD_j) / (eta sqrt(2 bandwidth time)) (Thompson, Moran & Swenson
        2017, eq. 6.50), times the gains of the two antennas. It is the same in every channel: it enters after the
        filters that make the bandpass, so that the band's edges have less signal and not less noise. The sources' own
        noise (7 % at most, on 3C84) is left out.
        """
        level = self.amplitude * np.sqrt(self.sefd_jy)
        pairs = np.einsum("asp,bsq->abspq", level, level)
        ideal = CORRELATOR_EFFICIENCY * np.sqrt(2.0 * channel_width_hz * interval_s)
        return np.asarray(pairs[None] / ideal[:, None, None, None, None, None])


def draw_instrument(rng: np.random.Generator, n_channels: int) -> Instrument:
    """Draw the instrument of one night.

    Parameters
    ----------
    rng
        The stream of the effect "instrument".
    n_channels
        Channels per spectral window; bandpasses are drawn on the guide's 64 and averaged.
    """
    sefd = np.array([antenna.sefd_jy for antenna in ANTENNAS])[:, None, None] * rng.uniform(0.92, 1.08, N_SHAPE)
    level = CORRELATOR_LEVEL * rng.uniform(0.9, 1.1, N_SHAPE)
    delay_ns = np.array([DELAY_NS[antenna.name] for antenna in ANTENNAS])[:, None, :]
    per_hand = (N_SHAPE[0], N_SHAPE[2])
    # Mostly the same in all windows: a polariser's leakage is smooth in frequency. (Were it not, 3C286's polarised flux
    # would tilt every calibrator's spectral index.)
    shapes = ((N_SHAPE[0], 1, N_SHAPE[2]), N_SHAPE)
    common, own = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape) for shape in shapes)
    leakage = LEAKAGE * (common + 0.2 * own)
    return Instrument(
        amplitude=level / np.sqrt(sefd),
        phase=rng.uniform(-np.pi, np.pi, N_SHAPE),
        # The spectral windows' filters differ by some tens of picoseconds.
        delay_s=(delay_ns + rng.normal(0.0, 0.05, N_SHAPE)) * 1e-9,
        sefd_jy=sefd,
        leakage=np.asarray(leakage, dtype=np.complex128),
        bandpass=_draw_bandpass(rng, n_channels),
        # 0.01 to 0.02 ns of fibre and clock drift: 20 to 40 degrees of phase at 5 GHz over hours.
        drift_delay_s=rng.uniform(1e-11, 2e-11, per_hand),
        drift_period_s=rng.uniform(5.0, 10.0, per_hand) * 3600.0,
        drift_phase=rng.uniform(0.0, 2.0 * np.pi, per_hand),
        amplitude_drift_phase=rng.uniform(0.0, 2.0 * np.pi, per_hand),
    )


def living_channels() -> NDArray[np.bool_]:
    """Channels that carry signal, shape (n_spw, 64)."""
    alive = np.ones((len(DEAD_CHANNELS), GUIDE_CHANNELS), dtype=bool)
    for spw, ranges in enumerate(DEAD_CHANNELS):
        for first, last in ranges:
            alive[spw, first : last + 1] = False
    return alive


def _surviving_channels(n_channels: int) -> NDArray[np.bool_]:
    """Channels (of 64) that the end-channel flags of a preset with `n_channels` leave, shape (n_spw, 64)."""
    kept = np.ones((len(DEAD_CHANNELS), n_channels), dtype=bool)
    for spw in range(len(DEAD_CHANNELS)):
        for first, last in scaled_dead_channels(spw, n_channels):
            kept[spw, first : last + 1] = False
    return np.repeat(kept, GUIDE_CHANNELS // n_channels, axis=1)


def _draw_bandpass(rng: np.random.Generator, n_channels: int) -> NDArray[np.complex128]:
    """Draw filters with a steep edge (Butterworth, order 12), standing-wave ripple, and dead end channels."""
    x = (np.arange(GUIDE_CHANNELS) + 0.5) / GUIDE_CHANNELS * 2.0 - 1.0
    edge = rng.uniform(1.00, 1.04, (*N_SHAPE, 1))
    amplitude = 1.0 / np.sqrt(1.0 + (np.abs(x) / edge) ** 24)
    phase = np.zeros((*N_SHAPE, GUIDE_CHANNELS))
    for ripples in (1.0, 2.0, 4.0, 7.0):
        size = rng.uniform(0.2, 1.0, (2, *N_SHAPE, 1))
        start = rng.uniform(0.0, 2.0 * np.pi, (2, *N_SHAPE, 1))
        amplitude = amplitude * (1.0 + 0.015 * size[0] * np.cos(np.pi * ripples * x + start[0]))
        phase += np.radians(2.0) * size[1] * np.sin(np.pi * ripples * x + start[1])
    alive = living_channels()[None, :, None, :]
    # Delay and gain are what a solve finds in the channels that survive the flagging of the preset's end channels.
    used = np.broadcast_to(_surviving_channels(n_channels)[None, :, None, :], phase.shape)
    response = amplitude * np.exp(1j * _without_slope(phase, x, used))
    power = (np.abs(response) ** 2 * used).sum(axis=-1, keepdims=True) / used.sum(axis=-1, keepdims=True)
    response = np.where(alive, response / np.sqrt(power), DEAD_LEVEL)
    averaged = response.reshape(*N_SHAPE, n_channels, -1).mean(axis=-1)
    return np.asarray(np.moveaxis(averaged, 2, 3))


def _without_slope(phase: NDArray[np.float64], x: NDArray[np.float64], alive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Take mean and slope over the channels `alive` out of `phase`: the delay and the gain's phase hold those."""
    count = alive.sum(axis=-1, keepdims=True)
    centred = np.where(alive, x - (x * alive).sum(axis=-1, keepdims=True) / count, 0.0)
    mean = (phase * alive).sum(axis=-1, keepdims=True) / count
    slope = (phase * centred).sum(axis=-1, keepdims=True) / (centred**2).sum(axis=-1, keepdims=True)
    offset = x - (x * alive).sum(axis=-1, keepdims=True) / count
    return np.asarray(phase - mean - slope * offset)
