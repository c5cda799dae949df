"""Axes of small multiples: from numbers to places along an axis, and where its ticks stand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from qa.plots.style import clock, hours_label, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

ROUND_HOURS = (1 / 60, 1 / 30, 1 / 12, 1 / 6, 1 / 4, 1 / 2, 1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 24.0)
"""Steps between ticks of times [h]."""

CLEAR = 0.08
"""Ticks of times nearer to a panel's edge than this part of it are left out: they would touch the neighbour's."""

APART_IN, TICK_IN = 0.5, 0.45
"""Ticks of times nearer to each other than this are left out; room that one is wanted for [inch]."""

LONG_GAP, LONG_HOURS = 0.25, 1.5
"""Where nothing was observed for longer than this part of the whole, and this time [h], an axis of times is broken."""

BREAK, SHORTEST = 0.05, 0.1
"""Width of a break, and least width of what lies between two breaks, of the axis."""

MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))
"""Ticks of axes of logarithms: the first that gives two ticks or more."""


@dataclass(frozen=True)
class Scale:
    """One axis of all panels.

    Attributes
    ----------
    low, high
        Its ends [unit of the numbers].
    label
        What it shows, with its unit in brackets.
    ticks
        Where ticks stand.
    text
        How a tick is written.
    knots
        For a broken axis: numbers and their places, between which it is linear; empty for one that is not broken.
    gaps
        Breaks: places where each begins and ends.
    """

    low: float
    high: float
    label: str
    ticks: tuple[float, ...]
    text: Callable[[float], str] = written
    knots: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    gaps: tuple[tuple[float, float], ...] = ()

    def place(self, values: ArrayLike) -> Numbers:
        """Return where numbers stand along the axis, 0 to 1 within it."""
        numbers = np.asarray(values, dtype=float)
        if self.knots[0]:
            return np.asarray(np.interp(numbers, *self.knots), dtype=float)
        return (numbers - self.low) / (self.high - self.low)


def linear(values: ArrayLike, label: str, include: Sequence[float] = (), ticks: int = 4, pad: float = 0.06) -> Scale:
    """Return a scale that holds all finite values and those to `include`, with a margin."""
    low, high = _ends(np.concatenate([np.ravel(np.asarray(values, dtype=float)), np.asarray(include, dtype=float)]))
    margin = pad * (high - low)
    return fixed(low - margin, high + margin, label, ticks)


def fixed(low: float, high: float, label: str, ticks: int = 4) -> Scale:
    """Return a scale between two numbers."""
    found = MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    step = float(found[1] - found[0])
    decimals = min(9, max(0, -math.floor(math.log10(step) + 1e-9)))
    if abs(round(step, decimals) - step) > 0.01 * step:
        decimals += 1  # steps of 2.5
    inside = tuple(float(tick) for tick in found if low <= tick <= high)
    return Scale(low, high, label, inside, lambda value: f"{value:.{decimals}f}".replace("-", "−"))


def degrees(label: str) -> Scale:
    """Return the scale of a phase: the whole circle."""
    return Scale(-190.0, 190.0, label, (-180.0, -90.0, 0.0, 90.0, 180.0))


def decades(values: ArrayLike, label: str, include: Sequence[float] = ()) -> Scale:
    """Return a scale of logarithms to base ten: hand it logarithms, its ticks are written as numbers."""
    scale = linear(values, label, include)
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    for mantissas in MANTISSAS:
        found = [power + math.log10(mantissa) for power in powers for mantissa in mantissas]
        ticks = [tick for tick in found if scale.low <= tick <= scale.high]
        if len(ticks) > 1:
            break
    else:  # less than a factor of two or so
        even = MaxNLocator(nbins=3, steps=[1, 2, 5, 10]).tick_values(10.0**scale.low, 10.0**scale.high)
        ticks = [math.log10(tick) for tick in even if 10.0**scale.low <= tick <= 10.0**scale.high]
    return Scale(scale.low, scale.high, label, tuple(ticks), lambda value: written(10.0**value, 3))


def hours(hours_since: ArrayLike, day_s: float, width_in: float) -> Scale:
    """Return the scale of times, in hours since 0h UTC of `day_s` [MJD seconds], with ticks at round times.

    It is broken where nothing was observed for long: a bandpass calibrator hours after the rest would leave no room.
    `width_in` is the panel's width [inch], which decides how many ticks there are.
    """
    times = np.unique(np.asarray(hours_since, dtype=float))
    times = times[np.isfinite(times)]
    parts = stretches(times)
    widths = np.asarray([stop - start for start, stop in parts])
    shares = np.maximum(widths / max(float(widths.sum()), 1e-12), SHORTEST)
    shares *= (1.0 - BREAK * (len(parts) - 1)) / shares.sum()
    numbers: list[float] = []
    places: list[float] = []
    at = 0.0
    for (start, stop), share in zip(parts, shares, strict=True):
        numbers += [start, stop]
        places += [at, at + float(share)]
        at += float(share) + BREAK
    gaps = tuple(zip(places[1:-1:2], places[2:-1:2], strict=True))
    bare = Scale(numbers[0], numbers[-1], hours_label(day_s), (), clock, (tuple(numbers), tuple(places)), gaps)
    found = tuple(tick for part in parts for tick in _round_times(bare, part, float(widths.sum()) * TICK_IN / width_in))
    return Scale(bare.low, bare.high, bare.label, _apart(bare, found, APART_IN / width_in), clock, bare.knots, gaps)


def stretches(times: Numbers) -> list[tuple[float, float]]:
    """Return the stretches of time between long gaps, with a margin: first and last hour of each."""
    low, high = _ends(times)
    if len(times) == 0:
        return [(low, high)]
    ends = np.flatnonzero(np.diff(times) > max(LONG_GAP * (high - low), LONG_HOURS))
    starts, stops = times[np.r_[0, ends + 1]], times[np.r_[ends, len(times) - 1]]
    margin = max(0.03 * float((stops - starts).sum()), 0.01)
    return [(float(start) - margin, float(stop) + margin) for start, stop in zip(starts, stops, strict=True)]


def _round_times(scale: Scale, part: tuple[float, float], wanted: float) -> list[float]:
    """Return round times inside a stretch, or its middle to the minute where there are none."""
    step = next((step for step in ROUND_HOURS if step >= wanted), 24.0 * math.ceil(wanted / 24.0))
    found = [step * n for n in range(math.ceil(part[0] / step), math.floor(part[1] / step) + 1)]
    kept = [tick for tick in found if CLEAR <= float(scale.place(tick)) <= 1.0 - CLEAR]
    return kept or [round(30.0 * (part[0] + part[1])) / 60.0]


def _apart(scale: Scale, ticks: Sequence[float], least: float) -> tuple[float, ...]:
    """Drop ticks whose labels would touch the one before."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or float(scale.place(tick)) - float(scale.place(kept[-1])) >= least:
            kept.append(tick)
    return tuple(kept)


def _ends(numbers: Numbers) -> tuple[float, float]:
    """Return the ends of finite numbers, apart from each other even if they are all the same or none."""
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-30):
        low, high = low - max(0.05 * abs(low), 1e-9), high + max(0.05 * abs(high), 1e-9)
    return low, high
