"""Apply: which tables and fields each source takes, and which target data are too far from a good phase solution."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from schemas.inspection import ScanSummary
from schemas.solutions import GAIN_COLUMNS, VISIBILITY_COLUMNS, SolveRecord
from tasks.applying import apply_tables, cycle, gap_commands
from tests.unit.conftest import (
    BANDPASS2,
    DELAYS,
    FINAL,
    GAINS,
    NO_DELAYS,
    REFERENCE,
    ROLES,
    TARGET,
    chain,
    nothing,
    shortened,
)
from tests.unit.tasks.summaries import guide_summary

# MJD 57000 is 9 December 2014, 0 h UTC.
MIDNIGHT = 57000 * 86400.0


def observed(cycles=4):
    """So many cycles of 120 s phase reference and 480 s target from midnight on."""
    scans = []
    for number in range(cycles):
        start = MIDNIGHT + 600.0 * number
        for name, begin, end in ((REFERENCE, 0.0, 120.0), (TARGET, 120.0, 600.0)):
            scan = {"number": len(scans) + 1, "field": name, "rows": 10, "integration_s": 4.0}
            scans.append(ScanSummary(start_s=start + begin, stop_s=start + end, **scan))
    return guide_summary(scans=tuple(scans))


def phases(good, antenna="Mk2", spw=0, cycles=4, field=REFERENCE, hands=("R", "L"), bad_hands=()):
    """A p2 table: one solution in the middle of each phase-reference scan; `good` says which did not fail."""
    rows = [
        {
            "time_s": MIDNIGHT + 600.0 * number + 60.0,
            "scan": 2 * number + 1,
            "field": field,
            "spw": spw,
            "antenna": antenna,
            "polarisation": hand,
            "amplitude": 1.0,
            "phase_deg": 0.0,
            "snr": 10.0,
            "flagged": number not in good or hand in bad_hands,
        }
        for number in range(cycles)
        for hand in hands
    ]
    return pd.DataFrame(rows, columns=list(GAIN_COLUMNS))


def gaps(rows, summary=None, cycles=1.0):
    return gap_commands(summary or observed(), rows, TARGET, REFERENCE, cycles)


def command(start, stop, antenna="Mk2", spw=0):
    day = "2014/12/09/"
    return (
        f"mode='manual' field='{TARGET}' antenna='{antenna}' spw='{spw}' timerange='{day}{start}~{day}{stop}' "
        "reason='no_phase_solution_within_a_cycle'"
    )


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_good_solutions_flag_nothing():
    assert gaps(phases({0, 1, 2, 3})) == []


def test_one_failed_scan_in_between_leaves_its_neighbours_within_a_cycle():
    assert gaps(phases({0, 2, 3})) == []


def test_two_failed_scans_flag_what_is_farther_than_a_cycle_from_either_side():
    # Good at 60 s and 1860 s, cycle 600 s: 660 s to 1260 s is too far, and holds the target's scan of 720 s to 1200 s.
    assert gaps(phases({0, 3})) == [command("00:12:00.000", "00:20:00.000")]


def test_the_end_of_the_night_without_solutions_is_flagged_from_a_cycle_after_the_last():
    assert gaps(phases({0})) == [
        command("00:12:00.000", "00:20:00.000"),
        command("00:22:00.000", "00:30:00.000"),
        command("00:32:00.000", "00:40:00.000"),
    ]


def test_the_start_of_the_night_without_solutions_is_flagged_until_a_cycle_before_the_first():
    assert gaps(phases({3})) == [command("00:02:00.000", "00:10:00.000"), command("00:12:00.000", "00:20:00.000")]


def test_a_scan_is_flagged_in_part_where_the_distance_is_passed_within_it():
    assert gaps(phases({0}), cycles=0.5)[0] == command("00:06:00.000", "00:10:00.000")


def test_a_longer_distance_allowed_flags_less():
    assert gaps(phases({0}), cycles=2.0) == [
        command("00:22:00.000", "00:30:00.000"),
        command("00:32:00.000", "00:40:00.000"),
    ]


def test_only_the_antenna_and_spectral_window_that_failed_are_flagged():
    rows = pd.concat([phases({0, 1, 2, 3}, "Kn"), phases({0, 1, 2, 3}, "De", spw=1), phases({2, 3}, "De", spw=2)])
    assert gaps(rows) == [command("00:02:00.000", "00:10:00.000", "De", 2)]


def test_one_good_hand_is_enough():
    assert gaps(phases({0, 1, 2, 3}, bad_hands=("L",))) == []


def test_an_antenna_without_any_solution_is_left_to_applycal():
    assert gaps(phases(set())) == []


def test_solutions_of_other_calibrators_do_not_count():
    rows = pd.concat([phases({2, 3}), phases({0, 1, 2, 3}, field="0319+415")])
    assert gaps(rows) == [command("00:02:00.000", "00:10:00.000")]


def test_a_single_scan_of_the_phase_reference_has_no_cycle():
    summary = observed(cycles=1)
    assert cycle(summary, REFERENCE) is None
    assert gaps(phases({0}, cycles=1), summary) == []


def test_the_cycle_is_the_median_spacing_so_that_a_pause_does_not_stretch_it():
    summary = observed()
    late = [scan.evolve(start_s=scan.start_s + 7200, stop_s=scan.stop_s + 7200) for scan in summary.scans[6:]]
    assert cycle(summary.evolve(scans=(*summary.scans[:6], *late)), REFERENCE) == 600.0


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def applied(casa):
    casa.returns["tasks.tables_casa:read_corrected"] = nothing(VISIBILITY_COLUMNS)
    return casa


def with_phases(calibration, rows):
    calibration.workspace.save_frame("calsources.p2", rows)
    calibration.workspace.save_frame("calsources.p1", rows)
    return calibration


def applycal(field, *tables):
    call = {"vis": "night.ms", "field": field, "applymode": "calflag", "calwt": False, "flagbackup": False}
    return call | chain(*tables)


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_each_source_takes_the_tables_and_fields_of_the_guide(make_calibration, applied, profile, delays):
    calibration = with_phases(make_calibration(profile, summary=observed()), phases({0, 1, 2, 3}))
    apply_tables.fn(calibration, delays, BANDPASS2, GAINS, FINAL)

    def tables(field, phase):
        k = [("all.K", field)] if delays.tables else []
        return [*k, ("bpcals.B2", ""), (f"calsources.{phase}", field), ("calsources.ap2", field)]

    assert [shortened(call) for call in applied.asked("applycal")] == [
        *(applycal(field, *tables(field, "p1")) for field in (REFERENCE, "1331+305", "0319+415", "1407+284")),
        applycal(TARGET, *tables(REFERENCE, "p2")),
    ]


def test_each_target_takes_its_own_phase_reference(make_calibration, applied):
    roles = ROLES.evolve(phase_reference={TARGET: REFERENCE, "other": "1407+284"})
    calibration = with_phases(make_calibration(roles=roles), phases({0, 1, 2, 3}))
    apply_tables.fn(calibration, NO_DELAYS, BANDPASS2, GAINS, FINAL)
    targets = {call["field"]: call["gainfield"] for call in applied.asked("applycal")[-2:]}
    assert targets == {TARGET: ["", REFERENCE, REFERENCE], "other": ["", "1407+284", "1407+284"]}


def test_target_data_far_from_a_good_solution_are_flagged_with_the_reason(make_calibration, applied):
    calibration = with_phases(make_calibration(summary=observed()), phases({2, 3}))
    record = apply_tables.fn(calibration, NO_DELAYS, BANDPASS2, GAINS, FINAL)
    expected = command("00:02:00.000", "00:10:00.000")
    asked = {"vis": calibration.vis, "mode": "list", "inpfile": [expected], "flagbackup": False}
    assert applied.asked("flagdata") == [asked]
    assert record.gaps == (expected,)


def test_good_solutions_call_no_flagdata(make_calibration, applied):
    calibration = with_phases(make_calibration(summary=observed()), phases({0, 1, 2, 3}))
    assert apply_tables.fn(calibration, NO_DELAYS, BANDPASS2, GAINS, FINAL).gaps == ()
    assert applied.asked("flagdata") == []


def test_flagging_of_gaps_can_be_switched_off(make_calibration, applied):
    asked = {"apply.max_gap_cycles": None}
    calibration = with_phases(make_calibration(summary=observed(), overrides=asked), phases({3}))
    assert apply_tables.fn(calibration, NO_DELAYS, BANDPASS2, GAINS, FINAL).gaps == ()


def test_flags_are_counted_before_and_after_and_saved_last(make_calibration, applied):
    calibration = with_phases(make_calibration(summary=observed()), phases({2, 3}))
    record = apply_tables.fn(calibration, NO_DELAYS, BANDPASS2, GAINS, FINAL)
    assert (record.before, record.after) == (Path("records/apply.before.csv"), Path("records/apply.after.csv"))
    order = [name.rpartition(":")[2] for name, asked in applied.calls if asked.get("mode") != "restore"]
    assert order[order.index("count_flags") :] == [
        "count_flags",
        *["applycal"] * 5,
        "flagdata",
        "flagmanager",
        "read_corrected",
        "count_flags",
    ]
    assert applied.asked("flagmanager")[-1]["versionname"] == "applied"


def test_without_final_gains_the_first_ones_are_applied(make_calibration, applied):
    calibration = with_phases(make_calibration(summary=observed()), phases({0, 1, 2, 3}))
    apply_tables.fn(calibration, DELAYS, BANDPASS2, GAINS, SolveRecord(skipped="switched off"))
    for call in applied.asked("applycal"):
        assert [Path(table).name for table in call["gaintable"]][-2:] == ["calsources.p1", "calsources.ap1"]


def test_the_step_can_be_switched_off(make_calibration, casa):
    calibration = make_calibration(overrides={"apply.enabled": False})
    record = apply_tables.fn(calibration, DELAYS, BANDPASS2, GAINS, FINAL)
    assert record.skipped == "switched off (apply.enabled)"
    assert casa.asked("applycal") == []
