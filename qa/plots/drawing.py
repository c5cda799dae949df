"""A plot before it is drawn, and the table behind it laid out in panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.plots.style import HAND_MARKERS, INK, STOP, WARN, Series, line_style, midnight, series_styles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from schemas.steps import Step

MOST_IN_LEGEND = 6
"""More spws than this are shown in the legend by the first, the middle and the last."""

REFERENCE_MARK: tuple[str, dict[str, Any]] = (
    "reference antenna",
    {"marker": "*", "ms": 7.0, "color": INK, "linestyle": "none"},
)
"""The legend's entry for the star beside the reference antenna's name."""

FAILED_MARK: tuple[str, dict[str, Any]] = (
    "failed",
    {"marker": "x", "ms": 4.0, "mew": 0.9, "color": INK, "linestyle": "none"},
)
"""The legend's entry for failed solutions."""


@dataclass(frozen=True)
class Drawing:
    """A plot to be drawn.

    Attributes
    ----------
    name, step, title, caption, alternative
        As in `schemas.plots.Plot`.
    make
        Draws it.
    sources
        Files it is drawn from, relative to the workspace.
    depends
        Whatever else it shows (bounds, names), as text: it is drawn again when this changes.
    decisive
        True for the few that go into the mail.
    primary
        True for the one plot of its step that goes into the mail when that step's gate stops.
    """

    name: str
    step: Step
    title: str
    caption: str
    alternative: str
    make: Callable[[], Figure]
    sources: tuple[Path, ...]
    depends: str = ""
    decisive: bool = False
    primary: bool = False


@dataclass(frozen=True)
class Laid:
    """The rows of a solution table that belong to antennas with data, each in its antenna's panel.

    Attributes
    ----------
    frame
        The rows.
    antennas
        The panels.
    styles
        By spw and hand.
    day_s
        0h UTC of the first day [MJD seconds].
    """

    frame: pd.DataFrame
    antennas: tuple[str, ...]
    styles: dict[tuple[int, str], Series]
    day_s: float

    @property
    def panel(self) -> NDArray[np.int_]:
        """The panel of each row."""
        index = {name: i for i, name in enumerate(self.antennas)}
        return np.asarray(self.frame["antenna"].map(index), dtype=np.int_)

    @property
    def good(self) -> NDArray[np.bool_]:
        """The rows that hold a solution."""
        return ~self.frame["flagged"].to_numpy(dtype=bool)

    @property
    def hours(self) -> NDArray[np.float64]:
        """Time of each row, since 0h UTC of the first day [h]."""
        return (self.frame["time_s"].to_numpy(dtype=float) - self.day_s) / 3600.0

    def each(self) -> Iterator[tuple[Series, NDArray[np.bool_]]]:
        """Yield the style and the rows of each spw and hand."""
        spw, hand = self.frame["spw"].to_numpy(dtype=int), self.frame["polarisation"].to_numpy(dtype=object)
        for (window, name), style in self.styles.items():
            rows = (spw == window) & (hand == name)
            if rows.any():
                yield style, rows

    def legend(self, failed: bool, lines: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """Return the legend: spws by colour, hands by marker."""
        entries = [REFERENCE_MARK, *legend_of(self.styles, lines=lines)]
        return [*entries, FAILED_MARK] if failed else entries


def laid(inputs: Inputs, path: Path) -> Laid:
    """Read a solution table and lay it out.

    Raises
    ------
    ValueError
        It has no solutions of antennas with data.
    """
    frame = inputs.frame(path)
    antennas = inputs.antennas(frame)
    known = frame[frame["antenna"].isin(antennas)]
    if known.empty:
        msg = "the table holds no solutions"
        raise ValueError(msg)
    # From the observation, so that a spw has the same colour in a plot that lacks another.
    spws = sorted(
        {int(spw) for spw in known["spw"]} | ({s.id for s in inputs.summary.spws} if inputs.summary else set())
    )
    hands = sorted({str(hand) for hand in known["polarisation"]}, key=lambda hand: (hand not in "RX", hand))
    return Laid(known, antennas, series_styles(spws, hands), midnight(known["time_s"].to_numpy(dtype=float)))


def legend_of(styles: dict[tuple[int, str], Series], *, lines: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """Return the legend's entries: spws by colour (where there are several), hands by marker, or by line style."""
    spws, hands = sorted({spw for spw, _ in styles}), list(dict.fromkeys(hand for _, hand in styles))
    several = len(spws) > 1
    entries: list[tuple[str, dict[str, Any]]] = []
    if several:
        some = spws if len(spws) <= MOST_IN_LEGEND else [spws[0], spws[len(spws) // 2], spws[-1]]
        entries += [
            (f"spw {spw}", {"color": styles[spw, hands[0]].colour, "marker": "s", "ms": 5.0, "linestyle": "none"})
            for spw in some
        ]
    for hand in hands:
        style = styles[spws[0], hand]
        colour = INK if several else style.colour
        face = colour if style.filled else "none"
        mark: dict[str, Any] = {"color": colour, "marker": style.marker, "ms": 4.5, "mfc": face, "linestyle": "none"}
        if lines:
            mark = {"color": colour, "linestyle": line_style(style)}
        entries.append((f"hand {hand}" if hand in HAND_MARKERS else f"polarisation {hand}", mark))
    return entries


def bound_marks(warn: str, stop: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the legend's entries of a warning bound and a stop bound; one without text is left out."""
    marks = ((warn, {"color": WARN, "linestyle": "--"}), (stop, {"color": STOP, "linestyle": "-"}))
    return [(text, dict(mark)) for text, mark in marks if text]


def names_in_words(names: Sequence[str]) -> str:
    """Return names as people list them: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
