"""The few plots that go into a mail: those of the step that went wrong, then the decisive ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.mail import one_line
from schemas.plots import Plot, PlotIndex
from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_PLOTS = 4
"""How many plots go into a mail."""

MOST_OF_STEP = 2
"""How many of them may be of the step that went wrong without being marked as decisive."""

LARGEST_BYTES = 1_500_000
"""A larger picture stays in the report [bytes]: mail clients on phones load slowly."""

PNG = b"\x89PNG\r\n\x1a\n"
"""How every PNG file begins (PNG specification, 5.2)."""


class InlinePlot(Record):
    """One picture of a mail."""

    name: str
    """The plot's name."""
    title: str
    """What it shows."""
    caption: str
    """What to look for in it."""
    alternative: str
    """The same for who cannot see it."""
    picture: bytes
    """The PNG file."""


def inline_plots(root: Path, wrong_step: str = "") -> tuple[InlinePlot, ...]:
    """Return the plots of a workspace that go into the mail; an index or a picture that cannot be read is left out.

    Parameters
    ----------
    root
        The observation's workspace.
    wrong_step
        The step that stopped, warned or crashed first; empty if none did.
    """
    known = [plot for plot in _indexed(root) if plot.file is not None]
    of_step = [plot for plot in known if plot.step == wrong_step]
    of_step = sorted(of_step, key=lambda plot: not plot.decisive)[:MOST_OF_STEP]
    chosen = {plot.name: plot for plot in (*of_step, *(plot for plot in known if plot.decisive))}
    loaded = (_loaded(root, plot) for plot in chosen.values())
    return tuple(plot for plot in loaded if plot is not None)[:MOST_PLOTS]


def _indexed(root: Path) -> Iterator[Plot]:
    for path in sorted((root / "plots").glob("*.json")):
        try:
            yield from PlotIndex.model_validate_json(path.read_bytes()).plots
        except (OSError, ValidationError):
            continue  # the report notes what is missing; the mail goes without


def _loaded(root: Path, plot: Plot) -> InlinePlot | None:
    path = (root / (plot.file or "")).resolve()
    # An index that points out of its workspace must not mail what lies there.
    if not path.is_relative_to(root.resolve()):
        return None
    try:
        picture = path.read_bytes() if path.stat().st_size <= LARGEST_BYTES else b""
    except OSError:
        return None
    if not picture.startswith(PNG):
        return None
    return InlinePlot(
        name=plot.name,
        title=one_line(plot.title),
        caption=one_line(plot.caption),
        alternative=one_line(plot.alternative),
        picture=picture,
    )
