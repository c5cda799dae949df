"""What a person may answer to a held gate, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.holds import Answer, Hold, decision_of
from tests.unit.flows.outcomes import check, stopped_check

GOOD = {"action": "continue", "decided_by": "A. Stronomer", "reason": "cables were swapped"}


def hold(*checks, **changes):
    now = datetime.now(UTC)
    fields = {
        "observation": "night",
        "flow_run": "a-run",
        "key": "hold-1",
        "gate": "delay",
        "suite": "delay",
        "step": "delay",
        "question": "gate delay after delay: Cm at 80 ns",
        "checks": checks or (stopped_check(),),
        "basis": "b",
        "since": now,
        "until": now + timedelta(hours=72),
    }
    return Hold(**(fields | changes))


def answer(**changes):
    return Answer(**(GOOD | changes))


@pytest.mark.parametrize(
    "change",
    [
        {"action": None},
        {"action": "perhaps"},
        {"decided_by": None},
        {"decided_by": ""},
        {"decided_by": "   "},
        {"reason": None},
        {"reason": "ok"},
        {"reason": "    "},
        {"colour": "red"},
    ],
)
def test_an_answer_without_action_name_or_reason_is_refused(change):
    given = {name: value for name, value in (GOOD | change).items() if value is not None}
    with pytest.raises(ValidationError):
        Answer.model_validate(given)


def test_an_empty_answer_is_refused():
    with pytest.raises(ValidationError) as caught:
        Answer.model_validate({})
    assert {issue["loc"][0] for issue in caught.value.errors()} == {"action", "decided_by", "reason"}


def test_the_form_requires_all_that_decides():
    assert set(Answer.model_json_schema()["required"]) == {"action", "decided_by", "reason"}


def test_continue_lets_the_failed_metrics_of_the_gate_pass():
    made = decision_of(hold(stopped_check(), check("stopped", metric="scatter")), answer())
    assert (made.action, made.metrics, made.decided_by) == ("continue", ("magnitude", "scatter"), "A. Stronomer")
    assert (made.gate, made.suite, made.step, made.flow_run, made.basis) == ("delay", "delay", "delay", "a-run", "b")


def test_continue_is_refused_where_a_number_is_missing():
    with pytest.raises(ConfigurationError, match="no number for magnitude"):
        decision_of(hold(check("stopped", None)), answer())


def test_retry_reads_one_parameter_per_line():
    made = decision_of(hold(), answer(action="retry", overrides="delay.solint=300s\n\n gates.delay.stop_ns = 60 "))
    assert made.parameters == {"delay.solint": "300s", "gates.delay.stop_ns": 60}
    assert made.metrics == ()


@pytest.mark.parametrize(
    ("action", "overrides", "why"),
    [
        ("retry", "", "retry needs parameters"),
        ("retry", "delay.solint", "NAME=VALUE"),
        ("continue", "delay.solint=300s", "the decision is continue"),
        ("stop", "delay.solint=300s", "the decision is stop"),
    ],
)
def test_parameters_belong_to_retry_alone(action, overrides, why):
    with pytest.raises(ConfigurationError, match=why):
        decision_of(hold(), answer(action=action, overrides=overrides))


def test_a_decision_says_who_decided_what_and_why():
    said = decision_of(hold(), answer(action="stop", reason="wrong source")).sentence
    assert said == "gate delay: A. Stronomer decided to stop: wrong source"


@pytest.mark.parametrize(("hours", "expired"), [(1, False), (-1, True)])
def test_a_hold_expires_at_its_time(hours, expired):
    assert hold(until=datetime.now(UTC) + timedelta(hours=hours)).expired() is expired
