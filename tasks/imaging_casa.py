"""Measures and exports images; runs inside a CASA child."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


def measure(image: str, residual: str) -> dict[str, float]:
    """Return an image's peak, noise and beam, named as in `schemas.results.ImageSummary`.

    The noise is 1.4826 times the residual's median absolute deviation, which a few bright sidelobes do not raise.
    """
    import casatools

    tool = casatools.image()
    tool.open(image)
    pixels = np.asarray(tool.getchunk())
    beam = tool.restoringbeam()
    tool.close()
    tool.open(residual)
    left = np.asarray(tool.getchunk())
    tool.close()
    noise = 1.4826 * float(np.median(np.abs(left - np.median(left))))
    peak = float(np.nanmax(pixels))
    return {
        "peak_jy_beam": peak,
        "noise_jy_beam": noise,
        "dynamic_range": peak / noise if noise > 0 else 0.0,
        "beam_major_arcsec": float(beam["major"]["value"]),
        "beam_minor_arcsec": float(beam["minor"]["value"]),
        "beam_angle_deg": float(beam["positionangle"]["value"]),
    }


def export_centre(image: str, centre: str, side: int) -> None:
    """Write the central part of an image as numbers that need no CASA to read; the file appears whole or not at all.

    Parameters
    ----------
    image
        CASA image.
    centre
        The file (npz): ``pixels`` (n_y, n_x) [Jy/beam], x growing to the west and y to the north;
        ``reference_pixel`` (x, y) in these pixels; ``reference_deg`` (right ascension, declination) there, J2000 [deg];
        ``cell_arcsec`` (x, y) [arcsec], x negative; ``unit``.
    side
        Longest side of the part [pixels].
    """
    import casatools

    tool = casatools.image()
    tool.open(image)
    pixels = np.asarray(tool.getchunk())
    unit = str(tool.brightnessunit())
    system = tool.coordsys()
    part, corner = central(pixels[:, :, 0, 0].T, side)
    numbers: dict[str, Any] = {
        "pixels": part.astype(np.float32),
        "reference_pixel": np.asarray(system.referencepixel()["numeric"][:2]) - corner[::-1],
        "reference_deg": np.degrees(system.referencevalue()["numeric"][:2]),
        "cell_arcsec": np.degrees(system.increment()["numeric"][:2]) * 3600.0,
        "unit": np.asarray(unit),
    }
    system.done()
    tool.close()
    _save_whole(Path(centre), numbers)


def central(pixels: np.ndarray[Any, Any], side: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the central part of an image, at most `side` pixels along an axis, and its first pixel's indices."""
    corner = np.asarray([max(0, (length - side) // 2) for length in pixels.shape])
    window = tuple(slice(int(first), int(first) + side) for first in corner)
    return pixels[window], corner


def _save_whole(path: Path, numbers: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **numbers)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
