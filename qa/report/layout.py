"""Short ways to write tables of words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.view import Cell, Column

if TYPE_CHECKING:
    from qa.report.numbers import Part

FIRST_STEPS = (0.0, 0.05, 0.2, 0.5, 0.8)
"""Lost fractions beyond which a cell takes the next colour: none, a scan or so, much, half, most."""


def words(heading: str) -> Column:
    """Return a column of words."""
    return Column(heading=(heading,), numeric=False)


def figures(*heading: Part) -> Column:
    """Return a column of figures."""
    return Column(heading=heading)


def cell(*parts: Part, strong: bool = False, note: str = "") -> Cell:
    """Return a cell."""
    return Cell(parts=parts, strong=strong, note=note)


def heat(lost: float) -> int:
    """Return the colour of a lost fraction: 0 for nothing lost to 5 for all but lost."""
    return sum(lost > step for step in FIRST_STEPS)
