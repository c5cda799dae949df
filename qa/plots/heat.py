"""Heat tables: numbers between 0 and 1 in coloured cells, readable without the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection

from qa.plots.style import GREY, INK, NORMAL, WIDTH_IN, figure, heading, shown, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Table = tuple[str, Sequence[str], Sequence[str], Numbers]

LEFT_IN, ROW_IN, HEAD_IN, TOP_IN, BOTTOM_IN = 1.1, 0.235, 0.74, 0.42, 0.12
"""Width of the rows' names, height of a row, of a table's head, of the title, and the lower margin [inch]."""

WIDEST_CELL_IN = 1.2
"""Cells of tables with few columns are not wider than this [inch]."""

DARK = 0.55
"""Luminance below which a cell's number is written in white."""


def heat(title: str, tables: Sequence[Table], good: str) -> Figure:
    """Draw heat tables below each other.

    Parameters
    ----------
    title
        The figure's title.
    tables
        Each: its title, its rows' names, its columns' names, its numbers (n_row, n_column), 0 to 1; NaN stays empty.
    good
        ``high`` or ``low``: which end is shown pale.
    """
    across = _across(tables)
    lines = [tables[i : i + across] for i in range(0, len(tables), across)]
    heights = [HEAD_IN + ROW_IN * max(len(rows) for _, rows, _, _ in line) for line in lines]
    tall = TOP_IN + sum(heights) + BOTTOM_IN
    made = figure(tall)
    heading(made, title)
    axes = made.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH_IN), ylim=(0, tall))
    axes.axis("off")
    top = tall - TOP_IN
    room = WIDTH_IN / across
    for line, height in zip(lines, heights, strict=True):
        for place, (name, rows, columns, numbers) in enumerate(line):
            _table(made, axes, (room * place, top, room), (name, rows, columns), numbers, good)
        top -= height
    return made


def _across(tables: Sequence[Table]) -> int:
    """Return how many tables fit beside each other: those with few columns do."""
    most = max(len(columns) for _, _, columns, _ in tables)
    return max(1, min(len(tables), int(WIDTH_IN / (LEFT_IN + 0.3 + WIDEST_CELL_IN * most))))


def _table(
    made: Figure,
    axes: Axes,
    where: tuple[float, float, float],
    names: tuple[str, Sequence[str], Sequence[str]],
    numbers: Numbers,
    good: str,
) -> None:
    (start, top, room), (title, rows, columns) = where, names
    width = min(WIDEST_CELL_IN, (room - LEFT_IN - 0.15) / max(1, len(columns)))
    write(made, start + 0.1, top - 0.16, shown(title, int(room / 0.09)), size=NORMAL, weight="bold", va="center")
    left, high = start + LEFT_IN + width * np.arange(float(len(columns))), top - HEAD_IN + 0.16
    letters = max(2, int(width / 0.078))
    for x, column in zip(left, columns, strict=True):
        write(made, x + width / 2, high + 0.04, shown(column, letters), ha="center", va="bottom", color=GREY)
    low = high - ROW_IN * np.arange(1.0, len(rows) + 1.0)
    for y, row in zip(low, rows, strict=True):
        write(made, start + LEFT_IN - 0.08, y + ROW_IN / 2, shown(row, 13), ha="right", va="center")
    _cells(made, axes, left, low, width, np.asarray(numbers, dtype=float), good)


def _cells(made: Figure, axes: Axes, left: Numbers, low: Numbers, width: float, numbers: Numbers, good: str) -> None:
    x, y = (np.ravel(grid) for grid in np.meshgrid(left, low))
    values = np.ravel(numbers)
    known = np.isfinite(values)
    shade = np.clip(np.where(known, values, 0.0), 0.0, 1.0)
    colours = mpl.colormaps["YlGnBu"](0.05 + 0.9 * (1.0 - shade if good == "high" else shade))
    colours[~known] = (0.95, 0.95, 0.95, 1.0)
    corners = np.stack([x, y, x + width, y, x + width, y + ROW_IN, x, y + ROW_IN], -1).reshape(-1, 4, 2)
    axes.add_collection(PolyCollection(list(corners), facecolors=colours, edgecolors="white", linewidths=1.0))
    luminance = colours[:, :3] @ np.asarray([0.2126, 0.7152, 0.0722])
    for i in range(len(values)):
        text = f"{100.0 * values[i]:.0f}" if known[i] else "–"
        colour = "white" if luminance[i] < DARK else INK
        write(made, x[i] + width / 2, y[i] + ROW_IN / 2, text, ha="center", va="center", color=colour)
