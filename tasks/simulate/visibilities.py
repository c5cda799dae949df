"""From a scene to visibilities: sky, then each antenna's leakage, bandpass, delay and gain, then noise.

The measurement equation of Hamaker, Bregman & Sault (1996, A&AS 117, 137) in circular hands: V_ij = J_i B_ij J_j^H
with J = G K B D P (gain, delay, bandpass, leakage, parallactic angle), CASA's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.simulate.atmosphere import antenna_delay_s
from tasks.simulate.conditions import on_source_fraction
from tasks.simulate.geometry import Directions, directions, uvw_m
from tasks.simulate.observatory import BASELINES, FIELDS, channel_frequencies_hz
from tasks.simulate.sky import visibility_jy
from tasks.simulate.streams import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tasks.simulate.conditions import AntennaEvent, Burst
    from tasks.simulate.scene import Scene
    from tasks.simulate.schedule import Scan

CHUNK_ELEMENTS = 3_000_000
"""Visibilities computed at once: 24 MB of them, some hundred MB with all the factors."""

_BURSTS_MOST = 1_000_000

_FIRST, _SECOND = np.array(BASELINES).T


@dataclass(frozen=True)
class Chunk:
    """Consecutive integrations of one scan, axes (time, spw, baseline, ...).

    Attributes
    ----------
    scan : Scan
        Whose integrations.
    time_s, width_s : NDArray[np.float64]
        Centres [MJD seconds] and widths [s], shape (n_time,).
    uvw : NDArray[np.float64]
        Shape (n_time, n_baseline, 3) [m].
    data : NDArray[np.complex64]
        Shape (n_time, n_spw, n_baseline, n_channel, 4), RR RL LR LL [correlator unit].
    sigma : NDArray[np.float64]
        rms of real or imaginary part in one channel, shape (n_time, n_spw, n_baseline, 4) [correlator unit].
    """

    scan: Scan
    time_s: NDArray[np.float64]
    width_s: NDArray[np.float64]
    uvw: NDArray[np.float64]
    data: NDArray[np.complex64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True)
class Slot:
    """Consecutive integrations of one scan before anything is computed for them: times and directions."""

    scan: Scan
    time_s: NDArray[np.float64]
    width_s: NDArray[np.float64]
    seen: Directions


def slots(scene: Scene, scan: Scan) -> Iterator[Slot]:
    """Cut a scan into pieces of bounded size."""
    time_s, width_s = scan.integrations(scene.preset.integration_s)
    per_integration = len(BASELINES) * channel_frequencies_hz(scene.preset.n_channels).size * 4
    step = max(1, CHUNK_ELEMENTS // per_integration)
    for first in range(0, time_s.size, step):
        part = slice(first, first + step)
        yield Slot(scan, time_s[part], width_s[part], directions(FIELDS[scan.field], time_s[part]))


def chunks(scene: Scene, scan: Scan) -> Iterator[Chunk]:
    """Compute the visibilities of one scan, piece by piece."""
    noise = stream(scene.seed, "noise", scan.number, scene.preset.night)
    # Each burst has a stream of its own: one that a fault adds leaves the phases of the others as they were.
    bursts = [
        (burst, stream(scene.seed, "interference", 1 + index + scan.number * _BURSTS_MOST, scene.preset.night))
        for index, burst in enumerate(scene.bursts)
        if burst.span_s[0] < scan.stop_s and burst.span_s[1] > scan.start_s
    ]
    frequency = channel_frequencies_hz(scene.preset.n_channels)
    for slot in slots(scene, scan):
        uvw = uvw_m(FIELDS[scan.field], slot.time_s)
        sigma = _sigma(scene, slot)
        data = _signal(scene, slot, uvw, frequency)
        data += _draw_noise(noise, sigma, frequency.shape[1])
        for burst, phases in bursts:
            _add_burst(data, burst, slot.time_s, sigma, phases)
        yield Chunk(
            scan, slot.time_s, slot.width_s, uvw, data.reshape(*data.shape[:4], 4), sigma.reshape(*sigma.shape[:3], 4)
        )


def antenna_delays_s(scene: Scene, slot: Slot) -> NDArray[np.float64]:
    """Delay that acts at the sky frequency (troposphere, drift, clock), shape (n_time, n_antenna, n_pol) [s]."""
    troposphere = antenna_delay_s(scene.screen, slot.seen, slot.time_s, scene.start_s)
    delay = troposphere[:, :, None] + scene.instrument.drifted_delay_s(slot.time_s - scene.start_s)
    for event in scene.events:
        if event.rate_s_per_s:
            begin = event.span_s[0] if np.isfinite(event.span_s[0]) else scene.start_s
            delay[:, event.antenna] += (event.hits(slot.time_s) * (slot.time_s - begin) * event.rate_s_per_s)[:, None]
    return delay


def antenna_gains(scene: Scene, slot: Slot, frequency: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Everything that is diagonal in the hands, shape (n_time, n_antenna, n_spw, n_channel, n_pol).

    Parameters
    ----------
    scene
        What is simulated.
    slot
        When and where the antennas look.
    frequency
        Channel centres, shape (n_spw, n_channel) [Hz].
    """
    instrument = scene.instrument
    middle = frequency.mean(axis=1)[:, None, None]
    sky_delay = antenna_delays_s(scene, slot)
    sky = frequency[:, :, None] * sky_delay[:, :, None, None, :]
    static = (frequency[:, :, None] - middle) * instrument.delay_s[:, :, None, :]
    phase = 2.0 * np.pi * (sky + static) + instrument.phase[:, :, None, :]
    elapsed = slot.time_s - scene.start_s
    amplitude = instrument.amplitude_factor(elapsed, slot.seen.elevation)
    late = scene.late_s[slot.scan.number]
    amplitude = amplitude * on_source_fraction(late, slot.time_s - slot.scan.start_s, slot.width_s)[:, :, None]
    # A clock that is far off washes the signal out inside the channels: the mean of its turning phase over a boxcar.
    amplitude = amplitude * np.sinc(scene.channel_width_hz * sky_delay)
    gains = np.exp(1j * phase) * amplitude[:, :, None, None, :]
    gains *= instrument.amplitude[:, :, None, :] * instrument.bandpass
    for event in scene.events:
        _apply_event(gains, event, slot.time_s, frequency, scene.channel_width_hz)
    return np.asarray(gains, dtype=np.complex64)


