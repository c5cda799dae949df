"""CASA's strings: what is a time, a channel selection, a name."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.quantities import AntennaNames, Fraction, Name, Solint, SpwChannels


def accepts(kind, value):
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("value", ["int", "inf", "30s", "0.5min", "1h", "2.5s"])
def test_solution_intervals_have_a_unit_or_a_name(value):
    assert accepts(Solint, value)


@pytest.mark.parametrize("value", [60, 60.0, "60", "s", "60 s", "-60s", "60m", "infinite", "", "60s;rm", "60s\n"])
def test_what_is_no_solution_interval_is_refused(value):
    assert not accepts(Solint, value)


@pytest.mark.parametrize("value", ["0", "0:0~6", "0:0~6;60~63,1:0~3;61~63", "3:0~4,0"])
def test_channel_selections(value):
    assert accepts(SpwChannels, value)


@pytest.mark.parametrize("value", ["", "0:", "0:6", "0:0~6,", "a:0~6", "0:0-6", "0:0~6 ,1", "*:0~6"])
def test_what_is_no_channel_selection_is_refused(value):
    assert not accepts(SpwChannels, value)


@pytest.mark.parametrize("value", ["night", "2015-05-05_3C277.1", "a+b", "0319+415"])
def test_names_that_are_folders(value):
    assert accepts(Name, value)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../x", "a/b", "/a", ".hidden", "a b", "a\n", "a\x00", "~", "x" * 101]
)
def test_names_that_would_leave_the_workspace_or_break_a_path_are_refused(value):
    assert not accepts(Name, value)


@pytest.mark.parametrize(("value", "fits"), [(0.0, True), (1.0, True), (-0.1, False), (1.1, False), ("half", False)])
def test_fractions_run_from_0_to_1(value, fits):
    assert accepts(Fraction, value) == fits


@pytest.mark.parametrize("value", ["Mk2,Pi", "Mk2, Pi", ["Mk2", "Pi"], ("Mk2", "Pi")])
def test_antenna_names_are_a_list_or_what_casa_writes(value):
    assert TypeAdapter(AntennaNames).validate_python(value) == ("Mk2", "Pi")
