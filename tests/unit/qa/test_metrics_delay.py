"""Delay metrics: a known defect in, the right number out, at the right place."""

import pandas as pd
import pytest

from qa.metrics.delay import delay_flagged, delay_history, delay_magnitude, delay_scatter
from tests.unit.qa import solution_tables
from tests.unit.qa.solution_tables import ANTENNAS, HANDS, PLACES, SPWS, context, delay_rows, of, statistics


@pytest.fixture
def rows() -> pd.DataFrame:
    return delay_rows()


def at(measured, **place) -> float:
    frame = measured.frame
    for column, value in place.items():
        frame = frame[frame[column].eq(value)]
    assert len(frame) == 1
    return frame["observed"].item()


KN = {"antenna": "Kn", "spw": 1, "polarisation": "L"}


def here(rows: pd.DataFrame) -> pd.Series:
    return of(rows, "Kn") & rows["spw"].eq(1) & rows["polarisation"].eq("L")


def test_the_magnitude_is_the_median_size_whatever_the_sign(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "delay_ns"] = [-60.0, -61.0, -59.0, 2.0]
    assert at(delay_magnitude(rows, statistics(rows), context()), **KN) == pytest.approx(59.5)


def test_a_metric_has_one_row_per_antenna_with_data_spw_and_polarisation(rows: pd.DataFrame) -> None:
    measured = delay_magnitude(rows, statistics(rows), context())
    assert measured.places == len(measured.frame) == PLACES
    assert measured.per_antenna
    assert set(measured.frame["antenna"]) == set(ANTENNAS)


def test_the_scatter_is_the_rms_about_the_median_in_time(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "delay_ns"] = [2.0, 2.0, 2.0, 10.0]
    assert at(delay_scatter(rows, statistics(rows), context()), **KN) == pytest.approx(4.0)


def test_the_scatter_does_not_apply_to_a_table_of_one_interval(rows: pd.DataFrame) -> None:
    rows = rows[rows["scan"].eq(1)]
    assert delay_scatter(rows, statistics(rows), context()).not_applicable == "one solution per scan"


def test_flagged_delays_are_a_fraction_of_the_table(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["scan"].ne(1), "flagged"] = True
    assert at(delay_flagged(rows, statistics(rows), context()), **KN) == pytest.approx(0.75)


def test_a_delay_that_is_not_a_number_counts_as_failed(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["scan"].eq(1), "delay_ns"] = float("nan")
    assert at(delay_flagged(rows, statistics(rows), context()), **KN) == pytest.approx(0.25)


def test_an_antenna_flagged_throughout_has_no_magnitude_and_is_flagged_whole(rows: pd.DataFrame) -> None:
    rows.loc[of(rows, "Kn"), "flagged"] = True
    assert pd.isna(at(delay_magnitude(rows, statistics(rows), context()), **KN))
    assert at(delay_flagged(rows, statistics(rows), context()), **KN) == 1.0


def test_an_antenna_that_is_not_in_the_table_keeps_its_places_without_a_number(rows: pd.DataFrame) -> None:
    rows = rows[~of(rows, "Kn")]
    measured = delay_magnitude(rows, statistics(rows), context())
    assert measured.places == PLACES
    assert measured.frame["observed"].isna().sum() == len(SPWS) * len(HANDS)


def test_an_antenna_of_the_table_that_never_observed_is_left_out_by_name(rows: pd.DataFrame) -> None:
    ghost = rows[of(rows, "Kn")].assign(antenna="22", flagged=True)
    measured = delay_magnitude(pd.concat([rows, ghost]), statistics(rows), context())
    assert ("22", "antenna without any data") in measured.left_out
    assert measured.places == len(measured.frame) == PLACES


def test_a_spw_that_only_the_statistics_know_is_expected_in_the_table(rows: pd.DataFrame) -> None:
    measured = delay_magnitude(rows[rows["spw"].eq(0)], statistics(rows), context())
    assert measured.places == PLACES
    assert measured.frame["observed"].isna().sum() == PLACES // 2


