"""Nights of a simulated observation: the same instrument and sky at another time, under another weather."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import ConfigurationError
from tasks.simulate.faults import apply_faults
from tasks.simulate.geometry import directions
from tasks.simulate.observatory import FIELDS
from tasks.simulate.scene import draw_scene
from tasks.simulate.schedule import FIRST_NIGHT, PRESET_NAMES, load_preset, mjd_seconds, utc_text
from tasks.simulate.streams import stream
from tasks.simulate.truth import build_truth, flag_command_lines, truth_arrays
from tasks.simulate.visibilities import chunks

LATER = date(2015, 6, 13)


@pytest.fixture(scope="module")
def tiny():
    return draw_scene(load_preset("tiny"), 7)


@pytest.fixture(scope="module")
def later():
    return draw_scene(load_preset("tiny", LATER), 7)


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_the_workshops_night_is_the_one_without_a_date(name):
    assert load_preset(name, FIRST_NIGHT) == load_preset(name)
    assert utc_text(load_preset(name).scans[0].start_s).startswith("2015/05/05")


@pytest.mark.parametrize("effect", ["atmosphere", "lateness", "interference", "noise"])
def test_the_workshops_night_keeps_the_random_numbers_it_always_had(effect):
    always = stream(7, effect, 3).random(5)
    np.testing.assert_array_equal(stream(7, effect, 3, FIRST_NIGHT).random(5), always)
    assert not np.isin(stream(7, effect, 3, LATER).random(5), always).any()


@pytest.mark.parametrize("name", PRESET_NAMES)
@pytest.mark.parametrize("first", [date(2000, 1, 1), date(2015, 4, 1), date(2016, 4, 10), date(2099, 12, 1)])
def test_a_night_begins_on_its_date(name, first):
    for night in (first + timedelta(days=number) for number in range(31)):
        start = load_preset(name, night).scans[0].start_s
        midnight = mjd_seconds(datetime(night.year, night.month, night.day, tzinfo=UTC))
        assert midnight <= start < midnight + 86400.0


def test_a_night_is_four_minutes_earlier_than_the_one_before():
    shifts = [
        load_preset("tiny", FIRST_NIGHT + timedelta(days=number)).scans[0].start_s
        - load_preset("tiny").scans[0].start_s
        for number in range(3)
    ]
    assert shifts == [0.0, 86165.0, 172329.0]


@pytest.mark.parametrize("night", [date(2014, 5, 6), LATER, date(2016, 3, 1)])
def test_sources_stand_where_they_stood(night):
    for then, now in zip(load_preset("tiny").scans, load_preset("tiny", night).scans, strict=True):
        before, after = (directions(FIELDS[scan.field], scan.integrations(8.0)[0]) for scan in (then, now))
        assert (then.number, then.field, then.n_integrations) == (now.number, now.field, now.n_integrations)
        np.testing.assert_allclose(np.degrees(after.elevation - before.elevation), 0.0, atol=0.03)


def test_another_night_has_the_same_instrument_and_other_weather(tiny, later):
    for name, value in vars(tiny.instrument).items():
        np.testing.assert_array_equal(getattr(later.instrument, name), value)
    assert not np.isin(later.screen.phase, tiny.screen.phase).any()
    assert later.late_s[1].tolist() != tiny.late_s[1].tolist()


def test_another_night_has_other_noise(tiny, later):
    first, other = (next(chunks(scene, scene.scans[0])).data for scene in (tiny, later))
    assert first.shape == other.shape
    assert not np.isin(other, first).any()


def test_the_users_bad_times_are_those_of_the_night(later):
    assert all("timerange='2015/06/14/0" in line for line in flag_command_lines(later))


def test_the_truth_tells_the_night_and_its_times(later):
    arrays = truth_arrays(later)
    assert utc_text(arrays["time"].min()).startswith("2015/06/13/20:06")
    assert build_truth(later, arrays, Path("night.ms"), ()).night == LATER


@pytest.mark.parametrize("year", [1999, 2100])
def test_a_night_too_far_off_is_refused(year):
    with pytest.raises(ConfigurationError, match="choose a year from 2000 to 2099"):
        load_preset("tiny", date(year, 1, 1))


def test_a_delay_jump_from_the_first_integration_on_is_the_same_all_night(later):
    scene, faults = apply_faults(later, ("delay_jump:antenna=Da,ns=4,at=0",))
    with_jump, without = (build_truth(each, truth_arrays(each), Path("night.ms"), ()) for each in (scene, later))
    for found, usual in zip(with_jump.gains, without.gains, strict=True):
        moved = 4.0 if found.antenna == "Da" else 0.0
        assert found.relative_delay_ns - usual.relative_delay_ns == pytest.approx(moved)
        assert found.delay_drift_ns == pytest.approx(usual.delay_drift_ns)
    assert faults[0].place == "Da"
