"""What spoils parts of an observation: antennas late on source, bad times, bursts of interference, and faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.simulate.observatory import (
    ANTENNA_NAMES,
    BASELINES,
    GUIDE_CHANNELS,
    SPW_LOW_EDGE_HZ,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tasks.simulate.schedule import Scan

LATE_S = (36.0, 40.0)
"""When the last antenna of a scan arrives on source [s]: the guide flags 40 s."""

BURSTS_PER_HOUR = 8.0
"""Light interference: bursts per hour of data, each in one or two channels (of 64) of one baseline."""

BURST_LEVELS = (3.0, 10.0)
"""Amplitude of a light burst against the channel's noise."""

FOREVER = (-np.inf, np.inf)
"""A time span without ends [MJD seconds]."""


@dataclass(frozen=True)
class AntennaEvent:
    """Something that happens to one antenna's signal over a span of time.

    Attributes
    ----------
    cause : str
        What it is, for the truth.
    antenna : int
        Antenna ID.
    spw, hand : int | None
        Spectral window; 0 for R, 1 for L; None for all.
    span_s : tuple[float, float]
        First and last moment [MJD seconds]; integrations whose centre lies inside are hit.
    amplitude : float
        Factor on the signal [dimensionless].
    delay_s : float
        Extra delay [s]; turns the phase about the middle of each spectral window and, beyond a quarter turn per
        channel, washes it out inside the channels.
    rate_s_per_s : float
        Extra clock rate [s/s], counted from the start of the span; turns the phase at the sky frequency.
    swap_period_s : float
        When not 0, `amplitude` acts in every second stretch of this length [s].
    """

    cause: str
    antenna: int
    spw: int | None = None
    hand: int | None = None
    span_s: tuple[float, float] = FOREVER
    amplitude: float = 1.0
    delay_s: float = 0.0
    rate_s_per_s: float = 0.0
    swap_period_s: float = 0.0

    def hits(self, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which integrations, by their centres (n_time,) [MJD seconds], the event touches."""
        return np.asarray((time_s >= self.span_s[0]) & (time_s < self.span_s[1]))

    def amplitude_at(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor on the signal at each time, shape (n_time,) [dimensionless]."""
        hit = self.hits(time_s)
        if self.swap_period_s:
            begin = self.span_s[0] if np.isfinite(self.span_s[0]) else 0.0
            hit = hit & (np.floor((time_s - begin) / self.swap_period_s) % 2 == 0)
        return np.where(hit, self.amplitude, 1.0)


@dataclass(frozen=True)
class Burst:
    """Interference: a signal of random phase on some baselines and channels for a while.

    Attributes
    ----------
    spw : int
        Spectral window.
    channels : tuple[int, int]
        First and last channel, in the preset's own channels.
    baselines : tuple[int, ...]
        Indices into `BASELINES`.
    span_s : tuple[float, float]
        [MJD seconds]; integrations whose centre lies inside are hit.
    level : float
        Amplitude against the channel's noise rms.
    """

    spw: int
    channels: tuple[int, int]
    baselines: tuple[int, ...]
    span_s: tuple[float, float]
    level: float


def draw_lateness(
    rng: np.random.Generator, scan_numbers: Sequence[int], factor: float = 1.0
) -> dict[int, NDArray[np.float64]]:
    """Draw when each antenna reaches the source, by scan number: seconds after the scan's start, (n_antenna,) [s]."""
    late = {}
    for number in scan_numbers:
        last = rng.uniform(*LATE_S)
        arrival = last * rng.uniform(0.6, 1.0, len(ANTENNA_NAMES))
        arrival[rng.integers(len(ANTENNA_NAMES))] = last
        late[number] = arrival * factor
    return late


def on_source_fraction(
    late_s: NDArray[np.float64], since_start_s: NDArray[np.float64], width_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Part of each integration for which each antenna is on source, shape (n_time, n_antenna).

    Parameters
    ----------
    late_s
        Arrival after the scan's start, shape (n_antenna,) [s].
    since_start_s, width_s
        Centres since the scan's start and widths of the integrations, shape (n_time,) [s].
    """
    end = (since_start_s + width_s / 2.0)[:, None]
    return np.clip((end - late_s[None, :]) / width_s[:, None], 0.0, 1.0)


def bad_times(scan: Scan) -> tuple[AntennaEvent, ...]:
    """Stretches of a 3C84 scan in which an antenna, or all, gave nothing usable.

    The guide flags such times on 0319+415 by a list; places and lengths here are ours, as parts of the scan.
    """
    length = scan.stop_s - scan.start_s
    parts = (("Cm", 0.30, 0.36), ("De", 0.52, 0.60), (None, 0.955, 1.0))
    events = []
    for name, first, last in parts:
        span = (scan.start_s + first * length, scan.start_s + last * length)
        antennas = range(len(ANTENNA_NAMES)) if name is None else (ANTENNA_NAMES.index(name),)
        events += [AntennaEvent("bad time", antenna, span_s=span, amplitude=0.05) for antenna in antennas]
    return tuple(events)


def draw_bursts(rng: np.random.Generator, scans: Sequence[Scan], n_channels: int) -> tuple[Burst, ...]:
    """Draw light interference over the scans.

    A transmitter is near few antennas, so each burst is on one baseline; one or two channels of 64 for 8 to 20 s.
    """
    bursts = []
    for scan in scans:
        length = scan.stop_s - scan.start_s
        for _ in range(int(rng.poisson(BURSTS_PER_HOUR * length / 3600.0))):
            start = scan.start_s + rng.uniform(0.0, length)
            channel = int(rng.integers(GUIDE_CHANNELS - 1)) * n_channels // GUIDE_CHANNELS
            wide = int(rng.integers(2)) * (n_channels // GUIDE_CHANNELS)
            bursts.append(
                Burst(
                    spw=int(rng.integers(len(SPW_LOW_EDGE_HZ))),
                    channels=(channel, channel + wide),
                    baselines=(int(rng.integers(len(BASELINES))),),
                    span_s=(start, start + float(rng.uniform(8.0, 20.0))),
                    level=float(rng.uniform(*BURST_LEVELS)),
                )
            )
    return tuple(bursts)
