"""First images of target and phase reference: the field, and the source with contours, beam and scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.patheffects import withStroke

from qa.plots.drawing import Drawing
from qa.plots.style import GREY, INK, SMALL, WIDTH_IN, figure, heading, shown, slugs, written
from schemas.results import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from schemas.results import ImageSummary

    Numbers = NDArray[np.float64]

HEIGHT_IN, SIDE_IN = 5.0, 3.35
"""Height of the plot, and side of each panel [inch]."""

LOWEST = 3.0
"""First contour [noise], one negative and one positive; then each is twice the last."""

ZOOM_BEAMS = 10.0
"""Half the side of the close-up is at least this many beams."""

BRIGHT = 6.0
"""What is brighter than this [noise] belongs into the close-up."""


@dataclass(frozen=True)
class Sky:
    """The central part of an image.

    Attributes
    ----------
    pixels
        (n_y, n_x) [Jy/beam].
    reference_pixel
        (x, y) that the offsets are counted from: the phase centre.
    reference_deg
        Right ascension and declination there, J2000 [deg].
    cell_arcsec
        (x, y) [arcsec]; x negative, for right ascension grows to the left.
    """

    pixels: Numbers
    reference_pixel: tuple[float, float]
    reference_deg: tuple[float, float]
    cell_arcsec: tuple[float, float]

    def offset(self, x: float, y: float) -> tuple[float, float]:
        """Return east and north offsets of a pixel from the reference position [arcsec]."""
        return (
            (x - self.reference_pixel[0]) * self.cell_arcsec[0],
            (y - self.reference_pixel[1]) * self.cell_arcsec[1],
        )

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the first and last pixels: left, right (east offset), bottom, top [arcsec]."""
        high, wide = self.pixels.shape
        left, bottom = self.offset(-0.5, -0.5)
        right, top = self.offset(wide - 0.5, high - 0.5)
        return left, right, bottom, top


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield one plot per first image; the first target's is decisive."""
    record = inputs.record("image", ImageRecord)
    if record is None or record.skipped:
        return
    targets = inputs.inspected.roles.targets if inputs.inspected is not None else ()
    names = slugs(image.field for image in record.images)
    first = next((image.field for image in record.images if image.field in targets), None)
    for image in record.images:
        role = "Target" if image.field in targets else "Phase reference"
        yield Drawing(
            name=f"image_{names[image.field]}",
            step="image",
            title=f"First image of {shown(image.field)} ({role.lower()})",
            caption=(
                f"{role} {shown(image.field)}: left the field, right the brightest source, with contours at -3, 3, 6, "
                f"12 ... times the noise of {brightness(image.noise_jy_beam)}. Peak {brightness(image.peak_jy_beam)}, "
                f"dynamic range {image.dynamic_range:.0f}. A first look with a bounded clean: stripes and rings around "
                "the source are calibration errors, beam-shaped patterns are what was not cleaned."
            ),
            alternative=(
                f"Image of {shown(image.field)}: peak {brightness(image.peak_jy_beam)}, noise "
                f"{brightness(image.noise_jy_beam)}, beam {image.beam_major_arcsec:.3g} by "
                f"{image.beam_minor_arcsec:.3g} arcseconds."
            ),
            make=partial(draw_image, inputs.root, image, role),
            sources=() if image.centre is None else (image.centre,),
            depends=repr(image),
            decisive=image.field == first,
        )


def read_sky(root: Path, image: ImageSummary) -> Sky:
    """Read the central part of an image.

    Raises
    ------
    ValueError
        None was kept, or it holds no number.
    """
    if image.centre is None:
        msg = "this image was made by a version that kept no pixels beside it; rerun from the image step"
        raise ValueError(msg)
    with np.load(root / image.centre) as file:
        pixels = np.asarray(file["pixels"], dtype=float)
        pairs = [tuple(float(n) for n in file[key]) for key in ("reference_pixel", "reference_deg", "cell_arcsec")]
    if not np.isfinite(pixels).any():
        msg = "the image holds no number"
        raise ValueError(msg)
    where, position, cell = ((pair[0], pair[1]) for pair in pairs)
    return Sky(pixels, where, position, cell)


def contour_levels(noise: float, peak: float) -> list[float]:
    """Return contour levels [unit of the noise]: -3, 3, 6, 12 ... times the noise up to the peak."""
    if not noise > 0.0:
        return []
    levels = [-LOWEST * noise, LOWEST * noise]
    while levels[-1] * 2.0 <= peak:
        levels.append(levels[-1] * 2.0)
    return levels


