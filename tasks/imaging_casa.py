"""Measures images; runs inside a CASA child."""

from __future__ import annotations

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
