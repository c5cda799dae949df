"""First images: what tclean is asked, the geometry, and what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.parameters import ImageParams
from schemas.results import ApplyRecord, ImageSummary
from tasks.imaging import geometry, make_images
from tasks.imaging_casa import central
from tests.unit.conftest import REFERENCE, TARGET
from tests.unit.tasks.summaries import guide_summary, spw

APPLIED = ApplyRecord(fields=(TARGET,))
MEASURED = {
    "peak_jy_beam": 0.1,
    "noise_jy_beam": 0.001,
    "dynamic_range": 100.0,
    "beam_major_arcsec": 0.05,
    "beam_minor_arcsec": 0.04,
    "beam_angle_deg": 10.0,
}


@pytest.fixture
def tclean(casa):
    def clean(imagename, **_asked):
        for suffix in ("image", "residual", "psf", "model", "sumwt", "pb"):
            Path(f"{imagename}.{suffix}").mkdir()

    def export(centre, **_asked):
        Path(centre).write_bytes(b"numbers")

    casa.returns |= {
        "tclean": clean,
        "tasks.imaging_casa:measure": MEASURED,
        "tasks.imaging_casa:export_centre": export,
    }
    return casa


def test_each_target_and_phase_reference_is_imaged_once(calibration, tclean):
    record = make_images.fn(calibration, APPLIED)
    assert [image.field for image in record.images] == [TARGET, REFERENCE]
    assert sorted(call["field"] for call in tclean.asked("tclean")) == sorted([TARGET, REFERENCE])


def test_tclean_is_asked_for_a_bounded_briggs_image(calibration, tclean):
    make_images.fn(calibration, APPLIED)
    call = tclean.asked("tclean")[0]
    expected = {
        "datacolumn": "corrected",
        "specmode": "mfs",
        "stokes": "I",
        "weighting": "briggs",
        "robust": 0.5,
        "niter": 300,
        "nsigma": 3.0,
        "deconvolver": "hogbom",
        "savemodel": "none",
        "interactive": False,
    }
    assert {name: call[name] for name in expected} == expected


def test_images_are_kept_under_the_fields_name_and_nothing_else(calibration, tclean):
    record = make_images.fn(calibration, APPLIED)
    kept = {f"{field}.{suffix}" for field in (TARGET, REFERENCE) for suffix in ("image", "residual", "psf", "model")}
    assert {path.name for path in calibration.workspace.products.iterdir()} == kept
    assert record.images[0].image == Path(f"products/{TARGET}.image")
    assert record.images[0].dynamic_range == 100.0


def test_the_central_part_is_kept_as_numbers_and_entered_in_the_ledger(calibration, tclean):
    record = make_images.fn(calibration, APPLIED)
    assert [image.centre for image in record.images] == [
        Path(f"records/image.{field}.npz") for field in (TARGET, REFERENCE)
    ]
    entry = calibration.keeper.ledger.entry("image")
    assert {f"records/image.{field}.npz" for field in (TARGET, REFERENCE)} <= set(entry.outputs)
    assert tclean.asked("tasks.imaging_casa:export_centre")[0]["side"] == 512


def test_a_record_of_before_pixels_were_kept_still_loads():
    old = ImageSummary(field="a", image=Path("products/a.image"), cell_arcsec=1.0, pixels=64, **MEASURED)
    text = old.model_dump(mode="json", exclude={"centre"})
    assert ImageSummary.model_validate(text).centre is None


@pytest.mark.parametrize(("shape", "corner", "kept"), [((10, 7), (3, 1), (4, 4)), ((3, 4), (0, 0), (3, 4))])
def test_the_central_part_is_cut_about_the_centre(shape, corner, kept):
    pixels = np.arange(np.prod(shape)).reshape(shape)
    part, first = central(pixels, 4)
    assert part.shape == kept
    assert tuple(first) == corner
    assert part[0, 0] == pixels[corner]


def test_a_rerun_replaces_images_and_what_a_killed_run_left(calibration, tclean):
    left = calibration.workspace.products / f".{TARGET}.imaging"
    left.mkdir()
    (left / f"{TARGET}.image").mkdir()
    make_images.fn(calibration, APPLIED)
    calibration.keeper.drop("image")
    make_images.fn(calibration, APPLIED)
    assert not left.exists()


@pytest.mark.parametrize(
    ("overrides", "applied", "reason"),
    [
        ({"image.enabled": False}, APPLIED, "switched off (image.enabled)"),
        ({}, ApplyRecord(skipped="switched off (apply.enabled)"), "switched off (apply.enabled)"),
    ],
)
def test_nothing_is_imaged_where_nothing_was_applied(make_calibration, tclean, overrides, applied, reason):
    assert make_images.fn(make_calibration(overrides=overrides), applied).skipped == reason
    assert tclean.asked("tclean") == []


def test_the_cell_is_a_third_of_the_longest_baselines_beam():
    # e-MERLIN: 217 km at 5.265 GHz is 0.054 arcsec.
    cell, _ = geometry(guide_summary(), ImageParams())
    assert cell == pytest.approx(0.054 / 3, rel=0.05)


def test_the_image_is_no_wider_than_the_primary_beam():
    # VLA D array at 1.4 GHz: the beam is 44 arcsec of a field of 1.2 degrees to its nulls.
    summary = guide_summary(spws=(spw(0, channels=63, width_hz=24414.0, first_hz=1.4127e9),), longest_baseline_m=995.0)
    cell, pixels = geometry(summary, ImageParams(imsize=4096))
    assert pixels * cell <= 2 * 1.2 * 0.2122 / 25.0 * 206265.0 * 1.001
    assert pixels >= 64


@pytest.mark.parametrize("imsize", [64, 100, 512, 1000, 4096])
def test_the_size_is_at_most_what_is_asked_and_fit_for_an_fft(imsize):
    _, pixels = geometry(guide_summary(), ImageParams(imsize=imsize))
    left = pixels
    for factor in (2, 3, 5):
        while left % factor == 0:
            left //= factor
    assert left == 1
    assert 0.8 * imsize <= pixels <= imsize
