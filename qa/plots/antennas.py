"""Where the antennas stand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.plots.drawing import Drawing
from qa.plots.style import GREY, LIGHT, OKABE_ITO, WIDTH_IN, figure, heading, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from schemas.inspection import AntennaSummary

    Numbers = NDArray[np.float64]

HEIGHT_IN = 6.2
"""Height of the plot [inch]."""


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plot of the antennas' positions."""
    if inputs.inspected is None:
        return
    antennas = inputs.inspected.summary.antennas
    reference = inputs.refant[0]
    without = [antenna.name for antenna in antennas if not antenna.has_data]
    yield Drawing(
        name="antenna_positions",
        step="inspect",
        title="Antenna positions",
        caption=(
            f"East and north of the array's centre [km]; the star is the reference antenna, {shown(reference)}. "
            "A reference antenna near the centre shares the shortest baselines, on which the S/N is best."
            + (f" Open: without data ({', '.join(map(shown, without))})." if without else "")
        ),
        alternative=f"Map of the {len(antennas)} antennas, kilometres east and north of the array's centre.",
        make=partial(draw_positions, antennas, reference),
        sources=(),
        depends=repr(antennas) + reference,
    )


def local(positions: Numbers) -> Numbers:
    """Return east and north [m] of antennas at ITRF positions (n_antenna, 3) [m], about their mean.

    The vertical is taken as the direction from the Earth's centre, which is up to 0.2 deg off the ellipsoid's: on a map
    of an array that cannot be seen.
    """
    centre = positions.mean(axis=0)
    longitude = np.arctan2(centre[1], centre[0])
    latitude = np.arctan2(centre[2], np.hypot(centre[0], centre[1]))
    east = np.asarray([-np.sin(longitude), np.cos(longitude), 0.0])
    north = np.asarray([-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)])
    away: Numbers = (positions - centre) @ np.stack([east, north], axis=-1)
    return away


def draw_positions(antennas: Sequence[AntennaSummary], reference: str) -> Figure:
    """Draw the map."""
    with_data = [antenna for antenna in antennas if antenna.has_data] or list(antennas)
    where = local(np.asarray([(a.x_m, a.y_m, a.z_m) for a in with_data], dtype=float)) / 1000.0
    made = figure(HEIGHT_IN)
    heading(made, "Antenna positions")
    axes = made.add_axes((0.8 / WIDTH_IN, 0.6 / HEIGHT_IN, 1 - 1.0 / WIDTH_IN, 1 - 1.1 / HEIGHT_IN))
    axes.grid(color=LIGHT, linewidth=0.5)
    axes.set_axisbelow(True)
    is_reference = np.asarray([antenna.name == reference for antenna in with_data])
    axes.plot(*where[~is_reference].T, "o", ms=7, color=OKABE_ITO[0])
    axes.plot(*where[is_reference].T, "*", ms=16, color=OKABE_ITO[1])
    axes.margins(0.12)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("East of the array's centre [km]")
    axes.set_ylabel("North of the array's centre [km]")
    _name(axes, where, [shown(antenna.name, 12) for antenna in with_data])
    longest = max((float(np.hypot(*(a - b))) for a in where for b in where), default=0.0)
    text = f"{len(with_data)} antennas with data; longest separation {longest:.3g} km; star: reference antenna"
    axes.text(0.0, 1.01, text, transform=axes.transAxes, color=GREY, va="bottom")
    return made


def _name(axes: Axes, where: Numbers, names: Sequence[str]) -> None:
    """Write names beside their antennas, each in the first of eight places that covers no name or antenna."""
    axes.apply_aspect()
    pixels = axes.transData.transform(where)
    scale = axes.figure.get_dpi() / 72.0
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in pixels]
    for (x, y), name in zip(pixels, names, strict=True):
        places = _places(float(x), float(y), 6.3 * scale * len(name), 10.0 * scale)
        box = next((b for b in places if not _covers(b, taken)), places[0])
        taken.append(box)
        left, low = axes.transData.inverted().transform((box[0], box[1]))
        axes.text(left, low, name, va="bottom", ha="left")


def _places(x: float, y: float, wide: float, high: float) -> list[tuple[float, float, float, float]]:
    gap = 13.0
    corners = [
        (x + gap, y - high / 2),
        (x + gap, y + gap / 2),
        (x + gap, y - high - gap / 2),
        (x - wide / 2, y + gap),
        (x - wide / 2, y - high - gap),
        (x - wide - gap, y - high / 2),
        (x - wide - gap, y + gap / 2),
        (x - wide - gap, y - high - gap / 2),
    ]
    return [(left, low, left + wide, low + high) for left, low in corners]


def _covers(box: tuple[float, float, float, float], taken: Sequence[tuple[float, float, float, float]]) -> bool:
    return any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
