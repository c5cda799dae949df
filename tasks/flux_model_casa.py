"""Model images, made and measured; these functions run inside a CASA child."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from schemas.standards import COMPONENTS_3C286, PHASE_CENTRE_3C286_RAD, REFERENCE_3C286_HZ
from tasks.inspection_casa import column

CELL_ARCSEC = 0.001
"""Cell of the 3C286 image [arcsec]: 1 mas. Spread over four cells, a component's visibility on the longest e-MERLIN
baseline (3.7 million wavelengths) is off by less than 0.2 % in amplitude: (2 pi u cell)^2 / 8."""

PIXELS = 1024
"""Pixels along each side: 1 arcsec, so that the uv grid's cell (0.2 million wavelengths) samples the 0.16 arcsec of
the source ten times over; with half as many, the error against the direct Fourier sum doubles (0.3 % to 0.6 %)."""


def make_3c286_image(out: str) -> None:
    """Make an image of the resolved 3C286 from its component table, each component spread over four cells."""
    import casatools

    ra_rad, dec_rad = PHASE_CENTRE_3C286_RAD
    cell_rad = np.radians(CELL_ARCSEC / 3600.0)
    pixels = np.zeros((PIXELS, PIXELS, 1, 1))
    for component in COMPONENTS_3C286:
        x = PIXELS / 2 - component.east_arcsec / CELL_ARCSEC  # east is to the left: right ascension grows leftwards
        y = PIXELS / 2 + component.north_arcsec / CELL_ARCSEC
        left, low = int(np.floor(x)), int(np.floor(y))
        for pixel, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            for row, up in ((low, 1 - (y - low)), (low + 1, y - low)):
                pixels[pixel, row, 0, 0] += component.flux_density_jy * across * up
    partial = f"{out}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    image = casatools.image()
    image.fromshape(partial, list(pixels.shape), overwrite=True)
    system = image.coordsys()
    system.setunits(["rad", "rad"], type="direction")  # a new image counts in arcmin
    system.setreferencevalue([ra_rad, dec_rad], "direction")
    system.setreferencepixel([PIXELS / 2, PIXELS / 2], "direction")
    system.setincrement([-cell_rad, cell_rad], "direction")
    system.setreferencevalue(f"{REFERENCE_3C286_HZ}Hz", "spectral")
    system.setincrement("1GHz", "spectral")
    image.setcoordsys(system.torecord())
    image.setbrightnessunit("Jy/pixel")
    image.putchunk(pixels)
    image.close()
    system.done()
    shutil.rmtree(out, ignore_errors=True)
    Path(partial).rename(out)


def uv_limit(image: str) -> float:
    """Return where a model image's uv grid ends [wavelengths]: half over the cell."""
    import casatools

    path = Path(image) if Path(image).exists() else _shipped(image)
    tool = casatools.image()
    tool.open(str(path))
    system = tool.coordsys()
    direction = system.torecord()["direction0"]
    system.done()
    tool.close()
    quanta = casatools.quanta()
    cells = [
        abs(quanta.convert(quanta.quantity(step, unit), "rad")["value"])
        for step, unit in zip(direction["cdelt"], direction["units"], strict=True)
    ]
    return float(0.5 / max(cells))


def _shipped(image: str) -> Path:
    import casadata

    return Path(casadata.datapath) / "nrao" / "VLA" / "CalModels" / image


def reference_frequencies(vis: str) -> list[float]:
    """Return each spw's reference frequency [Hz], for which setjy reports its flux densities."""
    return [float(value) for value in column(f"{vis}/SPECTRAL_WINDOW", "REF_FREQUENCY")]
