"""Small multiples: one panel per antenna, all with the same axes.

The panels are drawn in a single set of axes that is measured in inches: 27 antennas cost as little time as six, where
27 sets of axes with their ticks would take seconds per plot.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from qa.plots.style import GREY, GRID, INK, LIGHT, NORMAL, SMALL, WIDTH_IN, figure, heading, line_style, shown, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from qa.plots.scales import Scale
    from qa.plots.style import Series

    Numbers = NDArray[np.float64]

LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.78, 0.12, 0.72, 0.55
"""Margins around the panels: for tick labels, title and legend, and the axis label [inch]."""

STRIP_IN, GAP_IN = 0.22, 0.1
"""Height of the strip with a panel's name above it, and gap between panels [inch]."""

MOST_POINTS = 6000
"""Markers drawn of one series and plot; of more, every n-th is, and lines say the rest."""

SPREAD_IN = 0.11
"""Over this the spws and hands of one time are spread, where they are many [inch]."""

LETTER_IN = 0.073
"""Mean width of a letter of the small text [inch]."""

FEW, SOME, MANY = 4, 9, 16
"""Up to so many panels stand in 2, 3, 4 columns; more in 5."""


class Panels:
    """A figure of small multiples.

    Parameters
    ----------
    names
        The panels' names, in order.
    x, y
        Their axes.
    title
        The figure's title.
    marked
        A name that is marked as the reference antenna.
    """

    def __init__(self, names: Sequence[str], x: Scale, y: Scale, title: str, marked: str = "") -> None:
        self.names, self.x, self.y = tuple(names), x, y
        self.columns = columns(len(names))
        self.rows = max(1, math.ceil(len(names) / self.columns))
        self.width = panel_width(len(names))
        self.height = max(0.75, min(1.5, 0.62 * self.width))
        inner = self.rows * (self.height + STRIP_IN + GAP_IN)
        self.figure: Figure = figure(TOP_IN + BOTTOM_IN + inner)
        self.tall = float(self.figure.get_size_inches()[1])
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH_IN), ylim=(0, self.tall))
        self.axes.axis("off")
        heading(self.figure, title)
        self._frames()
        self._names(marked)
        self._ticks()

    def corner(self, panel: ArrayLike) -> tuple[Numbers, Numbers]:
        """Return the lower left corners of panels, by index [inch]."""
        index = np.asarray(panel, dtype=int)
        left = LEFT_IN + (index % self.columns) * (self.width + GAP_IN)
        top = self.tall - TOP_IN - (index // self.columns) * (self.height + STRIP_IN + GAP_IN)
        return np.asarray(left, dtype=float), np.asarray(top - STRIP_IN - self.height, dtype=float)

    def points(self, panel: ArrayLike, x: ArrayLike, y: ArrayLike, series: Series, size: float = 3.2) -> None:
        """Draw markers; those beyond the axis stand at its edge as arrows that point to where they are.

        Spws and hands stand a little aside of each other, so that none hides another with the same number.
        """
        panels, along, up = self._finite(panel, x, y)
        along = np.clip(along + SPREAD_IN * series.aside / self.width, 0.0, 1.0)
        step = max(1, len(along) // MOST_POINTS)
        panels, along, up = panels[::step], along[::step], up[::step]
        inside = (up >= 0.0) & (up <= 1.0)
        self._markers(panels[inside], along[inside], up[inside], series, series.marker, size)
        for marker, beyond, edge in (("v", up < 0.0, 0.04), ("^", up > 1.0, 0.96)):
            self._markers(panels[beyond], along[beyond], np.full(int(beyond.sum()), edge), series, marker, size + 1.5)

    def lines(self, panel: ArrayLike, x: ArrayLike, y: ArrayLike, group: ArrayLike, series: Series) -> None:
        """Draw lines through numbers in order, broken where `group` or panel changes and where a number is missing."""
        panels, groups = np.asarray(panel, dtype=int), np.asarray(group)
        left, low = self.corner(panels)
        across = left + self.width * np.clip(self.x.place(x), 0.0, 1.0)
        up = low + self.height * np.clip(self.y.place(y), 0.0, 1.0)
        ends = np.flatnonzero((panels[1:] != panels[:-1]) | (groups[1:] != groups[:-1])) + 1
        self.axes.plot(
            np.insert(across, ends, np.nan),
            np.insert(up, ends, np.nan),
            color=series.colour,
            linewidth=1.1 if series.filled else 0.9,
            linestyle=line_style(series),
        )

    def failed(self, panel: ArrayLike, x: ArrayLike) -> None:
        """Mark failed solutions by crosses along the lower edge: their values mean nothing."""
        panels, along, _ = self._finite(panel, x, np.full(np.size(x), self.y.low))
        left, low = self.corner(panels)
        across = left + self.width * np.clip(along, 0.0, 1.0)
        self.axes.plot(across, low + 0.05, linestyle="none", marker="x", ms=3.6, mew=0.9, color=INK)

    def bound(self, value: float, colour: str, style: str) -> None:
        """Draw a bound across all panels; one beyond the axis is not drawn."""
        if not self.y.low <= value <= self.y.high:
            return
        left, low = self.corner(np.arange(len(self.names)))
        up = low + self.height * float(self.y.place(value))
        lines = np.stack([np.stack([left, up], -1), np.stack([left + self.width, up], -1)], 1)
        self.axes.add_collection(LineCollection(list(lines), colors=colour, linestyles=style, linewidths=1.0))

    def note(self, panel: int, text: str, colour: str = GREY) -> None:
        """Write a panel's numbers at the right of its strip."""
        left, low = self.corner(panel)
        x, y = float(left) + self.width, float(low) + self.height + 0.05
        write(self.figure, x, y, text, size=SMALL, color=colour, ha="right", va="bottom")

    def legend(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Explain marks in a line under the title: each a text and how its mark is drawn."""
        x, y = 0.14, self.tall - TOP_IN + 0.17
        for text, drawn in entries:
            line = drawn.get("linestyle", "none") != "none"
            mark = [x, x + 0.22] if line else [x + 0.05]
            self.axes.plot(mark, [y] * len(mark), **drawn)
            x += 0.28 if line else 0.15
            write(self.figure, x, y, text, size=SMALL, va="center")
            x += LETTER_IN * len(text) + 0.2

    def _finite(self, panel: ArrayLike, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int_], Numbers, Numbers]:
        along, up = self.x.place(x), self.y.place(y)
        good = np.isfinite(along) & np.isfinite(up)
        return np.asarray(panel, dtype=int)[good], along[good], up[good]

    def _markers(
        self, panels: NDArray[np.int_], along: Numbers, up: Numbers, series: Series, marker: str, size: float
    ) -> None:
        left, low = self.corner(panels)
        self.axes.plot(
            left + self.width * along,
            low + self.height * up,
            linestyle="none",
            marker=marker,
            ms=size,
            mew=0.8,
            mec=series.colour,
            mfc=series.colour if series.filled else "none",
        )

    def _frames(self) -> None:
        left, low = self.corner(np.arange(len(self.names)))
        right, high = left + self.width, low + self.height
        boxes = np.stack([left, low, right, low, right, high, left, high, left, low], -1).reshape(-1, 5, 2)
        grid = []
        for tick in self.x.ticks:
            at = left + self.width * float(self.x.place(tick))
            grid.append(np.stack([at, low, at, high], -1).reshape(-1, 2, 2))
        for tick in self.y.ticks:
            at = low + self.height * float(self.y.place(tick))
            grid.append(np.stack([left, at, right, at], -1).reshape(-1, 2, 2))
        for start, stop in self.x.gaps:
            ends = (left + self.width * start, left + self.width * stop)
            bands = np.stack([ends[0], low, ends[1], low, ends[1], high, ends[0], high], -1).reshape(-1, 4, 2)
            self.axes.add_collection(PolyCollection(list(bands), facecolors=GRID, edgecolors="none", zorder=0.5))
        for line in grid:
            self.axes.add_collection(LineCollection(list(line), colors=GRID, linewidths=0.8, zorder=0))
        self.axes.add_collection(LineCollection(list(boxes), colors=LIGHT, linewidths=0.8, zorder=1))

    def _names(self, marked: str) -> None:
        for index, name in enumerate(self.names):
            left, low = self.corner(index)
            text = shown(name, 14) + (" ★" if name == marked else "")
            write(
                self.figure, float(left), float(low) + self.height + 0.05, text, size=NORMAL, weight="bold", va="bottom"
            )

    def _ticks(self) -> None:
        last = len(self.names) - 1
        for column in range(min(self.columns, len(self.names))):
            index = last - (last - column) % self.columns
            left, low = self.corner(index)
            for tick in self.x.ticks:
                x = float(left) + self.width * float(self.x.place(tick))
                write(self.figure, x, float(low) - 0.05, self.x.text(tick), size=SMALL, ha="center", va="top")
        for row in range(self.rows):
            left, low = self.corner(row * self.columns)
            for tick in self.y.ticks:
                y = float(low) + self.height * float(self.y.place(tick))
                write(self.figure, float(left) - 0.05, y, self.y.text(tick), size=SMALL, ha="right", va="center")
        middle = (LEFT_IN + WIDTH_IN - RIGHT_IN) / 2
        write(self.figure, middle, 0.1, self.x.label, size=SMALL, ha="center", va="bottom")
        upright = (self.tall - TOP_IN + BOTTOM_IN) / 2
        write(self.figure, 0.08, upright, self.y.label, size=SMALL, ha="left", va="center", rotation="vertical")


def panel_width(panels: int) -> float:
    """Return the width of each of so many panels [inch]."""
    across = columns(panels)
    return (WIDTH_IN - LEFT_IN - RIGHT_IN - GAP_IN * (across - 1)) / across


def columns(panels: int) -> int:
    """Return how many panels stand beside each other."""
    for most, count in ((FEW, 2), (SOME, 3), (MANY, 4)):
        if panels <= most:
            return count
    return 5
