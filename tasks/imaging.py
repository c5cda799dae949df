"""A first look at targets and phase references."""

from __future__ import annotations

import contextvars
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from schemas.results import ApplyRecord, ImageRecord, ImageSummary
from tasks.casa import run
from tasks.splitting import file_name
from tasks.step import step
from tasks.workspace import remove, replace_whole

if TYPE_CHECKING:
    from schemas.inspection import MsSummary
    from schemas.parameters import ImageParams
    from tasks.calibration import Calibration

LIGHT_M_S = 299_792_458.0
"""Speed of light [m/s]."""

DISH_M = 25.0
"""Dish diameter that sets the primary beam [m]: the VLA's and most of e-MERLIN's."""

KEPT = ("image", "residual", "psf", "model")
"""What is kept of tclean's output."""

CENTRE_PIXELS = 512
"""Side of the central part that is kept as numbers [pixels]: 1 MB at most, and all of a first image by default."""


@step("image", ImageRecord)
def make_images(calibration: Calibration, applied: ApplyRecord) -> ImageRecord:
    """Image each target and phase reference with a bounded tclean: peak, noise, beam (not in the guide: a first look).

    Reads CORRECTED_DATA; writes ``products/<field>.image`` and its companions, and the image's central part as numbers
    to ``records/image.<field>.npz``. Fields run side by side.
    """
    asked = calibration.parameters.image
    if not asked.enabled or applied.skipped:
        return ImageRecord(skipped=applied.skipped or "switched off (image.enabled)")
    fields = (*calibration.roles.targets, *calibration.roles.phase_references)
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The door to CASA is a context variable: each thread gets a copy of this one's context.
        waiting = [pool.submit(contextvars.copy_context().run, _image, calibration, field) for field in fields]
        return ImageRecord(images=tuple(future.result() for future in waiting))


def _image(calibration: Calibration, field: str) -> ImageSummary:
    asked = calibration.parameters.image
    workspace = calibration.workspace
    name = file_name(field)
    folder = workspace.products / f".{name}.imaging"
    remove(folder)
    folder.mkdir()
    cell, pixels = geometry(calibration.summary, asked)
    run(
        "tclean",
        timeout_s=asked.timeout_s,
        vis=calibration.vis,
        field=field,
        datacolumn="corrected",
        imagename=folder / name,
        specmode="mfs",
        imsize=[pixels],
        cell=[f"{cell}arcsec"],
        stokes="I",
        weighting="briggs",
        robust=asked.robust,
        niter=asked.niter,
        nmajor=asked.nmajor,
        nsigma=asked.nsigma,
        deconvolver="hogbom",
        savemodel="none",
        interactive=False,
    )
    for suffix in KEPT:
        if (folder / f"{name}.{suffix}").exists():
            replace_whole(folder / f"{name}.{suffix}", workspace.products / f"{name}.{suffix}")
    remove(folder)
    image = workspace.products / f"{name}.image"
    found = run("tasks.imaging_casa:measure", image=image, residual=workspace.products / f"{name}.residual")
    centre = workspace.records / f"image.{name}.npz"
    run("tasks.imaging_casa:export_centre", image=image, centre=centre, side=CENTRE_PIXELS)
    return ImageSummary(
        field=field,
        image=workspace.relative(image),
        cell_arcsec=cell,
        pixels=pixels,
        centre=workspace.relative(centre),
        **found,
    )


def geometry(summary: MsSummary, asked: ImageParams) -> tuple[float, int]:
    """Return cell [arcsec] and image size [pixels]: from the longest baseline, no wider than the primary beam.

    The synthesised beam is about lambda/B and the primary beam 1.2 lambda/D across to its first null (Thompson, Moran
    & Swenson, Interferometry and Synthesis in Radio Astronomy, ch. 5); the size is a product of 2, 3 and 5 for the FFT.
    """
    wavelength = LIGHT_M_S / max(spw.centre_hz for spw in summary.spws)
    beam = math.degrees(wavelength / summary.longest_baseline_m) * 3600.0
    cell = float(f"{beam / asked.cells_per_beam:.2g}")
    field_of_view = math.degrees(2 * 1.2 * wavelength / DISH_M) * 3600.0
    wanted = min(asked.imsize, max(64, math.ceil(field_of_view / cell)))
    return cell, max(size for size in _fft_sizes() if size <= wanted)


def _fft_sizes() -> list[int]:
    powers = [2**i * 3**j * 5**k for i in range(1, 13) for j in range(4) for k in range(4)]
    return sorted(size for size in powers if 64 <= size <= 4096)
