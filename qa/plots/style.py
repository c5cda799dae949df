"""How the plots look: colours that colour-blind people can tell apart, text, figures, and small PNG files."""

from __future__ import annotations

import contextlib
import io
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

WIDTH_IN = 9.0
"""Width of every plot [inch]; with text of 9 points the smallest is readable where it is shown 900 pixels wide."""

DPI = 120
"""Pixels per inch."""

SMALL, NORMAL, LARGE = 9.0, 10.0, 12.0
"""Sizes of text [points]."""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito (2008), Color Universal Design; without its yellow, which is faint on white."""

INK, GREY, LIGHT, GRID = "#1a1a1a", "#5f5f5f", "#c8c8c8", "#ececec"
"""Text, second text (contrast 6:1 on white), frames, grid lines."""

WARN, STOP, GOOD = "#A65E00", "#B2182B", "#0072B2"
"""Bounds and verdicts; always with a line style or marker of their own beside the colour."""

KNOWN = "#009E73"
"""Ranges that calibrators are known for."""

GREYS, COARSER_BITS = 28, 3
"""Greys of the palette, and bits by which a channel is coarser in the table of its colours."""

MAPS = {"YlGnBu": 48, "inferno": 88, "cividis": 32}
"""Colour maps in use, with their number of colours in the palette: 250 in all with inks and greys."""

HAND_MARKERS = {"R": "o", "X": "o", "L": "^", "Y": "^"}
"""Second cue of the hands."""

SMALLEST = 1e-6
"""Smaller numbers are written as zero: phases of the reference antenna are rounding errors."""

MANY_SERIES = 8
"""From so many spws and hands on they share the same room."""

LONGEST_NAME = 28
"""Longer names are cut [characters]."""

SECONDS_PER_DAY = 86400.0

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
"""Day 0 of the Modified Julian Date."""

STYLE: Mapping[str, Any] = {
    "text.parse_math": False,  # a field may be called $x_1$
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": False,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "path.simplify": True,
}
"""Over matplotlib's defaults; a user's matplotlibrc changes nothing."""


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Draw in our style, whatever the user's is."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: dict[Any, Any] = dict(STYLE)  # matplotlib's stubs know its keys as literals only
        mpl.rcParams.update(settings)
        yield


def figure(height_in: float) -> Figure:
    """Return an empty white figure of the common width."""
    made = Figure(figsize=(WIDTH_IN, round(height_in * DPI) / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    return made


def heading(made: Figure, title: str) -> None:
    """Write a figure's title at its upper left."""
    height = made.get_size_inches()[1]
    made.text(0.1 / WIDTH_IN, 1 - 0.1 / height, title, size=LARGE, weight="bold", va="top")


def write(made: Figure, x_in: float, y_in: float, text: str, **drawn: Any) -> None:  # noqa: ANN401 - matplotlib's own
    """Write text at a place measured from the lower left [inch].

    Straight into the figure: text of axes is clipped to them, which takes longer than to draw it.
    """
    made.text(x_in / WIDTH_IN, y_in / float(made.get_size_inches()[1]), text, **drawn)


def png(made: Figure) -> bytes:
    """Render a figure to a PNG in our palette: a third of the size, and nothing is lost to the eye.

    The palette is fixed, so that no colour is merged with another because few pixels have it, and looked up in a table
    of colours of five bits per channel: a search for the best palette of each picture takes as long as drawing it.
    """
    canvas: Any = FigureCanvasAgg(made)  # untyped in matplotlib
    canvas.draw()
    channels = np.asarray(canvas.buffer_rgba())[:, :, :3].astype(np.uint16) >> COARSER_BITS
    places = (channels[:, :, 0] << 10) | (channels[:, :, 1] << 5) | channels[:, :, 2]
    colours, nearest = _palette()
    reduced = Image.fromarray(nearest[places])
    reduced.putpalette(colours.tobytes())
    file = io.BytesIO()
    reduced.save(file, format="PNG", compress_level=6)
    return file.getvalue()


