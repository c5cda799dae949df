"""Numbers are written as people write them, and say where they come from."""

from __future__ import annotations

import pytest

from qa.report.numbers import (
    DEGREES,
    NOT_MEASURED,
    PERCENT,
    PLAIN,
    Form,
    Numbers,
    beside_error,
    brightness,
    pointer,
    suffix,
    written,
)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.13930575, Form("mJy/beam", 1e3), "139.3"),
        (0.2918, PERCENT, "29.2"),
        (62640, PLAIN, "62\u202f640"),
        (1132.12, PLAIN, "1132"),
        (-4.06012, PLAIN, "−4.060"),
        (15.0, PLAIN, "15"),
        (0, PLAIN, "0"),
        (5.493732e-08, PLAIN, "5.494×10⁻⁸"),
        (0.03614, DEGREES, "0.0361"),
        (-0.0001, PERCENT, "−0.0"),
    ],
)
def test_a_number_is_rounded_in_its_unit(value, form, text):
    assert written(value, form) == text


@pytest.mark.parametrize(
    ("value", "unit"), [(1.2, "Jy/beam"), (0.1393, "mJy/beam"), (4e-5, "µJy/beam"), (None, "Jy/beam")]
)
def test_brightness_is_given_in_the_unit_that_suits_it(value, unit):
    assert brightness(value).unit == unit


@pytest.mark.parametrize(("unit", "text"), [("ns", "\u00a0ns"), ("deg", "°"), ("%", "%"), ("fraction", "")])
def test_units_are_written_behind_the_number(unit, text):
    assert suffix(unit) == text


def test_a_value_has_the_decimals_of_its_errors_second_digit():
    form = beside_error(0.00039, Form("Jy"))
    assert written(0.40440333, form) == "0.40440"
    assert written(0.00039, form) == "0.00039"


def test_without_an_error_a_value_has_its_own_digits():
    assert beside_error(0.0, PLAIN) == beside_error(None, PLAIN) == PLAIN


def test_a_place_is_written_as_a_json_pointer():
    assert pointer(("fluxes", "a/b~c d+e", 0)) == "/fluxes/a~1b~0c%20d+e/0"


def test_a_number_knows_its_full_value_and_place():
    number = Numbers({"images": [{"peak": 0.25}]}).at("images", 0, "peak")
    assert (number.value, number.keys, number.shown) == (0.25, ("/images/0/peak",), "0.2500")


@pytest.mark.parametrize("value", [None, True, "text"])
def test_what_is_no_number_is_a_dash(value):
    assert Numbers({"a": value}).at("a") == NOT_MEASURED


def test_a_difference_names_both_its_places():
    number = Numbers({"after": 0.19, "before": 0.01}).difference(("after",), ("before",), PERCENT)
    assert (number.shown, number.keys, number.derived) == ("18.0", ("/after", "/before"), "difference")
