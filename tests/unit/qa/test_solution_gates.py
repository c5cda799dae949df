"""The gates after each solve: each row of the table warns, stops and passes as it should, and never by accident."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from qa.solution_gates import bandpass_gate, delay_gate, gain_scale_gate, gains_gate
from schemas.policy import BandpassBounds, DelayBounds, GainBounds, GainScaleBounds
from tests.unit.qa.solution_tables import (
    ANTENNAS,
    FIELDS,
    all_nan,
    bandpass_rows,
    bandpass_statistics,
    checks,
    context,
    delay_history,
    delay_rows,
    gain_rows,
    nothing_in,
    of,
    restrict_to,
    statistics,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from schemas.gates import GateReport

HALF = ANTENNAS[-3:]
"""More than a third of the antennas, without the reference antenna."""
KEYS = ["antenna", "spw", "polarisation", "field", "scan"]


def p2_rows() -> pd.DataFrame:
    """One phase per scan, the mean of p1 there."""
    return gain_rows().groupby(KEYS, as_index=False).agg(
        time_s=("time_s", "mean"), amplitude=("amplitude", "mean"), phase_deg=("phase_deg", "mean")
    ).assign(snr=50.0, flagged=False)  # fmt: skip


def judge_delay(rows: pd.DataFrame, bounds=None) -> GateReport:
    return delay_gate(rows, statistics(rows), delay_history(), bounds or DelayBounds(), context("delay"), "2026-11-23")


def judge_p1(rows: pd.DataFrame, bounds=None) -> GateReport:
    return gains_gate("p", rows, statistics(rows), bounds or GainBounds(), context())


def judge_ap1(rows: pd.DataFrame, bounds=None) -> GateReport:
    return gains_gate("ap", rows, statistics(rows), bounds or GainBounds(), context("gains.ap1"))


def judge_p2(rows: pd.DataFrame, bounds=None) -> GateReport:
    return gains_gate("p", rows, statistics(rows), bounds or GainBounds(), context("gains.p2"), p1=gain_rows())


def judge_b2(rows: pd.DataFrame, bounds=None) -> GateReport:
    return bandpass_gate(
        rows, bandpass_statistics(), bounds or BandpassBounds(), context("bandpass2"), first=bandpass_rows(seed=8)
    )


def judge_ap2(rows: pd.DataFrame, bounds=None, calibrators=FIELDS) -> GateReport:
    return gain_scale_gate(rows, calibrators, bounds or GainScaleBounds(), context("gain_scale"))


@cache
def report_of(gate, table, change=None) -> GateReport:
    """Judge a whole gate once, for the tests of its several metrics."""
    return gate(table() if change is None else change(table()))


def hurt(rows: pd.DataFrame) -> pd.Series:
    return rows["antenna"].isin(HALF)


def part(rows: pd.DataFrame, fraction: float) -> pd.Series:
    """The same fraction of the rows of each place of the hurt antennas, spread evenly."""
    order = rows.groupby(["antenna", "spw", "polarisation"]).cumcount()
    size = rows.groupby(["antenna", "spw", "polarisation"])["antenna"].transform("size")
    return hurt(rows) & (np.floor((order + 1) * fraction) > np.floor(order * fraction)) & size.gt(0)


def scaled(column: str, factor: float, fraction: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(**{column: rows[column].where(~part(rows, fraction), rows[column] * factor)})


def failed(fraction: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(flagged=rows["flagged"] | part(rows, fraction))


def failed_with_data(fraction: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def defect(rows: pd.DataFrame) -> pd.DataFrame:
        chosen = part(rows[rows["has_data"]], fraction).reindex(rows.index, fill_value=False)
        return rows.assign(flagged=rows["flagged"] | chosen)

    return defect


def offset(size: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(delay_ns=rows["delay_ns"] + size * hurt(rows))


def unsteady(size: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(delay_ns=rows["delay_ns"] + size * hurt(rows) * (-1.0) ** rows["scan"])


def noisy(size: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def defect(rows: pd.DataFrame) -> pd.DataFrame:
        noise = np.random.default_rng(1).normal(0.0, size, len(rows)) * hurt(rows)
        return rows.assign(phase_deg=(rows["phase_deg"] + noise + 180.0) % 360.0 - 180.0)

    return defect


def turned(size: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(phase_deg=rows["phase_deg"] + size * hurt(rows))


def rippled(size: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(
        amplitude=rows["amplitude"] * (1 + size * hurt(rows) * np.cos(2 * np.pi * rows["channel"] / 7))
    )


def one_field(factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    bright = "1407+284"
    return lambda rows: rows.assign(
        amplitude=rows["amplitude"].where(~(hurt(rows) & rows["field"].eq(bright)), rows["amplitude"] * factor)
    )


def late(rows: pd.DataFrame) -> pd.DataFrame:
    start = rows["time_s"].eq(rows.groupby("scan")["time_s"].transform("min"))
    return rows.assign(amplitude=rows["amplitude"].where(~(hurt(rows) & start), rows["amplitude"] * 0.6))


TABLES = {
    # metric: the gate, a clean table, a defect that warns and no more, one that stops
    "delay_magnitude": (judge_delay, delay_rows, offset(30.0), offset(80.0)),
    "delay_scatter": (judge_delay, delay_rows, unsteady(2.0), unsteady(9.0)),
    "delay_flagged": (judge_delay, delay_rows, failed(0.5), failed(0.75)),
    "succeeded_fraction": (judge_p1, gain_rows, failed(0.125), failed(0.5)),
    "phase_tracking": (judge_p1, gain_rows, noisy(45.0), noisy(400.0)),
    "scan_phase": (judge_p2, p2_rows, turned(20.0), turned(50.0)),
    "amplitude_outliers": (judge_ap1, gain_rows, scaled("amplitude", 2.0, 0.125), scaled("amplitude", 2.0, 0.25)),
    "flagged_channels": (judge_b2, bandpass_rows, failed_with_data(0.25), failed_with_data(0.75)),
    "amplitude_range": (judge_b2, bandpass_rows, scaled("amplitude", 9.0, 0.1), scaled("amplitude", 9.0, 0.33)),
    "phase_scatter": (judge_b2, bandpass_rows, noisy(20.0), noisy(400.0)),
    "bandpass_change": (judge_b2, bandpass_rows, rippled(0.15), rippled(0.5)),
    "scale_between_calibrators": (judge_ap2, gain_rows, one_field(1.2), one_field(1.59)),
}


@pytest.mark.parametrize("metric", TABLES)
def test_a_healthy_table_passes(metric: str) -> None:
    gate, table, _, _ = TABLES[metric]
    report = report_of(gate, table)
    assert report.verdict == "passed", report.reason
    assert {check.verdict for check in checks(report, metric).values()} == {"passed"}


@pytest.mark.parametrize("metric", TABLES)
def test_a_defect_between_the_bounds_warns(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to(metric, monkeypatch)
    gate, table, warns, _ = TABLES[metric]
    found = checks(gate(warns(table())), metric)
    assert (found["warn"].verdict, found["stop"].verdict) == ("warned", "passed")


@pytest.mark.parametrize("metric", TABLES)
def test_a_defect_beyond_the_stop_bound_stops_and_says_where_and_what_to_try(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restrict_to(metric, monkeypatch)
    gate, table, _, stops = TABLES[metric]
    report = gate(stops(table()))
    found = checks(report, metric)["stop"]
    assert found.verdict == "stopped"
    assert report.verdict == "stopped"
    assert found.failures[0].place.antenna in HALF
    assert found.try_


@pytest.mark.parametrize("metric", TABLES)
@pytest.mark.parametrize("broken", [nothing_in, all_nan], ids=["empty", "all NaN"])
def test_a_table_without_numbers_stops(metric: str, broken: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    gate, table, _, _ = TABLES[metric]
    report = report_of(gate, table, broken)
    assert report.verdict == "stopped"
    assert "stopped" in {check.verdict for check in report.checks if check.metric == metric}


LOOSER = {
    "delay_magnitude": DelayBounds(warn_ns=500.0, stop_ns=500.0),
    "succeeded_fraction": GainBounds(succeeded_warn=0.1, succeeded_stop=0.1),
    "flagged_channels": BandpassBounds(flagged_warn=1.0, flagged_stop=1.0),
    "scale_between_calibrators": GainScaleBounds(scale_warn=9.0, scale_stop=9.0),
}


@pytest.mark.parametrize("metric", LOOSER)
def test_changing_a_bound_flips_the_verdict(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to(metric, monkeypatch)
    gate, table, _, stops = TABLES[metric]
    rows = stops(table())
    assert checks(gate(rows), metric)["stop"].verdict == "stopped"
    assert checks(gate(rows, LOOSER[metric]), metric)["stop"].verdict == "passed"


@pytest.mark.parametrize(("attempted", "verdict"), [(0.67, "passed"), (0.4, "warned"), (0.1, "stopped")])
def test_the_attempted_fraction_warns_and_stops(attempted: float, verdict: str) -> None:
    rows = gain_rows()
    report = gains_gate("p", rows, statistics(rows, attempted), GainBounds(), context())
    found = checks(report, "attempted_fraction")
    worst = found["stop"] if found["stop"].verdict != "passed" else found["warn"]
    assert worst.verdict == verdict


@pytest.mark.parametrize("broken", [nothing_in, all_nan], ids=["empty", "all NaN"])
def test_solve_statistics_without_numbers_stop(broken: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    rows = gain_rows()
    report = gains_gate("p", rows, broken(statistics(rows)), GainBounds(), context())
    assert report.verdict == "stopped"
    assert {check.verdict for check in report.checks if check.metric == "attempted_fraction"} == {"stopped"}


def test_late_on_source_warns_and_does_not_stop() -> None:
    report = judge_ap1(late(gain_rows()))
    assert checks(report, "late_on_source")["warn"].verdict == "warned"
    assert report.verdict == "warned"
    assert checks(report_of(judge_ap1, gain_rows), "late_on_source")["warn"].verdict == "passed"


@pytest.mark.parametrize("broken", [nothing_in, all_nan], ids=["empty", "all NaN"])
def test_late_on_source_of_a_table_without_numbers_stops(broken: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    report = report_of(judge_ap1, gain_rows, broken)
    assert "stopped" in {check.verdict for check in report.checks if check.metric == "late_on_source"}


def test_a_delay_that_is_not_what_it_was_warns_and_names_antenna_and_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to("delay_history", monkeypatch)
    rows = delay_rows()
    report = judge_delay(rows.assign(delay_ns=rows["delay_ns"] + 30.0 * of(rows, "Cm")))
    (check,) = report.checks
    assert report.verdict == check.verdict == "warned"
    assert {failure.place.antenna for failure in check.failures} == {"Cm"}
    assert check.reason == "night 2026-11-23 against the median of 6 nights, 2026-11-01 to 2026-11-06"


def test_a_delay_as_it_always_was_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to("delay_history", monkeypatch)
    (check,) = judge_delay(delay_rows()).checks
    assert (check.verdict, check.reason) == ("passed", "")


def test_the_delays_of_a_first_night_are_judged_by_the_rest() -> None:
    rows = delay_rows()
    report = delay_gate(rows, statistics(rows), delay_history(nights=0), DelayBounds(), context("delay"))
    assert report.verdict == "passed"
    reasons = {check.metric: check.reason for check in report.checks if check.verdict == "not applicable"}
    assert reasons == {"delay_history": "too little history"}


def test_a_solve_whose_every_solution_fails_minsnr_stops_although_the_spw_counts_all() -> None:
    rows = gain_rows().assign(flagged=True)
    counts = statistics(rows)
    whole = counts[counts["antenna"].eq("")]
    assert whole["succeeded"].eq(whole["expected"]).all()
    report = gains_gate("p", rows, counts, GainBounds(), context())
    assert report.verdict == "stopped"
    assert checks(report, "succeeded_fraction")["stop"].verdict == "stopped"


def test_a_bandpass_whose_every_channel_fails_stops_although_casa_counts_it_as_solved() -> None:
    assert judge_b2(bandpass_rows().assign(flagged=True)).verdict == "stopped"


@pytest.mark.parametrize(
    ("gate", "table"),
    [(judge_delay, delay_rows), (judge_p1, gain_rows), (judge_ap1, gain_rows), (judge_b2, bandpass_rows)],
)
def test_one_dead_antenna_warns_and_is_named(gate, table) -> None:
    rows = table()
    rows["flagged"] |= of(rows, "Cm")
    report = gate(rows)
    assert report.verdict == "warned"
    assert report.lost_antennas == ("Cm",)


def test_a_dead_reference_antenna_with_a_fallback_warns() -> None:
    rows = gain_rows()
    rows["flagged"] |= of(rows, "Mk2")
    report = judge_p1(rows)
    assert report.verdict == "warned"
    assert report.lost_antennas == ("Mk2",)


def test_a_dead_reference_antenna_without_a_fallback_stops() -> None:
    rows = gain_rows()
    rows["flagged"] |= of(rows, "Mk2")
    report = gains_gate("p", rows, statistics(rows), GainBounds(), context(refant=("Mk2",)))
    assert report.verdict == "stopped"


def test_a_missing_antenna_is_lost_and_not_forgotten() -> None:
    rows = gain_rows()
    report = gains_gate("p", rows[~of(rows, "Cm")], statistics(rows[~of(rows, "Cm")]), GainBounds(), context())
    assert report.lost_antennas == ("Cm",)


def test_an_antenna_without_any_data_is_shown_and_not_counted() -> None:
    rows = gain_rows(antennas=(*ANTENNAS, "22"))
    rows["flagged"] |= of(rows, "22")
    report = judge_p1(rows)
    assert report.verdict == "passed"
    assert any(check.where == "22" and check.reason == "antenna without any data" for check in report.checks)


def test_the_first_phase_table_is_not_compared_and_says_so() -> None:
    found = [check for check in report_of(judge_p1, gain_rows).checks if check.metric == "scan_phase"]
    assert {check.verdict for check in found} == {"not applicable"}


def test_a_single_calibrator_has_no_scale_to_compare() -> None:
    rows = gain_rows()
    report = judge_ap2(rows[rows["field"].eq("1331+305")], calibrators=("1331+305",))
    assert report.verdict == "skipped"
    assert "1331+305" in report.reason


def test_a_gain_table_that_lost_a_calibrator_stops() -> None:
    rows = gain_rows()
    report = judge_ap2(rows[rows["field"].eq("1331+305")])
    assert report.verdict == "stopped"
    assert "no solutions of 1407+284" in report.reason + "".join(check.reason for check in report.checks)
