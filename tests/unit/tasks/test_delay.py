"""The delay solve: what gaincal is asked, and when it is left out."""

from __future__ import annotations

import pytest

from schemas.errors import SolveError
from tasks.delay import solve_delays
from tests.unit.conftest import shortened
from tests.unit.tasks.summaries import guide_summary, spw

CALIBRATORS = "1302+5748,1331+305,0319+415,1407+284"
ASKED = {
    "vis": "night.ms",
    "caltable": ".all.K.partial",
    "field": CALIBRATORS,
    "gaintype": "K",
    "solint": "600s",
    "refant": "Mk2,Pi",
    "minblperant": 2,
    "minsnr": 2.0,
    "corrdepflags": True,
    "solnorm": False,
}


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
def test_delays_are_solved_on_all_calibrators_as_the_guide_does(make_calibration, casa, profile):
    record = solve_delays.fn(make_calibration(profile))
    assert [shortened(call) for call in casa.asked("gaincal")] == [ASKED]
    assert [(table.name, table.kind) for table in record.tables] == [("all.K", "K")]


def test_the_table_appears_under_its_final_name_only(calibration, casa):
    record = solve_delays.fn(calibration)
    assert [path.name for path in calibration.workspace.caltables.iterdir()] == ["all.K"]
    assert (calibration.workspace.root / record.tables[0].caltable / "table.dat").exists()


def test_a_half_written_table_of_a_killed_run_is_not_solved_into(calibration, casa):
    left = calibration.workspace.caltables / ".all.K.partial"
    left.mkdir()
    (left / "old").touch()
    solve_delays.fn(calibration)
    assert not (calibration.workspace.caltables / "all.K" / "old").exists()


def test_narrow_spectral_windows_skip_the_solve_with_the_reason(make_calibration, casa):
    narrow = guide_summary(spws=(spw(0, channels=63, width_hz=24414.0),))
    record = solve_delays.fn(make_calibration(summary=narrow))
    assert record.tables == ()
    assert record.skipped.startswith("each spw is at most 1.54 MHz wide, under the 8 MHz")
    assert casa.asked("gaincal") == []


def test_one_spectral_window_wide_enough_is_enough(make_calibration, casa):
    wide = guide_summary(spws=(spw(0, width_hz=1e4), spw(1, channels=80, width_hz=1e5)))
    assert solve_delays.fn(make_calibration(summary=wide)).tables


def test_the_solve_can_be_switched_off(make_calibration, casa):
    record = solve_delays.fn(make_calibration(overrides={"delay.enabled": False}))
    assert record.skipped == "switched off (delay.enabled)"
    assert casa.asked("gaincal") == []


def test_parameters_of_the_person_reach_the_solve(make_calibration, casa):
    changes = {"delay.solint": "120s", "delay.minsnr": 4.0, "delay.minblperant": 3, "delay.corrdepflags": False}
    solve_delays.fn(make_calibration(overrides=changes))
    asked = casa.asked("gaincal")[0]
    assert [asked[name] for name in ("solint", "minsnr", "minblperant", "corrdepflags")] == ["120s", 4.0, 3, False]


def test_a_solve_without_a_table_names_its_fields_and_the_reference_antenna(calibration, casa):
    casa.returns["gaincal"] = {"solvestats": {}}
    with pytest.raises(SolveError, match=r"all\.K: CASA made no table for 1302\+5748, 1331\+305.*antenna Mk2"):
        solve_delays.fn(calibration)
