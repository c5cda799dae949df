"""First images: offsets, contours, scale and close-up."""

from __future__ import annotations

import numpy as np
import pytest

from qa.plots.images import (
    Sky,
    brightness,
    colour_ticks,
    contour_levels,
    draw_image,
    read_sky,
    scale_length,
    sexagesimal,
    window,
)
from tests.unit.qa.plots.night import Night


def sky(pixels, reference=(4.0, 6.0), cell=0.5):
    return Sky(np.asarray(pixels, dtype=float), reference, (180.0, 45.0), (-cell, cell))


def test_contours_begin_at_three_times_the_noise_both_ways_and_double():
    assert contour_levels(2.0, 60.0) == [-6.0, 6.0, 12.0, 24.0, 48.0]


@pytest.mark.parametrize("noise", [0.0, -1.0, float("nan")])
def test_without_noise_there_are_no_contours(noise):
    assert contour_levels(noise, 1.0) == []


def test_offsets_are_counted_from_the_reference_pixel_east_to_the_left():
    image = sky(np.zeros((16, 8)))
    assert image.offset(4.0, 6.0) == (0.0, 0.0)
    assert image.offset(2.0, 8.0) == (1.0, 1.0)


def test_the_extent_reaches_the_outer_edges_of_the_outer_pixels():
    assert sky(np.zeros((16, 8))).extent == (2.25, -1.75, -3.25, 4.75)


def test_the_close_up_is_centred_on_the_brightest_pixel():
    pixels = np.zeros((64, 64))
    pixels[40, 10] = 1.0
    image = sky(pixels, reference=(32.0, 32.0), cell=1.0)
    left, right, bottom, top = window(image, beam_arcsec=0.5, noise=0.01)
    assert ((left + right) / 2, (bottom + top) / 2) == (22.0, 8.0)
    assert left - right == pytest.approx(2 * 10 * 0.5)


def test_the_close_up_holds_an_extended_source_but_is_never_wider_than_the_field():
    pixels = np.zeros((64, 64))
    pixels[32, 20:45] = 1.0
    pixels[32, 32] = 2.0
    left, right, _, _ = window(sky(pixels, (32.0, 32.0), 1.0), beam_arcsec=0.5, noise=0.01)
    assert left > 12.0
    assert right < -12.0
    left, right, _, _ = window(sky(pixels, (32.0, 32.0), 1.0), beam_arcsec=1000.0, noise=0.01)
    assert left - right == 64.0


@pytest.mark.parametrize("width", [1e-3, 0.7, 1.4, 99.0, 4000.0])
def test_the_scale_bar_is_a_round_part_of_the_width(width):
    length = scale_length(width)
    assert 0.08 * width <= length <= 0.25 * width
    assert f"{length:e}"[0] in "125"


@pytest.mark.parametrize(
    ("value", "text"), [(2.53, "2.53 Jy/beam"), (0.139, "139 mJy/beam"), (8.7e-4, "870 µJy/beam"), (0.0, "0 µJy/beam")]
)
def test_brightness_is_written_in_the_unit_that_suits_it(value, text):
    assert brightness(value) == text


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ((193.1095417, 56.5720833), "12:52:26.29 +56:34:19.5"),
        ((0.0, -0.5), "00:00:00.00 −00:30:00.0"),
        ((-10.0, 89.99999999), "23:20:00.00 +90:00:00.0"),
        ((359.9999999999, 0.0), "00:00:00.00 +00:00:00.0"),
    ],
)
def test_positions_are_written_as_people_write_them(position, text):
    assert sexagesimal(*position) == text


def test_ticks_of_the_colour_bar_lie_between_noise_and_peak():
    ticks = colour_ticks(1.4, 139.0)
    assert ticks == sorted(ticks)
    assert 0.0 in ticks
    assert -3.0 * 1.4 * 1.4 <= ticks[0] < 0.0
    assert ticks[-1] == 100.0


def test_the_centre_kept_beside_the_image_is_read_back(tmp_path):
    night = Night(tmp_path)
    image = night.first_image("target", "image.t")
    found = read_sky(tmp_path, image)
    assert found.pixels.shape == (64, 64)
    assert found.reference_pixel == (32.0, 32.0)
    assert found.cell_arcsec == (-0.02, 0.02)


@pytest.mark.parametrize("fill", [0.0, 1.0, -1.0, 1e-30])
def test_an_image_without_structure_is_drawn(tmp_path, styled, fill):
    night = Night(tmp_path)
    image = night.first_image("target", "image.t").evolve(noise_jy_beam=0.0, peak_jy_beam=fill)
    change(tmp_path / image.centre, np.full((8, 8), fill))
    draw_image(tmp_path, image, "Target").canvas.draw()


def test_blank_pixels_are_drawn_around(tmp_path, styled):
    night = Night(tmp_path)
    image = night.first_image("target", "image.t")
    pixels = read_sky(tmp_path, image).pixels
    pixels[:20] = np.nan
    change(tmp_path / image.centre, pixels)
    draw_image(tmp_path, image, "Target").canvas.draw()


def test_an_image_without_any_number_is_refused(tmp_path):
    night = Night(tmp_path)
    image = night.first_image("target", "image.t")
    change(tmp_path / image.centre, np.full((8, 8), np.nan))
    with pytest.raises(ValueError, match="holds no number"):
        read_sky(tmp_path, image)


def change(path, pixels):
    with np.load(path) as file:
        numbers = dict(file)
    np.savez_compressed(path, **(numbers | {"pixels": pixels}))
