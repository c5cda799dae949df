"""Gain metrics: solve counts against the table, phases inside scans, amplitudes."""

import numpy as np
import pandas as pd
import pytest

from qa.metrics.amplitudes import amplitude_outliers, late_on_source, scale_between_calibrators
from qa.metrics.gains import attempted_fraction, phase_tracking, scan_phase, succeeded_fraction
from tests.unit.qa.solution_tables import (
    ANTENNAS,
    FIELDS,
    INTERVALS,
    PLACES,
    SCANS,
    context,
    gain_rows,
    of,
    statistics,
)

KN = ("Kn", 0, "R")


@pytest.fixture
def rows() -> pd.DataFrame:
    return gain_rows()


def at(measured, place=KN) -> float:
    return measured.frame.set_index(["antenna", "spw", "polarisation"])["observed"].loc[place]


def here(rows: pd.DataFrame) -> pd.Series:
    return of(rows, KN[0]) & rows["spw"].eq(KN[1]) & rows["polarisation"].eq(KN[2])


def first_intervals(rows: pd.DataFrame) -> pd.Series:
    return rows["time_s"].eq(rows.groupby("scan")["time_s"].transform("min"))


def test_succeeded_is_of_the_attempted_and_not_of_the_expected(rows: pd.DataFrame) -> None:
    late = first_intervals(rows) & here(rows)
    rows.loc[late, "flagged"] = True
    counts = statistics(rows)
    counts.loc[here(counts), "attempted"] -= late.sum()
    assert at(succeeded_fraction(rows, counts, context())) == 1.0
    assert at(attempted_fraction(rows, counts, context())) == pytest.approx(1 - 1 / INTERVALS)


def test_the_table_overrules_statistics_that_claim_more(rows: pd.DataFrame) -> None:
    counts = statistics(rows)
    rows.loc[here(rows) & rows["scan"].eq(1), "flagged"] = True
    assert at(succeeded_fraction(rows, counts, context())) == pytest.approx(0.75)


def test_the_statistics_overrule_a_table_that_shows_more(rows: pd.DataFrame) -> None:
    counts = statistics(rows)
    counts.loc[here(counts), "succeeded"] //= 2
    assert at(succeeded_fraction(rows, counts, context())) == pytest.approx(0.5)


def test_the_spw_level_of_the_statistics_is_not_judged(rows: pd.DataFrame) -> None:
    rows["flagged"] = True
    counts = statistics(rows)
    assert counts.loc[counts["antenna"].eq(""), "succeeded"].gt(0).all()
    assert succeeded_fraction(rows, counts, context()).frame["observed"].eq(0).all()


def test_an_antenna_expected_but_never_attempted_has_no_success_and_is_lost(rows: pd.DataFrame) -> None:
    counts = statistics(rows)
    counts.loc[here(counts), ["attempted", "succeeded"]] = 0
    assert np.isnan(at(succeeded_fraction(rows, counts, context())))
    assert at(attempted_fraction(rows, counts, context())) == 0.0


def test_a_place_where_an_antenna_with_data_elsewhere_had_none_is_left_out(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "flagged"] = True
    counts = statistics(rows)
    counts.loc[here(counts), ["expected", "attempted", "succeeded"]] = 0
    measured = succeeded_fraction(rows, counts, context())
    assert measured.places == len(measured.frame) == PLACES - 1
    assert ("antenna Kn, spw 0, R", "antenna without any data") in measured.left_out


def test_an_antenna_expected_nowhere_although_it_has_data_is_kept_and_lost(rows: pd.DataFrame) -> None:
    counts = statistics(rows)
    counts.loc[of(counts, "Kn"), ["expected", "attempted", "succeeded"]] = 0
    measured = succeeded_fraction(rows, counts, context())
    assert measured.places == PLACES
    assert np.isnan(at(measured))


def test_noise_steps_by_104_degrees() -> None:
    rows = gain_rows(intervals=200)
    random = np.random.default_rng(9)
    rows["phase_deg"] = random.uniform(-180.0, 180.0, len(rows))
    observed = phase_tracking(rows, statistics(rows), context()).frame["observed"]
    assert observed.mean() == pytest.approx(180 / np.sqrt(3), rel=0.02)


def test_a_step_across_the_turn_is_small(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "phase_deg"] = np.tile([179.0, -179.0], 4 * len(SCANS))
    assert at(phase_tracking(rows, statistics(rows), context())) == pytest.approx(2.0)


def test_jumps_between_scans_are_not_steps(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "phase_deg"] = 90.0 * rows["scan"] - 180.0
    assert at(phase_tracking(rows, statistics(rows), context())) == 0.0


def test_flagged_phases_are_not_steps(rows: pd.DataFrame) -> None:
    wild = here(rows) & first_intervals(rows)
    rows.loc[here(rows), "phase_deg"] = 10.0
    rows.loc[wild, ["phase_deg", "flagged"]] = [170.0, True]
    assert at(phase_tracking(rows, statistics(rows), context())) == 0.0


