"""Decisions stand as long as what they rested on is unchanged, and change what they say and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.decisions import basis_of, keep, read_decisions, spend, standing
from schemas.errors import ConfigurationError
from schemas.holds import Decision
from schemas.observation import Observation, Selection
from schemas.profiles import parameters

ASKED = {"gates.gains.action": "hold", "gains.solint": "16s"}


@pytest.fixture
def observation(tmp_path):
    return Observation(name="night", data=tmp_path / "night.ms")


def settled(observation, overrides):
    return parameters(observation.profile, {**observation.overrides, **overrides})


def decision(observation, action="continue", asked=ASKED, **changes):
    fields = {
        "gate": "gains.p1",
        "suite": "gains",
        "step": "gains",
        "question": "?",
        "action": action,
        "decided_by": "A. Stronomer",
        "reason": "known cause",
        "metrics": ("succeeded",) if action == "continue" else (),
        "parameters": {"gains.solint": "60s"} if action == "retry" else {},
        "when": datetime.now(UTC),
        "flow_run": "first",
        "key": f"{action}-key",
        "basis": basis_of(observation, settled(observation, asked), "gains", "gains", "input"),
    }
    return Decision(**(fields | changes))


def stands(observation, kept, asked=ASKED, run="another", source="input"):
    return standing(observation, asked, (kept,), run, source)


def test_continue_lets_the_metric_of_that_gate_pass_and_of_no_other(observation):
    found = stands(observation, decision(observation))
    policy = settled(observation, found.overrides).gates
    given = policy.for_gate("gains.p1").gains.overrides
    assert {name: (o.reason, o.decided_by) for name, o in given.items()} == {
        "succeeded": ("known cause", "A. Stronomer")
    }
    assert policy.for_gate("precal.p1").gains.overrides == {}


def test_continue_keeps_overrides_that_were_there_before(observation):
    asked = ASKED | {"gates.gains.overrides": {"outliers": {"reason": "older"}}}
    found = stands(observation, decision(observation), asked)
    assert set(found.overrides["gates.gains.overrides"]) == {"outliers", "gains.p1:succeeded"}


def test_retry_goes_before_what_the_run_was_asked(observation):
    found = stands(observation, decision(observation, "retry"))
    assert found.overrides["gains.solint"] == "60s"


def test_stop_ends_its_own_run_once(observation):
    made = decision(observation, "stop")
    assert stands(observation, made, run="first").overrides["gates.gains.action"] == "stop"
    assert stands(observation, made, run="another").decisions == ()
    assert stands(observation, made.evolve(spent=True), run="first").decisions == ()


@pytest.mark.parametrize(
    "change",
    [{"finalgains.solint": "120s"}, {"gains.timeout_s": 10.0}, {"gates.delay.stop_ns": 20}, {"hold.timeout_hours": 1}],
)
def test_a_decision_stands_when_only_later_steps_and_other_gates_change(observation, change):
    assert stands(observation, decision(observation), ASKED | change).decisions != ()


@pytest.mark.parametrize("change", [{"gains.solint": "30s"}, {"delay.solint": "30s"}, {"refant": "Pi"}])
def test_a_decision_falls_when_what_its_numbers_rest_on_changes(observation, change):
    assert stands(observation, decision(observation), ASKED | change).decisions == ()


def test_a_decision_falls_when_the_bound_changes(observation):
    bound = {"gates.gains.tracking_stop_deg": 20.0}
    assert stands(observation, decision(observation), ASKED | bound).decisions == ()


def test_a_decision_falls_with_another_input_or_selection(observation):
    made = decision(observation)
    assert stands(observation, made, source="other").decisions == ()
    assert stands(observation.evolve(selection=Selection(spw="0")), made).decisions == ()


def test_continue_falls_when_a_later_retry_changes_what_it_rested_on(observation):
    first = decision(observation)
    second = decision(observation, "retry")
    found = standing(observation, ASKED, (first, second), "another", "input")
    assert [entry.action for entry in found.decisions] == ["retry"]


def test_decisions_after_a_retry_rest_on_its_parameters(observation):
    first = decision(observation, "retry")
    second = decision(observation, asked=ASKED | {"gains.solint": "60s"})
    found = standing(observation, ASKED, (first, second), "another", "input")
    assert [entry.action for entry in found.decisions] == ["retry", "continue"]


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_decision_is_kept_once(observation, tmp_path):
    made = decision(observation)
    keep(tmp_path, made)
    keep(tmp_path, made)
    assert read_decisions(tmp_path) == (made,)


def test_a_stop_is_spent_by_its_run_alone(observation, tmp_path):
    keep(tmp_path, decision(observation, "stop"))
    spend(tmp_path, "another")
    assert not read_decisions(tmp_path)[0].spent
    spend(tmp_path, "first")
    assert read_decisions(tmp_path)[0].spent


def test_decisions_that_cannot_be_read_are_not_passed_over(tmp_path):
    (tmp_path / "decisions.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"decisions\.json"):
        read_decisions(tmp_path)
