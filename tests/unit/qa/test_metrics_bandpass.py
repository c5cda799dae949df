"""Bandpass metrics: a known defect in, the right number out."""

import numpy as np
import pandas as pd
import pytest

from qa.metrics.bandpass import amplitude_range, bandpass_change, flagged_channels, phase_scatter
from tests.unit.qa.solution_tables import CHANNELS, PLACES, bandpass_rows, bandpass_statistics, context, of

KN = ("Kn", 1, "L")
WITH_DATA = CHANNELS - 4


@pytest.fixture
def rows() -> pd.DataFrame:
    return bandpass_rows()


def at(measured, place=KN) -> float:
    return measured.frame.set_index(["antenna", "spw", "polarisation"])["observed"].loc[place]


def here(rows: pd.DataFrame) -> pd.Series:
    return of(rows, KN[0]) & rows["spw"].eq(KN[1]) & rows["polarisation"].eq(KN[2])


def measure(metric, rows: pd.DataFrame):
    return metric(rows, bandpass_statistics(), context())


def test_channels_flagged_before_the_solve_are_not_its_failure(rows: pd.DataFrame) -> None:
    assert measure(flagged_channels, rows).frame["observed"].eq(0).all()


def test_failed_channels_are_a_fraction_of_those_with_data(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["channel"].between(10, 16), "flagged"] = True
    assert at(measure(flagged_channels, rows)) == pytest.approx(7 / WITH_DATA)


def test_an_antenna_without_unflagged_data_has_no_fraction(rows: pd.DataFrame) -> None:
    rows.loc[of(rows, "Kn"), ["flagged", "has_data"]] = [True, False]
    assert np.isnan(at(measure(flagged_channels, rows)))


def test_amplitudes_out_of_range_are_counted_on_both_sides(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["channel"].eq(8), "amplitude"] *= 6.0
    rows.loc[here(rows) & rows["channel"].eq(9), "amplitude"] /= 6.0
    rows.loc[here(rows) & rows["channel"].eq(11), "amplitude"] *= 4.0
    assert at(measure(amplitude_range, rows)) == pytest.approx(2 / WITH_DATA)


def test_a_smooth_slope_is_not_scatter(rows: pd.DataFrame) -> None:
    rows["phase_deg"] = (30.0 * rows["channel"] + 180.0) % 360.0 - 180.0
    assert measure(phase_scatter, rows).frame["observed"].max() == pytest.approx(0.0, abs=1e-6)


def test_scatter_is_that_of_one_channel(rows: pd.DataFrame) -> None:
    rows["phase_deg"] = np.random.default_rng(2).normal(0.0, 12.0, len(rows))
    assert measure(phase_scatter, rows).frame["observed"].mean() == pytest.approx(12.0, rel=0.05)


def test_channels_across_a_gap_are_not_neighbours(rows: pd.DataFrame) -> None:
    rows["phase_deg"] = np.where(rows["channel"] < 16, 0.0, 120.0)
    rows.loc[rows["channel"].isin([15, 16]), "flagged"] = True
    assert measure(phase_scatter, rows).frame["observed"].max() == pytest.approx(0.0, abs=1e-6)


def changed(rows: pd.DataFrame, first: pd.DataFrame):
    return bandpass_change(rows, bandpass_statistics(), context(), first)


def test_scale_and_straight_lines_are_no_change(rows: pd.DataFrame) -> None:
    second = rows.assign(amplitude=rows["amplitude"] * 0.03 * (1 + 0.01 * rows["channel"]))
    second["phase_deg"] += 25.0 * second["channel"] + 100.0
    assert changed(second, rows).frame["observed"].max() == pytest.approx(0.0, abs=1e-9)


def test_a_ripple_in_amplitude_is_a_change_of_its_rms(rows: pd.DataFrame) -> None:
    ripple = 1 + 0.1 * np.cos(2 * np.pi * (rows["channel"] - 2) / 7)
    observed = changed(rows.assign(amplitude=rows["amplitude"] * ripple), rows).frame["observed"]
    assert observed.mean() == pytest.approx(0.1 / np.sqrt(2), rel=0.03)


def test_a_ripple_in_phase_is_a_change_of_its_rms(rows: pd.DataFrame) -> None:
    ripple = np.degrees(0.1) * np.cos(2 * np.pi * (rows["channel"] - 2) / 7)
    observed = changed(rows.assign(phase_deg=rows["phase_deg"] + ripple), rows).frame["observed"]
    assert observed.mean() == pytest.approx(0.1 / np.sqrt(2), rel=0.03)


def test_too_few_common_channels_give_no_number(rows: pd.DataFrame) -> None:
    first = rows.copy()
    first.loc[here(first) & first["channel"].gt(4), "flagged"] = True
    measured = changed(rows, first)
    assert np.isnan(at(measured))
    assert measured.frame["observed"].isna().sum() == 1
    assert measured.places == PLACES


def test_the_first_bandpass_has_nothing_to_compare_with(rows: pd.DataFrame) -> None:
    measured = bandpass_change(rows, bandpass_statistics(), context(), None)
    assert measured.not_applicable == "stage skipped"
