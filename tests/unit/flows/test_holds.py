"""A held workspace: who is refused, what frees it, what an answer becomes, what a settled hold leaves written."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Failed, Paused, Running, Scheduled

from flows import holds, runs
from flows.decisions import read_decisions
from flows.holds import HoldForm, read_hold, refuse_held, release, settle_expired_holds, take_up, write_hold
from flows.prepare import workspace_of
from flows.run import Run
from flows.runs import note_start, read_runs, start_step
from flows.tables import read_outcome
from schemas.errors import GateFailed, WorkspaceBusy
from schemas.holds import Decision
from schemas.observation import Observation
from tests.unit.flows.outcomes import check, outcome, provenance, report, stopped_check
from tests.unit.schemas.test_holds import GOOD, hold

OURS = "11111111-1111-4111-8111-111111111111"
THEIRS = "22222222-2222-4222-8222-222222222222"
LATE = {"until": datetime.now(UTC) - timedelta(minutes=1)}


@pytest.fixture
def workspace(tmp_path):
    found = workspace_of(Observation(name="night", data=tmp_path / "night.ms"), tmp_path / "runs")
    found.create()
    return found


@pytest.fixture
def state(monkeypatch):
    """Let the server know the held run in this state, or raise."""

    def is_in(found):
        def look_up(_hold):
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(holds, "look_up", look_up)

    return is_in


def held(workspace, run=THEIRS, **changes):
    """Leave a held run's traces in the workspace."""
    question = hold(flow_run=run, url="http://host/runs/flow-run/x", **changes)
    write_hold(workspace.root, question)
    made = provenance().evolve(flow_run=run)
    workspace.outcome.write_text(outcome("held", reason="gate delay: Cm", provenance=made).model_dump_json())
    return question


# --- the lock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [Paused(), Running(), Scheduled(), ConnectionError("away")])
def test_a_held_workspace_is_refused_to_another_run_with_question_and_link(workspace, state, found):
    held(workspace)
    state(found)
    with pytest.raises(WorkspaceBusy) as caught:
        refuse_held(workspace, OURS)
    for words in (THEIRS, "held since", "Cm at 80 ns", "http://host/runs/flow-run/x"):
        assert words in str(caught.value)
    assert read_outcome(workspace.root).verdict == "held"


def test_the_held_run_itself_goes_through(workspace):
    held(workspace, OURS)
    refuse_held(workspace, OURS)
    assert read_hold(workspace.root) is not None


def test_a_workspace_that_nobody_holds_goes_to_anybody(workspace):
    refuse_held(workspace, OURS)
    refuse_held(workspace, "")


@pytest.mark.parametrize(
    ("found", "changes", "why"),
    [
        (Cancelled(message="by hand"), {}, "its run ended in Prefect as Cancelled: by hand"),
        (ObjectNotFound(Exception()), {}, "its run was deleted from Prefect"),
        (Failed(message="never resumed"), LATE, "nobody answered"),
        (Paused(), LATE, "nobody answered"),
        (ConnectionError("away"), LATE, "nobody answered"),
    ],
)
def test_a_hold_that_nobody_will_answer_frees_the_workspace_and_is_stopped(workspace, state, found, changes, why):
    held(workspace, **changes)
    state(found)
    refuse_held(workspace, OURS)
    assert read_hold(workspace.root) is None
    left = read_outcome(workspace.root)
    assert left.verdict == "stopped"
    assert why in left.reason


def test_a_run_answered_at_the_last_minute_still_has_its_workspace(workspace, state):
    held(workspace, **LATE)
    state(Running())
    with pytest.raises(WorkspaceBusy):
        refuse_held(workspace, OURS)


def test_a_question_that_cannot_be_read_locks_the_workspace_all_the_same(workspace):
    (workspace.root / "hold.json").write_text("{")
    with pytest.raises(WorkspaceBusy, match=r"hold\.json cannot be read"):
        refuse_held(workspace, OURS)