@pytest.mark.parametrize("metric", [phase_tracking, lambda rows, _, known: late_on_source(rows, known)])
def test_two_intervals_a_scan_do_not_say_how_it_goes_on(metric) -> None:
    rows = gain_rows(intervals=2)
    assert metric(rows, statistics(rows), context()).not_applicable == "one solution per scan"


@pytest.mark.parametrize("metric", [phase_tracking, lambda rows, _, known: late_on_source(rows, known)])
def test_flags_do_not_turn_a_table_into_one_of_short_scans(metric, rows: pd.DataFrame) -> None:
    rows["flagged"] = True
    measured = metric(rows, statistics(rows), context())
    assert measured.not_applicable is None
    assert measured.frame["observed"].isna().all()


def test_an_antenna_with_two_good_solutions_a_scan_is_left_out_of_tracking(rows: pd.DataFrame) -> None:
    order = rows.groupby(["antenna", "spw", "polarisation", "scan"]).cumcount()
    rows.loc[here(rows) & order.ge(2), "flagged"] = True
    measured = phase_tracking(rows, statistics(rows), context())
    assert ("antenna Kn, spw 0, R", "one solution per scan") in measured.left_out
    assert measured.places == len(measured.frame) == PLACES - 1


def p2_of(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["antenna", "spw", "polarisation", "field", "scan"]
    return rows.groupby(keys, as_index=False).agg(
        time_s=("time_s", "mean"), phase_deg=("phase_deg", "mean"), amplitude=("amplitude", "mean")
    ).assign(flagged=False)  # fmt: skip


def test_p2_is_compared_with_the_circular_mean_of_p1(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "phase_deg"] = np.tile([170.0, -150.0], 4 * len(SCANS))
    p2 = p2_of(rows)
    p2.loc[here(p2), "phase_deg"] = -178.0
    assert at(scan_phase(p2, statistics(p2), context(), rows)) == pytest.approx(8.0)


def test_p2_of_another_scan_is_not_compared(rows: pd.DataFrame) -> None:
    p2 = p2_of(rows)
    only_first = rows[rows["scan"].eq(1)]
    p2.loc[here(p2) & p2["scan"].ne(1), "phase_deg"] += 90.0
    assert at(scan_phase(p2, statistics(p2), context(), only_first)) == pytest.approx(0.0, abs=0.1)


def test_without_p1_the_comparison_does_not_apply(rows: pd.DataFrame) -> None:
    assert scan_phase(rows, statistics(rows), context(), None).not_applicable == "stage skipped"


def test_outliers_are_counted_on_both_sides_of_the_factor(rows: pd.DataFrame) -> None:
    place = rows.index[here(rows)]
    rows.loc[place[:2], "amplitude"] *= 1.6
    rows.loc[place[2:4], "amplitude"] /= 1.6
    rows.loc[place[4:6], "amplitude"] *= 1.4
    assert at(amplitude_outliers(rows, statistics(rows), context())) == pytest.approx(4 / 32)


def test_fields_of_different_brightness_are_not_outliers(rows: pd.DataFrame) -> None:
    rows.loc[rows["field"].eq("1407+284"), "amplitude"] *= 4.0
    assert amplitude_outliers(rows, statistics(rows), context()).frame["observed"].eq(0).all()


def test_a_scan_that_starts_low_is_late_on_source(rows: pd.DataFrame) -> None:
    rows.loc[first_intervals(rows) & of(rows, "Kn") & rows["scan"].eq(2), "amplitude"] *= 0.5
    frame = late_on_source(rows, context()).frame.set_index("antenna")["observed"]
    assert frame["Kn"] == pytest.approx(1 / len(SCANS))
    assert frame.drop("Kn").eq(0).all()


def test_a_low_start_within_the_scatter_is_not_late(rows: pd.DataFrame) -> None:
    rows["amplitude"] = 0.03 * np.random.default_rng(3).uniform(0.4, 1.6, len(rows))
    rows.loc[first_intervals(rows), "amplitude"] = 0.03 * 0.75
    assert late_on_source(rows, context()).frame["observed"].eq(0).all()


def test_one_spw_that_starts_low_is_not_a_slewing_antenna(rows: pd.DataFrame) -> None:
    rows.loc[first_intervals(rows) & here(rows), "amplitude"] *= 0.5
    assert late_on_source(rows, context()).frame["observed"].eq(0).all()


def test_the_gain_scale_is_the_relative_difference_between_calibrators(rows: pd.DataFrame) -> None:
    rows["amplitude"] = 0.03
    rows.loc[here(rows) & rows["field"].eq("1407+284"), "amplitude"] = 0.05
    assert at(scale_between_calibrators(rows, FIELDS, context())) == pytest.approx(2 / 3)


def test_an_antenna_with_one_calibrator_left_has_no_gain_scale(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["field"].eq("1407+284"), "flagged"] = True
    assert np.isnan(at(scale_between_calibrators(rows, FIELDS, context())))


def test_each_antenna_with_data_has_its_place(rows: pd.DataFrame) -> None:
    measured = late_on_source(rows[~of(rows, "Cm")], context())
    assert list(measured.frame["antenna"]) == list(ANTENNAS)
    assert measured.places == len(ANTENNAS)
