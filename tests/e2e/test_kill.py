"""After kill -9 in the middle of a CASA call, the same command goes on and ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from schemas.steps import STEPS
from tests.e2e.running import (
    HISTORY,
    QUICK,
    alive,
    caught_in,
    copy_workspace,
    differences,
    finish,
    holder,
    outcome,
    reused,
    wait_for,
)

pytestmark = [pytest.mark.casa, pytest.mark.slow]


def start_and_kill(gatecal, root, arguments, task, whole_group):
    """Start the command, kill it in the middle of a call of `task`, and return the CASA processes it had."""
    process = gatecal.start(*arguments)
    found = caught_in(task, root, process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    finish(process)
    assert process.returncode == -signal.SIGKILL
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


@pytest.mark.parametrize(
    ("task", "step", "whole_group"),
    [
        # The step is the first that is not finished.
        pytest.param("flagdata", "flag", False, id="flagdata, the flow alone"),
        pytest.param("flagdata", "flag", True, id="flagdata, its whole group"),
        pytest.param("gaincal", "gains", False, id="gaincal, the flow alone"),
        pytest.param("applycal", "apply", False, id="applycal, the flow alone"),
        pytest.param("applycal", "apply", True, id="applycal, its whole group"),
    ],
)
def test_a_killed_run_goes_on_to_the_same_tables_and_target(ngc5921, gatecal, casa, workspace, task, step, whole_group):
    root = copy_workspace(ngc5921.root, workspace)
    # What the killed run is to make must not be there already.
    for path in (*(root / "products").glob("*.ms"), *(root / "caltables").glob("*.p2")):
        shutil.rmtree(path)
    casa("tests.e2e.tables:clear_corrected", vis=root / "ms" / "ngc5921.ms")
    command = ("demo", "--workspace", workspace, *QUICK)

    survivors = start_and_kill(gatecal, root, (*command, "--from", step), task, whole_group)
    run_again(gatecal, root, command, survivors)

    again = reused(root)
    assert [name for name in STEPS if again[name]] == list(STEPS[: STEPS.index(step)])
    assert differences(casa, root, ngc5921.root) == []


def test_a_first_run_killed_with_its_group_in_its_first_solve_goes_on_from_there(ngc5921, gatecal, casa, workspace):
    root = workspace / "ngc5921"
    command = ("demo", "--workspace", workspace, "--set", "image.enabled=false")

    survivors = start_and_kill(gatecal, root, command, "gaincal", True)
    run_again(gatecal, root, command, survivors)

    again = reused(root)
    assert [name for name in again if again[name]] == ["ingest", "inspect", "flag", "delay", "model"]
    assert differences(casa, root, ngc5921.root) == []
    assert list(root.rglob("*.partial")) == []
    assert {path.name for path in workspace.iterdir()} <= {"ngc5921", *HISTORY}


def test_a_working_measurement_set_that_no_longer_opens_is_ingested_again(ngc5921, gatecal, casa, workspace):
    root = copy_workspace(ngc5921.root, workspace)
    table = root / "ms" / "ngc5921.ms" / "table.dat"
    os.truncate(table, table.stat().st_size // 2)

    ran = gatecal("demo", "--workspace", workspace, *QUICK)

    assert ran.code == 0, ran.output
    assert not any(reused(root).values())
    assert outcome(root)["verdict"] == "passed"
    assert differences(casa, root, ngc5921.root) == []
