"""Solves fanned out on a real Dask cluster give what the single call gives, and nothing of them outlives its flow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from schemas.errors import CasaError, CasaTimeout
from tasks import fan_out
from tasks.bandpass import solve_bandpass1
from tasks.casa import CasaServer, WorkspaceCasa, use_casa
from tasks.delay import solve_delays
from tasks.gains import solve_time_gains
from tasks.precal import solve_precal
from tasks.workspace import Workspace
from tasks.workspace_lock import ProcessIdentity, WorkspaceLock
from tests.contract.asleep import PID, part
from tests.contract.conftest import Recorder
from tests.e2e.running import REPOSITORY, wait_for

pytestmark = [pytest.mark.casa, pytest.mark.slow]

TABLES = {
    "all.K": "delay",
    "bpcals_precal.p1": "precal",
    "bpcals_precal.ap1": "precal",
    "bpcals.B1": "bandpass1",
    "calsources.p1": "gains",
    "calsources.ap1": "gains",
}
SUBTABLES = ("SPECTRAL_WINDOW", "ANTENNA", "FIELD", "OBSERVATION")


@pytest.fixture(scope="module")
def environment():
    """A Prefect server, and the address of a Dask cluster of two workers, on loopback."""
    from distributed import LocalCluster

    own = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with prefect_test_harness(server_startup_timeout=300), LocalCluster(**own) as cluster:
        found = {"PREFECT_API_URL": PREFECT_API_URL.value(), fan_out.SETTING: cluster.scheduler_address}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(fan_out.SETTING, cluster.scheduler_address)
            yield found


@pytest.fixture(scope="module")
def cluster(environment):
    with fan_out.connected() as runner:
        yield runner


@pytest.fixture(scope="module")
def server():
    with CasaServer() as running:
        yield running


def alone(step):
    """Return a step's own function, which asks no ledger."""
    return step.fn.__wrapped__


def solved(stepped, folder, casa):
    """Solve again what the recipe has solved, in a copy of its workspace; return the workspace and what was said."""
    workspace = Workspace(Path(shutil.copytree(stepped.root, folder / stepped.root.name, symlinks=True)))
    calibration = replace(stepped.calibration, workspace=workspace)
    for table in TABLES:
        shutil.rmtree(workspace.caltables / table)
    recorder = Recorder(casa(workspace))
    with use_casa(recorder):
        delays = alone(solve_delays)(calibration)
        precal = alone(solve_precal)(calibration, delays)
        bandpass = alone(solve_bandpass1)(calibration, delays, precal)
        gains = alone(solve_time_gains)(calibration, delays, bandpass)
    return workspace, recorder, {"delay": delays, "precal": precal, "bandpass1": bandpass, "gains": gains}


@pytest.fixture(scope="module")
def single(stepped, server, tmp_path_factory):
    return solved(stepped, tmp_path_factory.mktemp("single"), lambda at: WorkspaceCasa(server, at.logs))


@pytest.fixture(scope="module")
def fanned(stepped, server, cluster, tmp_path_factory):
    def casa(at):
        return fan_out.fanned_out(WorkspaceCasa(server, at.logs), cluster, at.root)

    return solved(stepped, tmp_path_factory.mktemp("fanned"), casa)


@pytest.fixture
def casa(server, tmp_path):
    return WorkspaceCasa(server, tmp_path / "logs")


def columns(casa, table):
    return casa("tests.e2e.tables:all_columns", table=table)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_the_single_call_row_by_row(single, fanned, casa, name):
    for place in ("", *SUBTABLES):
        one, other = (columns(casa, found[0].caltables / name / place) for found in (single, fanned))
        np.testing.assert_equal(other, one)
        assert one


@pytest.mark.parametrize("name", TABLES)
def test_each_spw_was_solved_on_the_cluster(fanned, name):
    task = "bandpass" if ".B" in name else "gaincal"
    logs = [log.read_text() for log in fanned[0].logs.glob(f"*-{task}-spw*.log")]
    for spw in range(4):
        own = [log for log in logs if f".{name}.partial.parts/" in log and f"-spw{spw}-" in log]
        assert len(own) == (2 if name.startswith("bpcals_precal") else 1)
    assert not list(fanned[0].caltables.glob(".*"))


def test_the_statistics_are_those_of_the_single_call(single, fanned):
    for task in ("gaincal", "bandpass"):
        one, other = (found[1].answers(task) for found in (single, fanned))
        np.testing.assert_equal([a["solvestats"] for a in other], [a["solvestats"] for a in one])


def test_the_records_and_their_numbers_are_those_of_the_single_call(single, fanned):
    assert fanned[2] == single[2]
    for step in set(TABLES.values()):
        for table in fanned[2][step].tables:
            for path in (table.rows, table.statistics):
                assert (fanned[0].root / path).read_bytes() == (single[0].root / path).read_bytes()


def test_a_spw_without_unflagged_data_is_missing_as_from_the_single_call(stepped, casa, cluster, tmp_path):
    vis = shutil.copytree(stepped.calibration.vis, tmp_path / "tiny.ms")
    casa("flagdata", vis=vis, spw="1", field="1407+284", flagbackup=False)
    asked = {"vis": str(vis), "field": "1407+284", "refant": "Mk2", "calmode": "p", "solint": "60s"}
    one = casa("gaincal", caltable=str(tmp_path / "one"), **asked)
    other = fan_out.fanned_out(casa, cluster, tmp_path)("gaincal", caltable=str(tmp_path / "other"), **asked)
    np.testing.assert_equal(other["solvestats"], one["solvestats"])
    np.testing.assert_equal(columns(casa, tmp_path / "other"), columns(casa, tmp_path / "one"))
    assert set(columns(casa, tmp_path / "other")["SPECTRAL_WINDOW_ID"]) == {0, 2, 3}


def test_an_error_of_casa_comes_back_as_itself(stepped, casa, cluster, tmp_path):
    asked = {"vis": stepped.calibration.vis, "caltable": str(tmp_path / "t"), "field": "1407+284", "refant": "nobody"}
    with pytest.raises(CasaError, match="nobody") as caught:
        fan_out.fanned_out(casa, cluster, tmp_path)("gaincal", **asked)
    assert type(caught.value) is CasaError
    assert "SEVERE" in caught.value.log_tail
    assert caught.value.parameters["spw"] == "0"
    assert not (tmp_path / "t").exists()


def asleep(workspace):
    """Return the process of a solve that never ends, once there is one."""
    pid = workspace / PID
    wait_for(lambda: pid.exists() and pid.read_text())
    return ProcessIdentity.of(int(pid.read_text()))


def prepared(tmp_path):
    (tmp_path / "vis").touch()
    (tmp_path / "logs").mkdir()


def test_a_part_over_its_time_limit_is_ended_and_says_so(cluster, tmp_path):
    prepared(tmp_path)
    with pytest.raises(CasaTimeout, match="longer than its limit of 3 s"):
        fan_out.FannedOut(None, cluster, tmp_path).answers([part(tmp_path, timeout_s=3.0)])
    left = [int(found.read_text()) for found in tmp_path.glob(PID)]
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_part_ends_with_its_flow_and_the_workspace_is_free(environment, tmp_path, number):
    prepared(tmp_path)
    flow = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.asleep", tmp_path],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        child = asleep(tmp_path)
        flow.send_signal(number)
        flow.wait(20)
        wait_for(lambda: not child.alive())  # for less long than it sleeps
        with WorkspaceLock(tmp_path, patience_s=10.0):
            pass
    finally:
        flow.kill()
        flow.wait()