def test_antenna_names_that_a_csv_reader_took_for_numbers_are_matched(rows: pd.DataFrame) -> None:
    numbers = {name: index + 1.0 for index, name in enumerate(ANTENNAS)}
    named = context().evolve(antennas=tuple("123456"), refant=("1",))
    rows["antenna"] = rows["antenna"].map(numbers)
    assert delay_magnitude(rows, statistics(rows.assign(antenna="1")), named).frame["observed"].notna().all()


def by_field(rows: pd.DataFrame) -> pd.DataFrame:
    """Two sources by turns."""
    rows["field"] = rows["scan"].map(lambda scan: "faint" if scan % 2 else "bright")
    return rows


def scattering_field(rows: pd.DataFrame) -> str:
    frame = delay_scatter(by_field(rows), statistics(rows), context()).frame
    return frame[frame["antenna"].eq("Kn") & frame["spw"].eq(1) & frame["polarisation"].eq("L")]["field"].item()


def test_where_one_field_alone_scatters_it_is_named(rows: pd.DataFrame) -> None:
    rows.loc[here(rows) & rows["scan"].mod(2).eq(1), "delay_ns"] += [-20.0, 25.0]
    assert scattering_field(rows) == "faint"


def test_where_every_field_scatters_none_is_named(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "delay_ns"] = [2.0, 2.0, 12.0, 12.0]
    assert scattering_field(rows) == ""


def against(rows: pd.DataFrame, earlier: pd.DataFrame):
    return delay_history(rows, statistics(rows), earlier, context())


def test_a_delay_is_compared_with_the_median_of_its_nights(rows: pd.DataFrame) -> None:
    rows.loc[here(rows), "delay_ns"] = [9.0, 9.0, 9.0, 50.0]
    earlier = solution_tables.delay_history()
    earlier.loc[earlier["antenna"].eq("Kn") & earlier["night"].eq("2026-11-01"), "delay_ns"] = 700.0
    measured = against(rows, earlier)
    assert at(measured, **KN) == pytest.approx(7.0)
    assert measured.places == len(measured.frame) == PLACES
    assert measured.per_antenna


def test_only_the_ten_latest_nights_count(rows: pd.DataFrame) -> None:
    old = solution_tables.delay_history(nights=14, delay_ns=2.0)
    moved = old["night"].gt("2026-11-08") & old["antenna"].eq("Kn")
    measured = against(rows, old.assign(delay_ns=old["delay_ns"] + 6.0 * moved))
    assert at(measured, **KN) == pytest.approx(6.0, abs=0.2)


def test_four_nights_of_delays_are_too_little_history(rows: pd.DataFrame) -> None:
    assert against(rows, solution_tables.delay_history(nights=4)).not_applicable == "too little history"


def test_a_new_antenna_is_left_out_beside_those_with_a_history(rows: pd.DataFrame) -> None:
    earlier = solution_tables.delay_history()
    measured = against(rows, earlier[~of(earlier, "Kn")])
    assert ("antenna Kn, spw 1, L", "too little history") in measured.left_out
    assert measured.places == len(measured.frame) == PLACES - len(SPWS) * len(HANDS)


def test_an_antenna_with_a_history_that_failed_tonight_has_no_number(rows: pd.DataFrame) -> None:
    rows.loc[of(rows, "Kn"), "flagged"] = True
    assert pd.isna(at(against(rows, solution_tables.delay_history()), **KN))


def test_earlier_nights_without_a_number_do_not_count(rows: pd.DataFrame) -> None:
    earlier = solution_tables.delay_history(nights=5)
    earlier.loc[earlier["night"].eq("2026-11-01"), "delay_ns"] = float("nan")
    assert against(rows, earlier).not_applicable == "too little history"


def test_antennas_whose_names_are_numbers_have_a_history_too(rows: pd.DataFrame) -> None:
    names = {name: str(index + 1) for index, name in enumerate(ANTENNAS)}
    named = context().evolve(antennas=tuple(names.values()), refant=("1",))
    earlier = solution_tables.delay_history()
    earlier["antenna"] = earlier["antenna"].map(names)
    rows["antenna"] = rows["antenna"].map(names)
    measured = delay_history(rows, statistics(rows), earlier, named)
    assert measured.not_applicable is None
    assert measured.frame["observed"].max() < 0.2
