"""Pictures inside the page: PNG files, made smaller where that costs nothing an eye sees, as data: addresses."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

from qa.report.view import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from schemas.plots import Plot

SMALL_BYTES = 40_000
"""Pictures up to this size are embedded as they are [bytes]."""

WIDEST = 1400
"""Wider pictures are scaled down to this width [pixels]: twice the width they are shown at."""

COLOURS = 256
"""Colours of the palette a larger picture is reduced to; a plot has fewer."""

MOST_PIXELS = 40_000_000
"""Pictures beyond this are not opened [pixels]: nothing that draws for the report makes them."""


def pictures(root: Path, plots: Iterable[Plot]) -> tuple[Picture, ...]:
    """Return the plots with their pictures; where there is none, with the reason."""
    return tuple(_picture(root, plot) for plot in plots)


def plot_anchor(plot: Plot) -> str:
    """Return the plot's place on the page."""
    return f"plot-{plot.name}"


def _picture(root: Path, plot: Plot) -> Picture:
    view = Picture(anchor=plot_anchor(plot), title=plot.title, caption=plot.caption, alternative=plot.alternative)
    if plot.file is None:
        return view.evolve(absent=plot.failed or "it was not made")
    path = root / plot.file
    if not path.resolve().is_relative_to(root.resolve()):
        return view.evolve(absent="its file is not in the workspace")
    if not path.is_file():
        return view.evolve(absent=f"its file {plot.file} is not there")
    try:
        content, width, height = shrunk(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return view.evolve(absent=f"its file {plot.file} is not a picture that can be read")
    data = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return view.evolve(data=data, width=width, height=height)


def shrunk(content: bytes) -> tuple[bytes, int, int]:
    """Return a picture as PNG, not larger than given, with its width and height [pixels].

    Raises
    ------
    OSError, ValueError, SyntaxError
        It is not a picture, or a broken or an absurdly large one.
    """
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            msg = f"{picture.width} x {picture.height} pixels"
            raise ValueError(msg)
        if len(content) <= SMALL_BYTES and picture.width <= WIDEST:
            picture.verify()
            return content, picture.width, picture.height
        flat = _on_white(picture)
    if flat.width > WIDEST:
        flat = flat.resize((WIDEST, round(flat.height * WIDEST / flat.width)), Image.Resampling.LANCZOS)
    palette = flat.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", optimize=True)
    smaller = buffer.getvalue()
    if len(smaller) < len(content) or flat.width == WIDEST:
        return smaller, flat.width, flat.height
    return content, flat.width, flat.height


def _on_white(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")