def test_only_the_held_run_itself_takes_its_question_away(workspace):
    held(workspace)
    release(workspace.root, OURS)
    assert read_hold(workspace.root) is not None
    release(workspace.root, THEIRS)
    assert read_hold(workspace.root) is None


def test_holds_over_their_time_are_settled_and_the_others_left(workspace, state, tmp_path):
    held(workspace, **LATE)
    other = workspace_of(Observation(name="other", data=tmp_path / "other.ms"), tmp_path / "runs")
    other.create()
    held(other)
    state(ConnectionError("away"))
    assert settle_expired_holds(tmp_path / "runs") == [workspace.root]
    assert read_outcome(other.root).verdict == "held"


def test_a_broken_question_does_not_keep_the_others_from_being_settled(workspace, state, tmp_path):
    held(workspace, **LATE)
    broken = tmp_path / "runs" / "broken"
    broken.mkdir()
    (broken / "hold.json").write_text("{")
    state(ConnectionError("away"))
    assert settle_expired_holds(tmp_path / "runs") == [workspace.root]


def test_a_later_runs_outcome_is_not_touched_by_settling(workspace, state):
    held(workspace, **LATE)
    workspace.outcome.write_text(outcome("passed").model_dump_json())
    state(ConnectionError("away"))
    refuse_held(workspace, OURS)
    assert read_outcome(workspace.root).verdict == "passed"


# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def answered(workspace, monkeypatch, tmp_path):
    """Take up this answer to a hold of ours; None: there is none."""

    def take(given, asked=True, **changes):
        question = held(workspace, OURS, **changes)
        known = {f"suspended-{question.key}-response": given, f"suspended-{question.key}-schema": asked or None}
        monkeypatch.setattr(holds, "read_flow_run_input", lambda key, flow_run_id: known[key])
        return take_up(workspace.root, OURS, Observation(name="night", data=tmp_path / "night.ms"))

    return take


def test_a_good_answer_is_kept_as_a_decision(workspace, answered):
    assert answered(GOOD) is None
    (made,) = read_decisions(workspace.root)
    assert (made.action, made.decided_by, made.metrics) == ("continue", "A. Stronomer", ("magnitude",))


def test_an_answer_is_taken_up_once(workspace, answered):
    answered(GOOD)
    answered(GOOD)
    assert len(read_decisions(workspace.root)) == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "action"),
        (None, "action"),
        (GOOD | {"decided_by": " "}, "decided_by"),
        (GOOD | {"action": "retry"}, "retry needs parameters"),
        (GOOD | {"action": "retry", "overrides": "delay.solintt=1"}, "delay.solint"),
        (GOOD | {"action": "retry", "overrides": "delay.solint=60"}, "a time needs its unit"),
    ],
)
def test_an_answer_that_decides_nothing_is_asked_again_under_another_key(workspace, answered, given, why):
    again = answered(given)
    assert why in again.refused
    assert again.key != "hold-1"
    assert read_hold(workspace.root) == again
    assert read_decisions(workspace.root) == ()
    assert "refused" in holds.form_text(again)


def test_a_run_killed_before_it_was_suspended_asks_afresh(answered, workspace):
    assert answered(None, asked=False) is None
    assert read_decisions(workspace.root) == ()


def test_a_run_retried_after_its_time_asks_afresh(answered):
    assert answered(None, **LATE) is None


def test_the_form_shows_numbers_bounds_and_the_time_that_is_left():
    text = holds.form_text(hold())
    assert "80 ns, bound <= 50" in text
    assert "look at the station's log" in text
    assert "Without an answer" in text


def test_the_form_as_prefect_keeps_it_requires_all_that_decides():
    from prefect._internal.pydantic.v2_schema import create_v2_schema

    schema = create_v2_schema("HoldForm", model_base=HoldForm.with_initial_data(description="why"))
    assert set(schema["required"]) == {"action", "decided_by", "reason"}
    assert schema["properties"]["action"]["enum"] == ["continue", "retry", "stop"]


# --- asking -----------------------------------------------------------------------------------------------------------