@cache
def _palette() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the colours (n_colour, 3), and for each colour of five bits per channel the index of the nearest."""
    inks = [*OKABE_ITO[:-1], WARN, STOP, KNOWN]
    shades = np.asarray([mpl.colors.to_rgb(ink) for ink in inks])[:, None, :]
    part = np.asarray([1.0, 0.8, 0.6, 0.4, 0.22, 0.1])[None, :, None]
    paled = (part * shades + (1.0 - part)).reshape(-1, 3)
    maps = [mpl.colormaps[name](np.linspace(0.0, 1.0, count))[:, :3] for name, count in MAPS.items()]
    greys = np.repeat(np.linspace(0.0, 1.0, GREYS)[:, None], 3, axis=1)
    colours = np.concatenate([greys, paled, *maps])
    steps = np.arange(32) / 31.0
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    # The square of the grid colour is the same for all and left out of the squared distance.
    nearest = np.argmin((colours**2).sum(-1) - 2.0 * grid @ colours.T, axis=-1)
    return np.round(255.0 * colours).astype(np.uint8), nearest.astype(np.uint8)


@dataclass(frozen=True)
class Series:
    """How one spw and hand is drawn.

    Attributes
    ----------
    colour
        By spw; by hand where there is one spw.
    marker
        By hand.
    filled
        Whether the marker is filled: the second hand's is open.
    aside
        How far aside of the middle of all it stands, -0.5 to 0.5; less where they are few.
    """

    colour: str
    marker: str
    filled: bool
    aside: float = 0.0


def series_styles(spws: Sequence[int], hands: Sequence[str]) -> dict[tuple[int, str], Series]:
    """Return the style of each spw and hand, the same in every plot of an observation."""
    by_spw = len(spws) > 1
    colours = spread_colours(len(spws) if by_spw else len(hands))
    count = len(spws) * len(hands)
    return {
        (spw, hand): Series(
            colour=colours[i if by_spw else j],
            marker=HAND_MARKERS.get(hand, "os^D"[j % 4]),
            filled=j % 2 == 0,
            aside=(i * len(hands) + j - (count - 1) / 2) / max(count, MANY_SERIES),
        )
        for i, spw in enumerate(spws)
        for j, hand in enumerate(hands)
    }


def line_style(series: Series) -> Any:  # noqa: ANN401 - matplotlib takes a word or dashes
    """Return how a line of a hand is drawn: the second hand's is dashed."""
    return "-" if series.filled else (0, (4, 1.5))


def spread_colours(count: int) -> list[str]:
    """Return colours that can be told apart; for more than Okabe & Ito have, shades from dark to light in order."""
    if count <= len(OKABE_ITO):
        return list(OKABE_ITO[:count])
    shades = mpl.colormaps["cividis"](np.linspace(0.0, 0.9, count))
    return [mpl.colors.to_hex(shade) for shade in shades]


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def shown(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name from the data as it can be drawn: without control characters, unknown glyphs as ``?``, cut."""
    printable = (
        character if ord(character) in _known_characters() else "?"
        for character in name
        if unicodedata.category(character)[0] != "C"
    )
    text = "".join(printable)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return a plot name's part for each name, each once: lower-case letters, digits and underscores."""
    found: dict[str, str] = {}
    for name in names:
        base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "field"
        slug, number = base, 2
        while slug in found.values():
            slug, number = f"{base}_{number}", number + 1
        found[name] = slug
    return found


def midnight(times_s: NDArray[np.float64]) -> float:
    """Return 0h UTC of the day of the first time [MJD seconds]; 0 where there is no time."""
    finite = times_s[np.isfinite(times_s)]
    return math.floor(float(finite.min()) / SECONDS_PER_DAY) * SECONDS_PER_DAY if len(finite) else 0.0


def hours_label(day_s: float) -> str:
    """Return the label of an axis of times of day, that begins on the day of `day_s` (0h UTC) [MJD seconds]."""
    date = MJD_EPOCH + timedelta(seconds=day_s)
    return f"UTC, from {date:%Y-%m-%d} [h:min]"


def clock(hours: float) -> str:
    """Return hours since 0h as a time of day: 25.5 is 01:30."""
    minutes = round(hours * 60.0) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def written(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without an exponent where it is short, with a true minus."""
    if not math.isfinite(value):
        return "–"
    if abs(value) < SMALLEST:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e6:
        text = f"{value:.0f}"
    return text.replace("-", "−")