def _apply_event(
    gains: NDArray[np.complex128],
    event: AntennaEvent,
    time_s: NDArray[np.float64],
    frequency: NDArray[np.float64],
    channel_width_hz: float,
) -> None:
    """Multiply the event into the `gains` of its antenna, in place."""
    hit = event.hits(time_s)
    if not hit.any():
        return
    factor = event.amplitude_at(time_s)[:, None, None].astype(np.complex128)
    if event.delay_s:
        turned = np.exp(2j * np.pi * (frequency - frequency.mean(axis=1, keepdims=True)) * event.delay_s)
        # A delay that turns the phase inside a channel washes it out: the mean over a boxcar.
        washed = turned * np.sinc(channel_width_hz * event.delay_s)
        factor = factor * np.where(hit[:, None, None], washed, 1.0)
    spw = slice(None) if event.spw is None else slice(event.spw, event.spw + 1)
    hand = slice(None) if event.hand is None else slice(event.hand, event.hand + 1)
    factor = factor[:, spw] if factor.shape[1] > 1 else factor
    gains[:, event.antenna, spw, :, hand] *= factor[..., None]


def _signal(
    scene: Scene, slot: Slot, uvw: NDArray[np.float64], frequency: NDArray[np.float64]
) -> NDArray[np.complex64]:
    """Visibilities without noise, shape (n_time, n_spw, n_baseline, n_channel, 2, 2)."""
    source = scene.sources[slot.scan.field]
    intensity = visibility_jy(source, uvw, frequency)
    if source.swing:
        own = [scan for scan in scene.preset.scans if scan.field == slot.scan.field]
        begin, end = own[0].start_s, own[-1].stop_s
        intensity *= (1.0 + source.swing * ((slot.time_s - begin) / (end - begin) - 0.5))[:, None, None, None].astype(
            np.float32
        )
    gains = np.moveaxis(antenna_gains(scene, slot, frequency), 2, 1)
    data = gains[:, :, _FIRST, :, :, None] * np.conj(gains[:, :, _SECOND, :, None, :])
    data *= _coherency(scene, slot)[:, :, :, None]
    data *= intensity[..., None, None]
    return np.asarray(data)


def _coherency(scene: Scene, slot: Slot) -> NDArray[np.complex64]:
    """D_i P_i B P_j^H D_j^H for unit Stokes I, shape (n_time, n_spw, n_baseline, 2, 2)."""
    linear = scene.sources[slot.scan.field].linear_polarisation()
    brightness = np.array([[1.0, linear], [np.conj(linear), 1.0]])
    turn = np.exp(-1j * slot.seen.parallactic_angle)
    rotation = np.zeros((*turn.shape, 2, 2), dtype=np.complex128)
    rotation[..., 0, 0], rotation[..., 1, 1] = turn, np.conj(turn)
    leakage = scene.instrument.leakage
    mixing = np.zeros((*leakage.shape[:2], 2, 2), dtype=np.complex128)
    mixing[..., 0, 0] = mixing[..., 1, 1] = 1.0
    mixing[..., 0, 1], mixing[..., 1, 0] = leakage[..., 0], leakage[..., 1]
    jones = np.einsum("asij,tajk->tsaik", mixing, rotation)
    left, right = jones[:, :, _FIRST], jones[:, :, _SECOND]
    return np.asarray(left @ brightness @ np.conj(np.swapaxes(right, -1, -2)), dtype=np.complex64)


def _sigma(scene: Scene, slot: Slot) -> NDArray[np.float64]:
    """Noise of each visibility, shape (n_time, n_spw, n_baseline, 2, 2) [correlator unit]."""
    pairs = scene.instrument.noise_rms(scene.channel_width_hz, slot.width_s)
    return np.asarray(np.moveaxis(pairs[:, _FIRST, _SECOND], 2, 1))


def _draw_noise(rng: np.random.Generator, sigma: NDArray[np.float64], n_channels: int) -> NDArray[np.complex64]:
    shape = (*sigma.shape[:3], n_channels, 2, 2)
    noise = rng.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    noise *= sigma[:, :, :, None].astype(np.float32)
    return noise


def _add_burst(
    data: NDArray[np.complex64],
    burst: Burst,
    time_s: NDArray[np.float64],
    sigma: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Add one burst to `data`, in place; its phase is random from integration to integration."""
    hit = np.flatnonzero((time_s >= burst.span_s[0]) & (time_s < burst.span_s[1]))
    channels = np.arange(burst.channels[0], burst.channels[1] + 1)
    if not hit.size:
        return
    spw, baselines = np.array([burst.spw]), np.array(burst.baselines)
    where = np.ix_(hit, spw, baselines, channels)
    level = burst.level * sigma[np.ix_(hit, spw, baselines)]
    phase = rng.uniform(0.0, 2.0 * np.pi, (hit.size, 1, baselines.size, channels.size, 2, 2))
    data[where] += (level[:, :, :, None] * np.exp(1j * phase)).astype(np.complex64)
