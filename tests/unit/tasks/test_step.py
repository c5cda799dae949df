"""A step is reused, run again, tried once more, or fails, and the ledger says which."""

from __future__ import annotations

import pytest
from prefect.states import Completed

from schemas.errors import CasaCrashed, CasaError, CasaTimeout, SolveError
from schemas.ledger import MsState
from schemas.solutions import SolveRecord
from tasks.step import REUSED, step

CHAIN = ("ingest", "inspect", "flag", "delay", "model")


class Recipe:
    """The first five steps as functions that count themselves."""

    def __init__(self):
        self.ran = []
        self.errors = []

    def _act(self, name):
        def function(calibration, *inputs):
            self.ran.append(name)
            self.state = calibration.keeper.state
            if self.errors and self.errors[0][0] == name:
                raise self.errors.pop(0)[1]
            return SolveRecord(skipped=f"{name} run {self.ran.count(name)}")

        return step(name, SolveRecord)(function)

    def run(self, calibration, steps=CHAIN):
        """Return what each step's body gives back, without Prefect."""
        return {name: self._act(name).fn(calibration) for name in steps}

    def in_prefect(self, calibration, name):
        """Return the final state of one step run by Prefect."""
        return self._act(name)(calibration, return_state=True)


@pytest.fixture
def recipe(casa):
    return Recipe()


def error(kind=CasaError):
    return kind("it failed", "gaincal", {"solint": "16s"}, "the log's end")


def entries(calibration):
    return [entry.step for entry in calibration.keeper.ledger.entries]


# --- reuse ------------------------------------------------------------------------------------------------------------


def test_a_finished_step_is_reused_with_the_same_record_and_shown_as_cached(make_calibration, recipe):
    first = recipe.run(make_calibration())
    again = recipe.run(make_calibration())
    assert recipe.ran == list(CHAIN)
    for name in CHAIN:
        assert isinstance(again[name], type(Completed()))
        assert (again[name].name, again[name].data) == (REUSED, first[name])


def test_the_first_changed_step_and_all_after_it_run_again(make_calibration, recipe):
    recipe.run(make_calibration())
    again = recipe.run(make_calibration(overrides={"flag.late_on_source_s": 20.0}))
    assert recipe.ran[len(CHAIN) :] == ["flag", "delay", "model"]
    assert [again[name].skipped for name in ("flag", "delay", "model")] == [f"{name} run 2" for name in CHAIN[2:]]


def test_a_dropped_step_and_all_after_it_run_again_though_nothing_changed(make_calibration, recipe):
    recipe.run(make_calibration())
    calibration = make_calibration()
    calibration.keeper.drop("delay")
    recipe.run(calibration)
    assert recipe.ran[len(CHAIN) :] == ["delay", "model"]


def test_going_back_to_the_old_parameters_does_not_bring_back_old_results(make_calibration, recipe):
    recipe.run(make_calibration())
    recipe.run(make_calibration(overrides={"delay.solint": "60s"}))
    recipe.run(make_calibration())
    assert recipe.ran[len(CHAIN) :] == ["delay", "model", "delay", "model"]


def test_a_step_whose_result_no_longer_stands_runs_again(calibration, recipe):
    standing = [True]
    act = step("ingest", SolveRecord, still_there=lambda _calibration: standing[0])(
        recipe._act("ingest").fn.__wrapped__
    )
    act.fn(calibration)
    standing[0] = False
    act.fn(calibration)
    assert recipe.ran == ["ingest", "ingest"]


def test_steps_reused_call_no_casa(make_calibration, recipe, casa):
    recipe.run(make_calibration())
    casa.calls.clear()
    recipe.run(make_calibration())
    assert casa.calls == []


# --- state of the MeasurementSet --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "during", "after"),
    [
        ("ingest", MsState(), MsState(flags="ingested", models="none")),
        ("inspect", MsState(flags="ingested", models="none"), MsState(flags="ingested", models="none")),
        ("flag", MsState(flags="changing", models="none"), MsState(flags="flagged", models="none")),
        ("delay", MsState(flags="flagged", models="none"), MsState(flags="flagged", models="none")),
        ("model", MsState(flags="flagged", models="changing"), MsState(flags="flagged", models="flux")),
        ("bandpass2", MsState(flags="flagged", models="changing"), MsState(flags="flagged", models="all")),
        ("apply", MsState(flags="changing", models="all"), MsState(flags="applied", models="all")),
    ],
)
def test_what_a_step_writes_is_changing_while_it_runs_and_known_after(calibration, recipe, name, during, after):
    recipe.run(calibration, (name,))
    assert (recipe.state, calibration.keeper.state) == (during, after)


@pytest.mark.parametrize("name", ["flag", "delay", "model"])
def test_a_step_that_fails_is_not_in_the_ledger_and_what_it_writes_is_unknown(calibration, recipe, name):
    before = CHAIN[: CHAIN.index(name)]
    recipe.run(calibration, before)
    recipe.errors.append((name, SolveError("no table")))
    with pytest.raises(SolveError):
        recipe.run(calibration, (name,))
    assert entries(calibration) == list(before)
    state = calibration.keeper.state
    assert (state.flags == "changing", state.models == "changing") == (name == "flag", name == "model")


def test_after_a_failure_the_flags_are_restored_before_the_next_try(make_calibration, recipe, casa):
    calibration = make_calibration()
    recipe.errors.append(("flag", SolveError("no table")))
    with pytest.raises(SolveError):
        recipe.run(calibration, CHAIN[:3])
    casa.calls.clear()
    recipe.run(make_calibration(), CHAIN[:3])
    assert [call["versionname"] for call in casa.asked("flagmanager")] == ["ingested"]


def test_a_step_run_again_forgets_later_results_even_if_it_fails(make_calibration, recipe):
    recipe.run(make_calibration())
    calibration = make_calibration(overrides={"delay.solint": "60s"})
    recipe.errors.append(("delay", SolveError("no table")))
    with pytest.raises(SolveError):
        recipe.run(calibration)
    assert entries(calibration) == ["ingest", "inspect", "flag"]


# --- Prefect ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tasks_without_a_server")
class TestInPrefect:
    @pytest.mark.parametrize("kind", [CasaCrashed, CasaTimeout])
    def test_a_crash_is_tried_once_more(self, calibration, recipe, kind):
        recipe.errors.append(("delay", error(kind)))
        state = recipe.in_prefect(calibration, "delay")
        assert state.is_completed()
        assert recipe.ran == ["delay", "delay"]
        assert entries(calibration) == ["delay"]

    def test_a_second_crash_is_the_end(self, calibration, recipe):
        recipe.errors += [("delay", error(CasaCrashed))] * 2
        assert recipe.in_prefect(calibration, "delay").is_failed()
        assert recipe.ran == ["delay", "delay"]

    @pytest.mark.parametrize("failure", [error(), SolveError("no table")])
    def test_another_error_is_not_tried_again(self, calibration, recipe, failure):
        recipe.errors.append(("delay", failure))
        state = recipe.in_prefect(calibration, "delay")
        assert state.is_failed()
        assert recipe.ran == ["delay"]
        assert type(state.result(raise_on_failure=False)) is type(failure)

    def test_a_reused_step_ends_in_the_state_cached(self, make_calibration, recipe):
        first = recipe.in_prefect(make_calibration(), "delay")
        again = recipe.in_prefect(make_calibration(), "delay")
        assert (first.name, again.name) == ("Completed", REUSED)
        assert again.result() == first.result()
        assert recipe.ran == ["delay"]
