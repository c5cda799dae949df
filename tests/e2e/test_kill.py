"""After kill -9 in the middle of a CASA call, the same command goes on and ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tests.e2e.running import alive, copy_workspace, differences, finish, holder, outcome, reused, wait_for

pytestmark = [pytest.mark.casa, pytest.mark.slow]

INTO_THE_CALL_S = 0.04
"""How far into a call the kill comes: the shortest take 0.15 s."""


def start_and_kill(gatecal, root, arguments, task, whole_group):
    """Start the command, kill it in the middle of the next call of `task`, and return the processes it had."""
    logs = root / "logs"
    before = set(logs.glob("*.log"))
    process = gatecal.start(*arguments)

    def begun():
        new = (log for log in sorted(logs.glob(f"*-{task}.log")) if log not in before)
        return next((log for log in new if "Begin Task" in log.read_text(errors="replace")), None)

    log = wait_for(begun, process)
    time.sleep(INTO_THE_CALL_S)
    found = holder(root)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    finish(process)
    assert process.returncode == -signal.SIGKILL
    assert "End Task" not in log.read_text(), f"{task} had ended before the kill"
    assert found is not None
    assert found.workers
    return [found.server, *found.workers]


def run_again(gatecal, root, arguments, survivors):
    """Run the command to its end; no process of the killed run may live once it has taken the workspace."""
    process = gatecal.start(*arguments)
    wait_for(lambda: (now := holder(root)) is not None and now.process.pid == process.pid, process)
    assert alive(survivors) == []
    output = finish(process)
    assert process.returncode == 0, output


@pytest.fixture
def workspace(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


CASES = [
    # task, first step not finished, steps before it that must be reused
    pytest.param("flagdata", "flag", False, id="flagdata, the flow alone"),
    pytest.param("flagdata", "flag", True, id="flagdata, its whole group"),
    pytest.param("gaincal", "gains", False, id="gaincal, the flow alone"),
    pytest.param("gaincal", "gains", True, id="gaincal, its whole group"),
    pytest.param("applycal", "apply", False, id="applycal, the flow alone"),
    pytest.param("applycal", "apply", True, id="applycal, its whole group"),
]


@pytest.mark.parametrize(("task", "step", "whole_group"), CASES)
def test_a_killed_run_goes_on_to_the_same_tables_and_target(ngc5921, gatecal, casa, workspace, task, step, whole_group):
    root = copy_workspace(ngc5921.root, workspace)
    # What the killed run is to make must not be there already.
    for path in (*(root / "products").glob("*.ms"), *(root / "caltables").glob("*.p2")):
        shutil.rmtree(path)
    casa("tests.e2e.tables:clear_corrected", vis=root / "ms" / "ngc5921.ms")
    command = ("demo", "--workspace", workspace, "--set", "image.enabled=false")

    survivors = start_and_kill(gatecal, root, (*command, "--from", step), task, whole_group)
    run_again(gatecal, root, command, survivors)

    again = reused(root)
    steps = list(again)
    assert all(again[name] for name in steps[: steps.index(step)])
    assert not any(again[name] for name in steps[steps.index(step) :])
    assert differences(casa, root, ngc5921.root) == []


def test_a_first_run_killed_in_its_first_solve_goes_on_from_there(ngc5921, gatecal, casa, workspace):
    root = workspace / "ngc5921"
    command = ("demo", "--workspace", workspace, "--set", "image.enabled=false")

    survivors = start_and_kill(gatecal, root, command, "gaincal", True)
    run_again(gatecal, root, command, survivors)

    again = reused(root)
    assert [name for name in again if again[name]] == ["ingest", "inspect", "flag", "delay", "model"]
    assert differences(casa, root, ngc5921.root) == []
    assert list(root.rglob("*.partial")) == []
    assert [path.name for path in workspace.iterdir()] == ["ngc5921"]


def test_a_working_measurement_set_that_no_longer_opens_is_ingested_again(ngc5921, gatecal, casa, workspace):
    root = copy_workspace(ngc5921.root, workspace)
    table = root / "ms" / "ngc5921.ms" / "table.dat"
    os.truncate(table, table.stat().st_size // 2)

    ran = gatecal("demo", "--workspace", workspace, "--set", "image.enabled=false")

    assert ran.code == 0, ran.output
    assert not any(reused(root).values())
    assert outcome(root)["verdict"] == "passed"
    assert differences(casa, root, ngc5921.root) == []