class Silent:
    """A display that shows nothing."""


@pytest.fixture
def run(make_calibration):
    return Run(make_calibration(overrides={"gates.delay.overrides": {"scatter": {"reason": "older"}}}), Silent())


def test_without_a_deployment_the_commands_to_go_on_are_given(run):
    run.reports.append(report("held", stopped_check()))
    run.at = "delay"
    assert isinstance(holds.held_or_stopped(run, GateFailed("gate delay")), GateFailed)
    retry, override = run.go_on
    root = run.calibration.workspace.root
    assert retry == f"gatecal calibrate {root}/observation.yaml --from delay --set NAME=VALUE --workspace {root.parent}"
    given = json.loads(shlex.split(override)[4].partition("gates.delay.overrides=")[2])
    assert given["delay:magnitude"] == {"decided_by": "YOUR NAME", "reason": "WHY"}
    assert given["scatter"]["reason"] == "older"
    assert run.hold is None


def test_what_could_not_be_measured_is_not_offered_to_be_let_pass(run):
    run.reports.append(report("held", check("stopped", None)))
    holds.held_or_stopped(run, GateFailed("gate delay"))
    assert len(run.go_on) == 1


def test_a_gate_that_stops_is_not_asked_about_because_another_holds(run):
    run.reports += [report("held", stopped_check()), report("stopped", stopped_check(), gate="second")]
    holds.held_or_stopped(run, GateFailed("gate second"))
    assert (run.hold, run.go_on) == (None, ())


def test_a_run_of_a_deployment_leaves_the_question_in_the_workspace(run, monkeypatch):
    flow_run = type("FlowRun", (), {"id": OURS, "deployment_id": THEIRS, "parent_task_run_id": None})()
    for module in (holds, runs):
        monkeypatch.setattr(module, "current_run", lambda: flow_run)
    run.reports.append(report("held", stopped_check(), reason="held for a person: Cm at 80 ns"))
    holds.held_or_stopped(run, GateFailed("gate delay"))
    asked = read_hold(run.calibration.workspace.root)
    assert asked == run.hold
    assert asked.question == "gate delay after delay: Cm at 80 ns"
    assert asked.until - asked.since == timedelta(hours=72)
    assert asked.flow_run == OURS


def test_a_run_that_a_person_stopped_says_who_and_why(run):
    when = datetime.now(UTC)
    words = {"gate": "delay", "suite": "delay", "step": "delay", "question": "?", "reason": "wrong source"}
    run.decisions = (
        Decision(**words, action="stop", decided_by="A. Stronomer", when=when, flow_run="r", key="k", basis="b"),
    )
    run.reports.append(report("stopped", stopped_check()))
    assert str(holds.held_or_stopped(run, GateFailed("gate delay: Cm"))) == (
        "gate delay: Cm. gate delay: A. Stronomer decided to stop: wrong source"
    )


# --- the runs of an observation ---------------------------------------------------------------------------------------


def test_a_run_knows_those_before_it(tmp_path):
    assert note_start(tmp_path, OURS, None) == ()
    (earlier,) = note_start(tmp_path, THEIRS, "gains")
    assert earlier.flow_run == OURS
    assert [note.from_step for note in read_runs(tmp_path)] == [None, "gains"]


def test_a_run_that_goes_on_is_no_new_run(tmp_path):
    note_start(tmp_path, OURS, "gains")
    assert note_start(tmp_path, OURS, "gains") == ()
    assert len(read_runs(tmp_path)) == 1


def test_a_run_starts_from_its_step_once_and_then_goes_on(tmp_path):
    assert start_step(tmp_path, OURS, "gains") == "gains"
    note_start(tmp_path, OURS, "gains")
    assert start_step(tmp_path, OURS, "gains") is None
    assert start_step(tmp_path, THEIRS, "gains") == "gains"


def test_a_completed_state_ends_a_hold_too(state):
    state(Completed())
    assert "Completed" in holds.why_over(hold(flow_run=THEIRS))