def brightness(value: float) -> str:
    """Return a brightness with the unit that suits it: ``139 mJy/beam``."""
    factor, unit = scaled(abs(value))
    return f"{written(value * factor)} {unit}"


def scaled(largest: float) -> tuple[float, str]:
    """Return the factor and the unit in which a brightness [Jy/beam] is short to write."""
    for factor, unit in ((1.0, "Jy/beam"), (1e3, "mJy/beam")):
        if largest * factor >= 1.0:
            return factor, unit
    return 1e6, "µJy/beam"


def window(sky: Sky, beam_arcsec: float, noise: float) -> tuple[float, float, float, float]:
    """Return the close-up: left, right, bottom, top [arcsec], about the brightest pixel and all bright ones near it."""
    filled = np.where(np.isfinite(sky.pixels), sky.pixels, -np.inf)
    y, x = np.unravel_index(int(np.argmax(filled)), filled.shape)
    east, north = sky.offset(float(x), float(y))
    left, right, bottom, top = sky.extent
    whole = min(abs(left - right), abs(top - bottom)) / 2
    bright = np.argwhere(filled > max(BRIGHT * noise, 0.1 * float(filled[y, x]))) - (y, x)
    apart = float(np.max(np.hypot(*bright.T), initial=0.0)) * abs(sky.cell_arcsec[0])
    half = min(max(ZOOM_BEAMS * beam_arcsec, min(1.4 * apart, 0.45 * whole)), whole)
    return east + half, east - half, north - half, north + half


