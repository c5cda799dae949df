"""The engine: nothing passes by accident, one dead antenna does not end a night, the policy's action counts."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import qa.suite
from qa import evaluation
from qa.evaluation import EvaluationError, evaluate
from qa.judge import MetricFailure, judge, measure, skipped
from qa.measurement import Measurement
from qa.suite import SUITES, load_suite
from schemas.gates import Override
from schemas.policy import ApplyBounds, DelayBounds, FlaggingBounds, GainBounds, ResultBounds

ANTENNAS = ("Mk2", "Kn", "De", "Pi", "Da", "Cm")


def added(*values: float, places: int | None = None, per_antenna: bool = True) -> Measurement:
    frame = pd.DataFrame({"antenna": ANTENNAS[: len(values)], "observed": np.array(values, dtype=float)})
    count = len(values) if places is None else places
    return Measurement("flags_added", frame, places=count, per_antenna=per_antenna)


def verdict(measured, context, bounds=None):
    return judge("apply", [measured], bounds or ApplyBounds(), context)


def stop_check(report):
    return next(check for check in report.checks if check.severity == "stop")


def test_numbers_within_their_bounds_pass(context):
    report = verdict(added(0, 0.01, 0.02, 0.03, 0.04, 0.05), context)
    assert (report.verdict, report.reason, report.lost_antennas) == ("passed", "", ())
    assert [check.verdict for check in report.checks] == ["passed", "passed"]


def test_a_check_carries_place_number_bound_and_words(context):
    check = stop_check(verdict(added(0, 0, 0.2, 0, 0, 0), context))
    assert (check.where, check.observed, check.bound, check.unit) == ("antenna De", 0.2, "<= 0.3", "fraction")
    assert (check.measured, check.failed) == (6, 0)
    assert check.meaning
    assert check.source
    assert check.try_


def test_failures_are_listed_worst_first(context):
    report = verdict(added(0.4, 0.1, 0.9, 0.5, 0.2, 0.6), context)
    assert [failure.place.antenna for failure in stop_check(report).failures] == [
        "De",
        "Cm",
        "Pi",
        "Mk2",
    ]


def test_a_warning_goes_on(context):
    report = verdict(added(0.15, 0, 0, 0, 0, 0), context)
    assert (report.verdict, report.stops) == ("warned", False)


def test_changing_a_bound_flips_the_verdict(context):
    measured = added(0.2, 0.2, 0.2, 0.2, 0.2, 0.2)
    assert verdict(measured, context, ApplyBounds(added_stop=0.25)).verdict == "warned"
    assert verdict(measured, context, ApplyBounds(added_stop=0.15)).verdict == "stopped"


def test_a_lowest_bound_fails_what_is_below_it(context):
    frame = pd.DataFrame({"antenna": ANTENNAS, "observed": [1, 1, 1, 1, 1, 0.5]})
    report = judge(
        "gains",
        [Measurement("succeeded_fraction", frame, places=6, per_antenna=True)],
        GainBounds(),
        context,
    )
    assert stop_check(report).bound == ">= 0.8"
    assert report.lost_antennas == ("Cm",)


class TestNothingPassesByAccident:
    def test_an_empty_frame_stops(self, context):
        report = verdict(added(places=0), context)
        assert report.verdict == "stopped"
        assert "the metric is empty" in report.reason

    def test_a_frame_without_columns_stops(self, context):
        report = verdict(Measurement("flags_added", pd.DataFrame(), places=6), context)
        assert "no column 'observed'" in report.reason
        assert report.verdict == "stopped"

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_column_without_any_number_stops(self, context, value):
        report = verdict(added(*[value] * 6), context)
        assert report.verdict == "stopped"
        assert "6 of 6 values are not numbers" in report.reason

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_one_missing_number_stops_where_no_antenna_is_to_blame(self, context, value):
        report = verdict(added(0, 0, value, per_antenna=False), context)
        assert report.verdict == "stopped"
        assert "1 of 3 values are not numbers" in report.reason

    def test_a_lost_row_stops(self, context):
        report = verdict(added(0, 0, 0, 0, 0, places=6), context)
        assert report.verdict == "stopped"
        assert "5 values where 6 places were expected" in report.reason

    def test_no_measurement_stops(self, context):
        report = judge("apply", [], ApplyBounds(), context)
        assert (report.verdict, report.reason) == ("stopped", "nothing was measured, so nothing can pass")

    def test_a_metric_that_raises_stops_with_its_reason(self, context):
        failure = measure("flags_added", lambda: added()[0])
        assert isinstance(failure, MetricFailure)
        report = verdict(failure, context)
        assert report.verdict == "stopped"
        assert "TypeError" in report.reason

    def test_words_among_the_numbers_stop(self, context):
        frame = pd.DataFrame({"observed": [0.1, "high"]})
        report = verdict(Measurement("flags_added", frame, places=2), context)
        assert report.verdict == "stopped"

    def test_a_metric_the_suite_does_not_have_stops(self, context):
        report = judge("delay", [added(0, 0, 0, 0, 0, 0)], DelayBounds(), context)
        assert report.verdict == "stopped"
        assert "flags_added" in report.reason

    def test_a_metric_measured_twice_stops(self, context):
        report = judge("apply", [added(0), added(0)], ApplyBounds(), context)
        assert report.verdict == "stopped"
        assert "twice" in report.reason

    def test_bounds_of_another_suite_stop(self, context):
        assert "added_stop" in verdict(added(0), context, DelayBounds()).reason

    def test_an_unknown_suite_stops(self, context):
        assert judge("apply2", [added(0)], ApplyBounds(), context).verdict == "stopped"

    def test_a_suite_that_lost_a_line_stops(self, context, tmp_path, monkeypatch):
        lines = (SUITES / "apply.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "apply.yaml").write_text("".join(lines[:-1]), encoding="utf-8")
        monkeypatch.setattr(qa.suite, "SUITES", tmp_path)
        report = verdict(added(0, 0, 0, 0, 0, 0), context)
        assert report.verdict == "stopped"
        assert "'apply' is refused" in report.reason

    def test_a_dropped_expectation_stops(self, context, monkeypatch):
        whole = evaluation._validate
        monkeypatch.setattr(evaluation, "_validate", lambda *given: whole(*given)[:-1])
        report = verdict(added(0, 0, 0, 0, 0, 0), context)
        assert report.verdict == "stopped"
        assert "asked 2 and answered 1" in report.reason

    def test_an_expectation_unknown_to_great_expectations_stops(self, context, monkeypatch):
        def misspelt(frame, asked, parameters):
            return whole(frame, [*asked[:-1], (asked[-1][0], "expect_nothing", asked[-1][2])], parameters)

        whole = evaluation._validate
        monkeypatch.setattr(evaluation, "_validate", misspelt)
        report = verdict(added(0, 0, 0, 0, 0, 0), context)
        assert report.verdict == "stopped"
        assert "could not be judged" in report.reason

    def test_an_exception_swallowed_by_great_expectations_is_not_an_answer(self):
        with pytest.raises(EvaluationError, match="could not evaluate"):
            evaluate(pd.DataFrame({"other": [1.0]}), 1, load_suite("apply").expectations, ApplyBounds().model_dump())

    def test_a_missing_parameter_is_not_an_answer(self, context, monkeypatch):
        whole = evaluation._validate
        monkeypatch.setattr(evaluation, "_validate", lambda frame, asked, _: whole(frame, asked, {}))
        assert verdict(added(0, 0, 0, 0, 0, 0), context).verdict == "stopped"


class TestNotApplicable:
    def test_a_gate_of_which_nothing_applies_stops(self, context):
        nothing = Measurement("flags_added", pd.DataFrame(), places=0, not_applicable="too little history")
        report = verdict(nothing, context)
        assert report.verdict == "stopped"
        assert "too little history" in report.reason

    def test_a_skipped_stage_does_not_stop(self, context):
        report = skipped("apply", context, "switched off by the user")
        assert (report.verdict, report.reason, report.stops) == ("skipped", "switched off by the user", False)
        assert {check.reason for check in report.checks} == {"stage skipped"}

    def test_a_metric_that_does_not_apply_is_shown_beside_the_others(self, context):
        nothing = Measurement("delay_scatter", pd.DataFrame(), places=0, not_applicable="one solution per scan")
        frame = pd.DataFrame({"antenna": ANTENNAS, "observed": 1.0})
        fine = Measurement("delay_magnitude", frame, places=6, per_antenna=True)
        report = judge("delay", [fine, nothing], DelayBounds(), context)
        assert report.verdict == "passed"
        assert [check.verdict for check in report.checks].count("not applicable") == 2

    def test_a_reason_outside_the_closed_list_stops(self, context):
        nothing = Measurement("flags_added", pd.DataFrame(), places=0, not_applicable="no time")
        assert "no reason for which" in verdict(nothing, context).reason

    def test_an_antenna_without_data_is_never_a_failure(self, context):
        frame = pd.DataFrame({"antenna": [*ANTENNAS, "ghost"], "observed": [0.0] * 6 + [1.0]})
        report = verdict(Measurement("flags_added", frame, places=7, per_antenna=True), context)
        assert report.verdict == "passed"

    def test_places_left_out_are_shown(self, context):
        frame = pd.DataFrame({"antenna": ANTENNAS, "observed": 0.0})
        left = (("antenna ghost", "antenna without any data"),)
        report = verdict(Measurement("flags_added", frame, places=6, per_antenna=True, left_out=left), context)
        assert [(check.where, check.verdict) for check in report.checks][-1] == ("antenna ghost", "not applicable")
        assert report.verdict == "passed"


class TestOneDeadAntenna:
    def test_it_warns_and_is_named(self, context):
        report = verdict(added(0, 0, 0, 0, 0, 1), context)
        assert (report.verdict, report.lost_antennas) == ("warned", ("Cm",))
        assert "lost: Cm; 5 of 6" in stop_check(report).reason

    def test_an_antenna_that_reads_nan_is_lost(self, context):
        report = verdict(added(0, 0, 0, 0, 0, np.nan), context)
        assert (report.verdict, report.lost_antennas) == ("warned", ("Cm",))

    def test_a_dead_reference_with_a_fallback_warns(self, context):
        report = verdict(added(1, 0, 0, 0, 0, 0), context)
        assert report.verdict == "warned"
        assert "Mk2 gives way to Pi" in stop_check(report).reason

    def test_a_dead_reference_without_fallback_stops(self, context):
        report = verdict(added(1, 0, 0, 0, 0, 0), context.evolve(refant=("Mk2",)))
        assert (report.verdict, report.lost_antennas) == ("stopped", ())
        assert "reference antenna Mk2 is lost and of its fallbacks none is given" in report.reason

    def test_a_dead_reference_with_a_dead_fallback_stops(self, context):
        report = verdict(added(1, 0, 0, 1, 0, 0), context)
        assert report.verdict == "stopped"
        assert "none is left" in report.reason

    def test_fewer_than_four_left_stop(self, context):
        report = verdict(added(0, 0, 0, 1), context.evolve(antennas=ANTENNAS[:4]))
        assert report.verdict == "stopped"
        assert "only 3 of 4 antennas remain" in report.reason

    def test_a_third_of_the_antennas_may_fail_and_no_more(self):
        names = tuple(f"a{number}" for number in range(9))
        context = verdict_context(names)
        for dead, expected in ((3, "warned"), (4, "stopped")):
            frame = pd.DataFrame({"antenna": names, "observed": [0.0] * (9 - dead) + [1.0] * dead})
            report = verdict(Measurement("flags_added", frame, places=9, per_antenna=True), context)
            assert report.verdict == expected

    def test_antennas_that_fail_different_metrics_count_together(self, context):
        def failing(metric, *dead):
            values = [99.0 if name in dead else 0.0 for name in ANTENNAS]
            frame = pd.DataFrame({"antenna": ANTENNAS, "observed": values})
            return Measurement(metric, frame, places=6, per_antenna=True)

        measured = [failing("delay_magnitude", "De", "Kn"), failing("delay_scatter", "Da", "Cm")]
        assert judge("delay", measured[:1], DelayBounds(), context).verdict == "warned"
        assert judge("delay", measured, DelayBounds(), context).verdict == "stopped"

    def test_the_rule_is_not_for_metrics_of_the_whole(self, context):
        assert verdict(added(0, 0, 1, per_antenna=False), context).verdict == "stopped"


def verdict_context(names):
    from schemas.gates import GateContext

    return GateContext(gate="tested", step="tested", antennas=names, refant=(names[0],))


class TestPolicy:
    bad = (0.4,) * 6

    def test_hold_holds(self, context):
        report = verdict(added(*self.bad), context, ApplyBounds(action="hold"))
        assert (report.verdict, report.stops) == ("held", True)
        assert report.reason.startswith("held for a person")

    def test_warn_only_warns(self, context):
        report = verdict(added(*self.bad), context, ApplyBounds(action="warn"))
        assert report.verdict == "warned"
        assert "the policy for this gate is warn only" in stop_check(report).reason

    def test_an_override_warns_with_its_author_and_reason(self, context):
        override = Override(reason="known bad weather", decided_by="A. Stronomer")
        report = verdict(added(*self.bad), context, ApplyBounds(overrides={"flags_added": override}))
        assert report.verdict == "warned"
        assert "overridden by A. Stronomer: known bad weather" in stop_check(report).reason

    def test_an_override_of_an_unknown_metric_stops(self, context):
        bounds = ApplyBounds(overrides={"flags_addde": Override(reason="known bad weather")})
        report = verdict(added(0, 0, 0, 0, 0, 0), context, bounds)
        assert report.verdict == "stopped"
        assert "flags_addde" in report.reason

    @pytest.mark.parametrize(
        "bounds",
        [ApplyBounds(action="warn"), ApplyBounds(overrides={"flags_added": Override(reason="known bad weather")})],
    )
    def test_neither_covers_a_number_that_is_missing(self, context, bounds):
        assert verdict(added(*[np.nan] * 6), context, bounds).verdict == "stopped"


def test_great_expectations_leaves_warnings_and_the_environment_quiet(context, monkeypatch):
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert verdict(added(0, 0, 0, 0, 0, 0), context).verdict == "passed"


def test_a_metric_with_a_warn_bound_alone_cannot_stop(context):
    frame = pd.DataFrame({"antenna": ANTENNAS, "observed": 1.0})
    measured = Measurement("antenna_flagged", frame, places=6, per_antenna=True)
    assert judge("flagging", [measured], FlaggingBounds(), context).verdict == "warned"
    assert judge("result", [measured], ResultBounds(), context).verdict == "stopped"


def test_when_all_but_the_reference_fail_the_reference_is_suspect(context):
    report = verdict(added(0.0, 0.9, 0.9, 0.9, 0.9, 0.9), context)
    assert report.verdict == "stopped"
    assert f"{context.refant[0]} itself is suspect" in report.reason


def test_when_all_but_the_reference_fail_on_one_field_alone_that_source_is_suspect(context):
    measured = added(0.0, 0.9, 0.9, 0.9, 0.9, 0.9)
    on_one = replace(measured, frame=measured.frame.assign(field="1302+5748"))
    report = verdict(on_one, context)
    assert report.verdict == "stopped"
    assert "on 1302+5748 alone: that source is suspect" in report.reason
    assert "itself is suspect" not in report.reason
