"""Exit codes and the command: every way a run can end, and every way a request can be wrong."""

from __future__ import annotations

import io
import sys

import pytest
from prefect.states import Cancelled, Completed, Crashed, Failed
from rich.console import Console

from flows import command
from flows.calibrate import ended
from flows.launch import report
from flows.prepare import workspace_of
from schemas.observation import Observation
from tests.unit.flows.outcomes import outcome


@pytest.fixture
def observation(tmp_path):
    return Observation(name="night", data=tmp_path / "night.ms")


@pytest.fixture
def finished(observation, tmp_path):
    """Write an outcome of this verdict into the workspace."""

    def write(verdict="passed", **changes):
        workspace = workspace_of(observation, tmp_path)
        workspace.root.mkdir(exist_ok=True)
        workspace.outcome.write_text(outcome(verdict, **changes).model_dump_json())

    return write


def told(observation, tmp_path, state):
    console = Console(file=io.StringIO(), width=200)
    return report(observation, tmp_path, state, console), console.file.getvalue()


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        (Completed(), "passed", 0),
        (Completed(name="QA Warning"), "warned", 0),
        (Failed(name="QA Failed", message="m"), "stopped", 3),
        (Failed(name="QA Held", message="m"), "held", 4),
    ],
)
def test_a_run_that_came_to_a_verdict_shows_its_numbers(observation, finished, tmp_path, state, verdict, code):
    finished(verdict)
    found, text = told(observation, tmp_path, state)
    assert found == code
    assert f"night: {verdict}" in text


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (Failed(name="Refused", message="no field 'x' [y]"), 2),
        (Failed(name="Crashed", message="no field 'x' [y]"), 1),
        (Failed(message="no field 'x' [y]"), 1),
        (Crashed(message="no field 'x' [y]"), 1),
        (Cancelled(message="no field 'x' [y]"), 1),
    ],
)
def test_a_run_without_a_verdict_says_why_in_one_line(observation, tmp_path, state, code):
    found, text = told(observation, tmp_path, state)
    assert found == code
    assert text == f"{state.name}: no field 'x' [y]\n"


@pytest.mark.parametrize(
    ("verdict", "name", "completed"),
    [
        ("passed", "Completed", True),
        ("warned", "QA Warning", True),
        ("stopped", "QA Failed", False),
        ("held", "QA Held", False),
    ],
)
def test_the_state_of_a_run_is_named_for_its_verdict(verdict, name, completed):
    state = ended(outcome(verdict, reason="why" if not completed else ""))
    assert (state.name, state.is_completed()) == (name, completed)
    assert state.message == ("why" if not completed else f"night: {verdict}")


# --- the command ------------------------------------------------------------------------------------------------------


def run(monkeypatch, capsys, *arguments):
    """Return exit code and all that the command printed."""
    monkeypatch.setattr(sys, "argv", ["gatecal", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        command.main()
    printed = capsys.readouterr()
    return caught.value.code, printed.out + printed.err


def test_help_lists_the_commands(monkeypatch, capsys):
    code, text = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert all(word in text for word in ("demo", "calibrate", "gates"))


def test_an_unknown_option_is_bad_usage(monkeypatch, capsys):
    code, text = run(monkeypatch, capsys, "demo", "--bogus")
    assert (code, "--bogus" in text) == (2, True)


def test_an_unknown_step_is_bad_usage(monkeypatch, capsys):
    code, text = run(monkeypatch, capsys, "demo", "--from", "lunch")
    assert (code, "lunch" in text) == (2, True)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "night.yaml"
    path.write_text("name: night\ndata: night.ms\n")
    return path


def test_a_set_without_a_value_is_told_how_to_write_one(monkeypatch, capsys, file):
    code, text = run(monkeypatch, capsys, "calibrate", file, "--set", "gains.solint")
    assert (code, "--set gains.solint=30s" in text) == (2, True)


def test_a_wrong_override_is_refused_before_anything_is_written(monkeypatch, capsys, file, tmp_path):
    runs = tmp_path / "runs"
    code, text = run(monkeypatch, capsys, "calibrate", file, "--set", "gains.solint=60", "--workspace", runs)
    assert (code, "a time needs its unit, e.g. 60s" in text, runs.exists()) == (2, True, False)


def test_a_missing_observation_file_is_named(monkeypatch, capsys, tmp_path):
    code, text = run(monkeypatch, capsys, "calibrate", tmp_path / "none.yaml")
    assert (code, "none.yaml cannot be read" in text) == (2, True)


def test_data_that_are_not_there_are_refused(monkeypatch, capsys, file, tmp_path):
    code, text = run(monkeypatch, capsys, "calibrate", file, "--workspace", tmp_path / "runs")
    assert (code, "night.ms" in text) == (2, True)


def test_gates_of_a_folder_without_an_outcome_are_refused(monkeypatch, capsys, tmp_path):
    code, text = run(monkeypatch, capsys, "gates", tmp_path)
    assert (code, "holds no outcome.json" in text) == (2, True)


def test_gates_of_a_finished_run_are_shown(monkeypatch, capsys, tmp_path):
    (tmp_path / "outcome.json").write_text(outcome().model_dump_json())
    monkeypatch.setattr(sys, "argv", ["gatecal", "gates", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert caught.value.code == 0
    assert "Gates of night" in capsys.readouterr().out
