"""Axes, colours, names and palette: what every plot stands on."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from qa.plots.scales import decades, fixed, hours, linear, stretches
from qa.plots.style import (
    OKABE_ITO,
    STOP,
    WARN,
    clock,
    figure,
    hours_label,
    midnight,
    png,
    series_styles,
    shown,
    slugs,
    spread_colours,
    write,
    written,
)


def test_a_scale_holds_its_values_and_what_it_has_to_include():
    scale = linear([1.0, 3.0, np.nan], "x", include=(5.0,))
    assert scale.low < 1.0
    assert scale.high > 5.0
    assert scale.place([scale.low, scale.high]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0], [3.0], [1e-30], [-1e20, 1e20]])
def test_every_scale_has_a_width_and_finite_ticks(values):
    scale = linear(values, "x")
    assert scale.high > scale.low
    assert np.isfinite(scale.ticks).all()


@pytest.mark.parametrize(
    ("ends", "texts"),
    [
        ((0.0, 10.0), ["0.0", "2.5", "5.0", "7.5", "10.0"]),
        ((-4.0, 4.0), ["−4", "−2", "0", "2", "4"]),
        ((1.4121, 1.4139), ["1.4125", "1.4130", "1.4135"]),
    ],
)
def test_ticks_are_written_with_the_digits_that_tell_them_apart(ends, texts):
    scale = fixed(*ends, "x")
    assert [scale.text(tick) for tick in scale.ticks] == texts


@pytest.mark.parametrize("ends", [(1.0, 10000.0), (180.0, 420.0), (300.0, 310.0), (5.0, 5.0)])
def test_an_axis_of_logarithms_has_ticks_of_round_numbers(ends):
    scale = decades(np.log10(ends), "S/N")
    assert 1 <= len(scale.ticks) <= 8
    for tick in scale.ticks:
        assert float(scale.text(tick).replace("−", "-")) == pytest.approx(10.0**tick, rel=0.01)


def test_times_without_a_long_gap_lie_on_an_unbroken_axis():
    times = np.arange(20.0, 26.0, 0.25)
    assert len(stretches(times)) == 1
    scale = hours(times, 0.0, 2.6)
    assert scale.gaps == ()
    assert [scale.text(tick) for tick in scale.ticks] == ["22:00", "00:00"]


def test_an_axis_of_times_is_broken_where_nothing_was_observed_for_long():
    times = np.concatenate([np.arange(22.0, 24.0, 0.1), np.arange(31.5, 31.8, 0.1)])
    scale = hours(times, 0.0, 2.6)
    assert len(scale.gaps) == 1
    start, stop = scale.gaps[0]
    early, late = scale.place(times[times < 30.0]), scale.place(times[times > 30.0])
    assert early.max() < start < stop < late.min()
    # Two hours get far more room than twenty minutes and the seven hours between.
    assert np.ptp(early) > 0.7
    assert np.all((scale.place(times) >= 0.0) & (scale.place(times) <= 1.0))


def test_one_time_alone_has_an_axis():
    scale = hours([22.5], 0.0, 2.0)
    assert scale.place(22.5) == pytest.approx(0.5, abs=0.05)
    assert scale.ticks


@pytest.mark.parametrize(("hour", "text"), [(0.0, "00:00"), (23.5, "23:30"), (25.25, "01:15"), (23.9999, "00:00")])
def test_times_are_written_as_times_of_day(hour, text):
    assert clock(hour) == text


def test_the_day_of_an_axis_is_that_of_the_first_time():
    # MJD 57147 is 5 May 2015.
    day = midnight(np.asarray([57147.9 * 86400.0, 57148.2 * 86400.0, np.nan]))
    assert day == 57147.0 * 86400.0
    assert "2015-05-05" in hours_label(day)


def test_no_times_begin_at_no_day():
    assert midnight(np.asarray([np.nan])) == 0.0


def test_every_spw_and_hand_looks_different():
    styles = series_styles([0, 1, 2, 3], ["R", "L"])
    assert len({(style.colour, style.marker) for style in styles.values()}) == 8
    assert styles[2, "R"].colour == styles[2, "L"].colour


def test_with_one_spw_the_hands_have_the_colours():
    styles = series_styles([0], ["R", "L"])
    assert styles[0, "R"].colour != styles[0, "L"].colour


@pytest.mark.parametrize("count", [1, 7, 8, 64])
def test_there_are_as_many_colours_as_asked(count):
    assert len(set(spread_colours(count))) == count


def luminance(colour):
    channels = np.asarray(mpl.colors.to_rgb(colour))
    parts = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(parts @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", [WARN, STOP])
def test_text_in_warning_colours_can_be_read_on_white(colour):
    # WCAG 2.2, success criterion 1.4.3: 4.5 to 1.
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_the_palette_keeps_every_ink(styled):
    made = figure(1.0)
    inks = [*OKABE_ITO, WARN, STOP]
    for place, ink in enumerate(inks):
        made.add_artist(mpl.patches.Rectangle((place / len(inks), 0.0), 1 / len(inks), 1.0, fc=ink, ec="none"))
    with Image.open(io.BytesIO(png(made))) as picture:
        row = np.asarray(picture.convert("RGB"))[60]
    for place, ink in enumerate(inks):
        found = row[int((place + 0.5) * len(row) / len(inks))] / 255.0
        assert found == pytest.approx(mpl.colors.to_rgb(ink), abs=0.01), ink


def test_white_stays_white(styled):
    with Image.open(io.BytesIO(png(figure(1.0)))) as picture:
        assert picture.convert("RGB").getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1252+5634", "1252+5634"),
        ("a\x00b\n\tc", "abc"),
        ("日本", "??"),
        ("$x_1$", "$x_1$"),
        ("x" * 40, "x" * 27 + "…"),
        ("", ""),
    ],
)
def test_names_are_shown_as_they_are_as_far_as_they_can_be_drawn(name, text):
    assert shown(name) == text


def test_dollars_and_backslashes_are_drawn_not_interpreted(styled):
    made = figure(1.0)
    write(made, 1.0, 0.5, "$x_1$ \\frac{1}{0} ${")
    assert png(made).startswith(b"\x89PNG")


def test_each_name_gets_a_file_name_of_its_own():
    found = slugs(["A b", "a_b", "../..", "", "日本", "3C286"])
    assert list(found.values()) == ["a_b", "a_b_2", "field", "field_2", "field_3", "3c286"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (2e-10, "0"), (-1.5, "−1.5"), (1234.0, "1234"), (np.nan, "–"), (np.inf, "–"), (1e9, "1e+09")],
)
def test_numbers_are_short(value, text):
    assert written(value) == text