def scale_length(width: float) -> float:
    """Return a round length of about a fifth of a width [same unit]: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(width / 5.0))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= width / 4.0)


def sexagesimal(ra_deg: float, dec_deg: float) -> str:
    """Return a position as people write it, to the tenth of an arcsecond."""
    hours = round((ra_deg % 360.0) / 15.0 * 3600.0, 2) % 86400.0
    arcsec = round(abs(dec_deg) * 3600.0, 1)
    ra = f"{int(hours // 3600):02d}:{int(hours % 3600 // 60):02d}:{hours % 60:05.2f}"
    sign = "−" if dec_deg < 0 else "+"
    return f"{ra} {sign}{int(arcsec // 3600):02d}:{int(arcsec % 3600 // 60):02d}:{arcsec % 60:04.1f}"


def draw_image(root: Path, image: ImageSummary, role: str) -> Figure:
    """Draw the field and the close-up."""
    sky = read_sky(root, image)
    made = figure(HEIGHT_IN)
    heading(
        made,
        f"{role} {shown(image.field)}: peak {brightness(image.peak_jy_beam)}, noise {brightness(image.noise_jy_beam)}",
    )
    peak = float(np.nanmax(sky.pixels))
    factor, unit = scaled(max(abs(peak), image.noise_jy_beam))
    noise = image.noise_jy_beam if image.noise_jy_beam > 0.0 else max(abs(peak), 1e-12) * 1e-3
    stretch = AsinhNorm(3.0 * noise * factor, vmin=-5.0 * noise * factor, vmax=max(peak, 5.0 * noise) * factor)
    close = window(sky, image.beam_major_arcsec, noise)
    field, near = (_axes(made, left) for left in (0.82, 0.82 + SIDE_IN + 0.6))
    drawn = [
        axes.imshow(
            sky.pixels * factor,
            origin="lower",
            extent=sky.extent,
            cmap="inferno",
            norm=stretch,
            interpolation="nearest",
        )
        for axes in (field, near)
    ]
    _offsets(field, sky.extent, "Field")
    _offsets(near, close, "Close-up")
    near.set_ylabel("")
    field.add_patch(
        Rectangle((close[1], close[2]), close[0] - close[1], close[3] - close[2], fill=False, ec="white", lw=1.0)
    )
    _contours(near, sky, noise, peak, close)
    _beam(near, image, close)
    _bar(near, close)
    _colour_bar(made, drawn[1], unit, noise * factor, peak * factor)
    _footer(made, image, sky)
    return made


def _axes(made: Figure, left: float) -> Axes:
    return made.add_axes((left / WIDTH_IN, 0.98 / HEIGHT_IN, SIDE_IN / WIDTH_IN, SIDE_IN / HEIGHT_IN), facecolor="#ddd")


def _offsets(axes: Axes, edges: tuple[float, float, float, float], title: str) -> None:
    left, right, bottom, top = edges
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="RA offset [arcsec]", ylabel="Dec offset [arcsec]")
    axes.set_title(title, loc="left", size=SMALL, color=GREY, pad=3)
    axes.locator_params(nbins=5)


def _contours(axes: Axes, sky: Sky, noise: float, peak: float, close: tuple[float, float, float, float]) -> None:
    high, wide = sky.pixels.shape
    east = (np.arange(wide) - sky.reference_pixel[0]) * sky.cell_arcsec[0]
    north = (np.arange(high) - sky.reference_pixel[1]) * sky.cell_arcsec[1]
    columns = np.flatnonzero((east <= close[0]) & (east >= close[1]))
    rows = np.flatnonzero((north >= close[2]) & (north <= close[3]))
    part = sky.pixels[np.ix_(rows, columns)]
    lowest, highest = float(np.nanmin(part, initial=np.inf)), float(np.nanmax(part, initial=-np.inf))
    levels = [level for level in contour_levels(noise, peak) if lowest < level < highest]
    if not levels or min(part.shape) < 2:
        return
    styles = ["--" if level < 0 else "-" for level in levels]
    # Dark on the bright part of the colours.
    inks = [INK if level > 0.25 * peak else "white" for level in levels]
    axes.contour(east[columns], north[rows], part, levels=levels, colors=inks, linewidths=0.8, linestyles=styles)


def _beam(axes: Axes, image: ImageSummary, close: tuple[float, float, float, float]) -> None:
    """Draw the restoring beam in the lower left corner; its angle is counted from north to the east (left)."""
    size = close[0] - close[1]
    room = 0.5 * image.beam_major_arcsec + 0.04 * size
    centre = (close[0] - room, close[2] + room)
    # The axis of right ascension grows to the left: an angle to the east turns counter-clockwise on the page.
    axes.add_patch(
        Ellipse(
            centre,
            image.beam_minor_arcsec,
            image.beam_major_arcsec,
            angle=-image.beam_angle_deg,
            facecolor="white",
            edgecolor=INK,
            linewidth=0.8,
        )
    )


def _bar(axes: Axes, close: tuple[float, float, float, float]) -> None:
    size = close[0] - close[1]
    length = scale_length(size)
    right, low = close[1] + 0.05 * size, close[2] + 0.05 * size
    axes.plot([right, right + length], [low, low], color="white", linewidth=2.5, solid_capstyle="butt")
    text = f"{length:g} arcsec" if length >= 0.1 else f"{1e3 * length:g} mas"
    outlined = [withStroke(linewidth=2.5, foreground=INK)]
    axes.text(right, low + 0.02 * size, text, color="white", ha="right", va="bottom", path_effects=outlined)


def _colour_bar(made: Figure, drawn: AxesImage, unit: str, noise: float, peak: float) -> None:
    place = made.add_axes((1 - 0.74 / WIDTH_IN, 0.98 / HEIGHT_IN, 0.14 / WIDTH_IN, SIDE_IN / HEIGHT_IN))
    bar = made.colorbar(drawn, cax=place)
    ticks = colour_ticks(noise, peak)
    bar.set_ticks(ticks, labels=[written(tick, 2) for tick in ticks])
    bar.minorticks_off()
    place.set_title(unit, size=SMALL, pad=5)
    bar.outline.set_edgecolor(mpl.colors.to_rgba("#c8c8c8"))


def colour_ticks(noise: float, peak: float) -> list[float]:
    """Return ticks of a colour bar from -3 noise to a peak, stretched like asinh: zero, then 1, 2, 5 by decades."""
    start = 10.0 ** math.floor(math.log10(3.0 * noise))
    steps = [step * start * 10.0**power for power in range(12) for step in (1.0, 2.0, 5.0)]
    inside = [step for step in steps if 2.5 * noise <= step <= max(peak, 5.0 * noise)]
    return [-inside[0], 0.0, *inside] if inside and inside[0] <= 4.0 * noise else [0.0, *inside]


def _footer(made: Figure, image: ImageSummary, sky: Sky) -> None:
    lines = (
        f"Offsets from {sexagesimal(*sky.reference_deg)} (J2000). Beam {image.beam_major_arcsec:.3g} × "
        f"{image.beam_minor_arcsec:.3g} arcsec at {written(image.beam_angle_deg)}°; "
        f"dynamic range {image.dynamic_range:.0f}.",
        "Contours: −3, 3, 6, 12 … × noise, negative dashed. Ellipse: beam. Box: the close-up.",
    )
    made.text(0.82 / WIDTH_IN, 0.1 / HEIGHT_IN, "\n".join(lines), size=SMALL, color=GREY, va="bottom", linespacing=1.35)
