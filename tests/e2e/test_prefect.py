"""What a real Prefect server shows of the runs: named tasks with final states, artifacts, the flow's own state."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import urllib.request

import pytest

from schemas.steps import STEPS
from tests.e2e.running import Gatecal, copy_workspace, outcome

pytestmark = [pytest.mark.casa, pytest.mark.slow]

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PUBLISHED = {"history", "plots", "report", "mail"}
"""What follows the recipe, each a task of its own."""
RECORDED_S = 30.0
"""How long the server may take to write the last events down [s]."""


class Server:
    """A Prefect server's API, read-only."""

    def __init__(self, url):
        self._url = url

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self._url}/{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())

    def flow_run(self, root):
        return self.ask(f"flow_runs/{outcome(root)['provenance']['flow_run']}")

    def _of(self, root, kind, **more):
        chosen = {"flow_runs": {"id": {"any_": [outcome(root)["provenance"]["flow_run"]]}}}
        return self.ask(f"{kind}/filter", {**chosen, "limit": 200, **more})

    def task_runs(self, root, expected):
        """Return the task runs by name, once the server has those expected in a final state."""
        deadline = time.monotonic() + RECORDED_S
        while True:
            runs = {run["name"].rpartition("-")[0]: run for run in self._of(root, "task_runs")}
            done = expected <= runs.keys() and all(run["state_type"] in FINAL for run in runs.values())
            if done or time.monotonic() > deadline:
                return runs
            time.sleep(0.5)

    def artifacts(self, root):
        return {artifact["key"]: artifact for artifact in self._of(root, "artifacts")}


@pytest.fixture(scope="module")
def server(prefect_url):
    return Server(prefect_url)


def gates_of(root):
    return {f"gate {report['gate']}" for report in outcome(root)["gates"]}


def test_every_stage_and_gate_is_a_named_task_that_completed(server, ngc5921):
    expected = {*STEPS, *gates_of(ngc5921.root)}
    runs = server.task_runs(ngc5921.root, expected)
    assert expected <= runs.keys()
    assert {name: run["state_type"] for name, run in runs.items() if run["state_type"] != "COMPLETED"} == {}


def test_every_gate_has_a_table_artifact_with_its_checks(server, ngc5921):
    artifacts = server.artifacts(ngc5921.root)
    for report in outcome(ngc5921.root)["gates"]:
        key = f"ngc5921-gate-{report['gate']}".replace(".", "-").replace("_", "-")
        assert artifacts[key]["type"] == "table"
        rows = json.loads(artifacts[key]["data"])
        if report["verdict"] != "skipped":
            assert [row["verdict"] for row in rows] == [check["verdict"] for check in report["checks"]]
            assert all(row["bound"] for row in rows if row["verdict"] != "not applicable")
    summary = artifacts["ngc5921-summary"]
    assert summary["type"] == "markdown"
    assert "1445+09900002_0" in summary["data"]


def test_a_run_within_all_bounds_is_completed(server, ngc5921):
    run = server.flow_run(ngc5921.root)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Completed")
    assert run["name"] == "ngc5921"


def test_a_warned_run_is_completed_as_qa_warning(server, warned):
    assert warned.command.code == 0
    assert outcome(warned.root)["verdict"] == "warned"
    run = server.flow_run(warned.root)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "QA Warning")


def test_a_stopped_run_is_failed_as_qa_failed_with_its_reason(server, stopped):
    run = server.flow_run(stopped.root)
    assert (run["state_type"], run["state_name"]) == ("FAILED", "QA Failed")
    assert "gate result" in run["state"]["message"]
    assert "1445+09900002_0" in run["state"]["message"]


def test_reused_stages_are_cached_and_none_after_the_stop_is_run(server, stopped):
    stages = STEPS[: STEPS.index("split") + 1]
    runs = server.task_runs(stopped.root, set(stages))
    assert {name: runs[name]["state_name"] for name in stages} == dict.fromkeys(stages, "Cached")
    assert "image" not in runs


@pytest.fixture(scope="module")
def alone(ngc5921, gatecal, tmp_path_factory):
    """A rerun of a finished observation without a server, and the folder of Prefect's own database."""
    folder = tmp_path_factory.mktemp("alone")
    root = copy_workspace(ngc5921.root, folder / "workspace")
    environment = {name: value for name, value in gatecal.environment.items() if name != "PREFECT_API_URL"}
    without = Gatecal(environment | {"PREFECT_HOME": str(folder / "prefect")}, gatecal.cwd)
    ran = without("demo", "--workspace", root.parent)
    assert ran.code == 0, ran.output
    yield root, folder / "prefect"
    shutil.rmtree(folder)


def test_without_a_server_the_task_rows_are_complete_all_the_same(alone):
    root, prefect_home = alone
    database = sqlite3.connect(prefect_home / "prefect.db")
    rows = database.execute("select name, state_type from task_run").fetchall()
    database.close()
    runs = {name.rpartition("-")[0]: state for name, state in rows}
    assert runs.keys() == {*STEPS, *gates_of(root), *PUBLISHED}
    assert set(runs.values()) == {"COMPLETED"}


def test_a_rerun_of_a_finished_observation_reuses_every_stage_and_comes_to_the_same(ngc5921, alone):
    again, first = outcome(alone[0]), outcome(ngc5921.root)
    assert all(step["reused"] for step in again["steps"])
    for key in ("gates", "delays", "fluxes", "solve_statistics", "flagged", "products", "corrected", "images"):
        assert again[key] == first[key], key
