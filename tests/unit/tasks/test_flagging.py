"""Flagging of what is known to be bad: what flagdata is asked, and end channels scaled to any number."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks.flagging
from schemas.parameters import FlagParams
from schemas.profiles import PROFILES
from schemas.results import InspectRecord
from tasks.flagging import end_channels, flag_bad_times, flag_end_channels, flag_known_bad, flag_late_on_source
from tests.unit.conftest import ROLES
from tests.unit.tasks.summaries import guide_summary

GUIDE = FlagParams().end_channels
FOUR_OF_16 = "0:0~1;15~15,1:0~0;15~15,2:0~0;15~15,3:0~1"


def scaled(channels, **asked):
    return end_channels(FlagParams(**asked), dict.fromkeys(range(4), channels))


# --- end channels -----------------------------------------------------------------------------------------------------


def test_64_channels_take_the_guides_list_as_it_is():
    assert scaled(64) == GUIDE


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (16, FOUR_OF_16),
        (63, "0:0~6;59~62,1:0~3;60~62,2:0~3;60~62,3:0~4"),
        (128, "0:0~13;120~127,1:0~7;122~127,2:0~7;122~127,3:0~9"),
    ],
)
def test_other_numbers_of_channels_are_scaled_so_that_no_bad_one_escapes(channels, expected):
    assert scaled(channels) == expected


@pytest.mark.parametrize("channels", range(1, 257, 5))
def test_scaling_is_that_of_the_guide_in_whole_numbers(channels):
    for low, high in ((0, 6), (60, 63), (61, 63)):
        found = scaled(channels, end_channels=f"0:{low}~{high}")
        first = low * channels // 64
        last = -((-(high + 1) * channels) // 64) - 1
        assert found == f"0:{first}~{last}"


def test_rounding_of_floating_point_does_not_move_a_channel():
    # 6 of 29 begins at 6 x 7/29 = 1.45 and its neighbour ends at exactly 29 x 7/29 = 7.
    assert scaled(7, end_channels="0:6~28", end_channels_of=29) == "0:1~6"
    assert scaled(7, end_channels="0:0~28", end_channels_of=29) == "0:0~6"


def test_spectral_windows_that_are_not_there_are_left_out():
    assert end_channels(FlagParams(), {0: 64}) == "0:0~6;60~63"


def test_spectral_windows_may_differ_in_channels():
    assert end_channels(FlagParams(), {0: 64, 3: 16}) == "0:0~6;60~63,3:0~1"


def test_a_spectral_window_without_channels_is_flagged_whole():
    assert end_channels(FlagParams(end_channels="1,2:0~3"), {1: 32, 2: 64}) == "1:0~31,2:0~3"


@pytest.mark.parametrize(
    ("channels", "expected"), [(63, "0:0~2;60~62"), (64, "0:0~2;61~63"), (16, "0:0~0;15~15"), (8, "")]
)
def test_a_fraction_is_taken_at_both_ends(channels, expected):
    asked = PROFILES["vla"].flag
    assert (asked.end_channels, asked.end_channels_fraction) == (None, 0.05)
    assert end_channels(asked, {0: channels}) == expected


def test_list_and_fraction_add_up():
    assert scaled(64, end_channels="0:30~31", end_channels_fraction=0.5).startswith("0:30~31;0~31;32~63,1:0~31")


# --- the acts ---------------------------------------------------------------------------------------------------------

BEFORE = Path("records/flags.ingested.csv")


def flagged(casa):
    return [{key: value for key, value in call.items() if key != "vis"} for call in casa.asked("flagdata")]


@pytest.mark.parametrize(("profile", "seconds"), [("emerlin", 40.0), ("vla", 10.0)])
def test_the_start_of_scans_and_autocorrelations_are_flagged_on_all_fields(make_calibration, casa, profile, seconds):
    act = flag_late_on_source.fn(make_calibration(profile), BEFORE)
    assert flagged(casa) == [
        {"flagbackup": False, "mode": "quack", "quackinterval": seconds, "quackmode": "beg"},
        {"flagbackup": False, "mode": "manual", "autocorr": True},
    ]
    assert (act.before, act.after, act.judged) == (BEFORE, Path("records/flags.late_on_source.csv"), True)
    assert act.asked == f"the first {seconds:g} s of each scan and autocorrelations"


def test_flags_are_saved_before_each_act_and_counted_after_it(calibration, casa):
    flag_late_on_source.fn(calibration, BEFORE)
    assert [name for name, _ in casa.calls] == [
        "flagmanager",
        "flagdata",
        "flagdata",
        "tasks.inspection_casa:count_flags",
    ]
    assert casa.asked("flagmanager")[0]["versionname"] == "pre_quack"


def test_autocorrelations_alone_can_be_flagged(make_calibration, casa):
    act = flag_late_on_source.fn(make_calibration(overrides={"flag.late_on_source_s": 0}), BEFORE)
    assert flagged(casa) == [{"flagbackup": False, "mode": "manual", "autocorr": True}]
    assert act.asked == "autocorrelations"


def test_with_neither_nothing_is_saved_or_flagged(make_calibration, casa):
    off = {"flag.late_on_source_s": 0, "flag.autocorrelations": False}
    assert flag_late_on_source.fn(make_calibration(overrides=off), BEFORE) is None
    assert casa.calls == []


def test_end_channels_are_flagged_in_one_call(calibration, casa):
    act = flag_end_channels.fn(calibration, BEFORE)
    assert flagged(casa) == [{"flagbackup": False, "mode": "manual", "spw": GUIDE}]
    assert act.saved_as == "pre_endchans"


def test_without_end_channels_the_act_is_left_out(make_calibration, casa):
    assert flag_end_channels.fn(make_calibration(overrides={"flag.end_channels": None}), BEFORE) is None
    assert casa.calls == []


def test_the_users_list_is_flagged_as_checked_and_not_judged(make_calibration, casa, tmp_path):
    file = tmp_path / "bad.txt"
    file.write_text("# storm\nmode='manual' antenna='De'\n\nmode='manual' antenna='Kn' spw='1'\n")
    act = flag_bad_times.fn(make_calibration(overrides={"flag.bad_times": file}), BEFORE)
    commands = ["mode='manual' antenna='De'", "mode='manual' antenna='Kn' spw='1'"]
    assert flagged(casa) == [{"flagbackup": False, "mode": "list", "inpfile": commands}]
    assert (act.saved_as, act.judged, act.asked) == ("pre_timeflagging", False, "2 commands of bad.txt")


def test_without_a_list_the_act_is_left_out(calibration, casa):
    assert flag_bad_times.fn(calibration, BEFORE) is None
    assert casa.calls == []


def test_each_act_counts_from_where_the_one_before_it_ended(make_calibration, casa, tmp_path, monkeypatch):
    for act in (flag_late_on_source, flag_end_channels, flag_bad_times):
        monkeypatch.setattr(tasks.flagging, act.fn.__name__, act.fn)
    file = tmp_path / "bad.txt"
    file.write_text("mode='manual' antenna='De'\n")
    inspected = InspectRecord(
        summary=guide_summary(), roles=ROLES, refant=("Mk2",), listing=Path("logs/l.txt"), counts=BEFORE
    )
    record = flag_known_bad.fn(make_calibration(overrides={"flag.bad_times": file}), inspected)
    after = [Path(f"records/flags.{name}.csv") for name in ("late_on_source", "end_channels", "bad_times")]
    assert [act.after for act in record.acts] == after
    assert [act.before for act in record.acts] == [BEFORE, *after[:2]]
    saved = [call["versionname"] for call in casa.asked("flagmanager") if call["mode"] == "save"]
    assert saved == ["pre_quack", "pre_endchans", "pre_timeflagging", "flagged"]
