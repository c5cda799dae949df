"""The workspace's lock: who gets it, who is refused, and what is left of dead runs."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError, WorkspaceBusy
from tasks import workspace_lock
from tasks.workspace_lock import ProcessIdentity, WorkspaceLock


@pytest.fixture
def sleeper():
    """Run a process that leads a group of its own."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def content(workspace: Path) -> dict:
    return json.loads((workspace / ".lock").read_text())


def leave_behind(workspace: Path, **changes) -> None:
    """Leave a lock file as a run would that did not end in order."""
    with WorkspaceLock(workspace, run="old"):
        left = content(workspace)
    (workspace / ".lock").write_text(json.dumps(left | {"released": False} | changes))


DEAD = {"pid": 2**22 - 1, "started": 1}


def test_a_second_run_is_refused_with_the_holders_name(tmp_path):
    with WorkspaceLock(tmp_path, run="3C277.1"), pytest.raises(WorkspaceBusy) as caught:
        WorkspaceLock(tmp_path, run="other").__enter__()
    message = str(caught.value)
    assert "'3C277.1'" in message
    assert f"kill {os.getpid()}" in message
    assert str(tmp_path) in message


def test_the_lock_is_free_after_its_holder_let_go(tmp_path):
    with WorkspaceLock(tmp_path, run="first"):
        pass
    with WorkspaceLock(tmp_path, run="second"):
        assert content(tmp_path)["run"] == "second"


def test_the_lock_file_stays(tmp_path):
    with WorkspaceLock(tmp_path):
        inode = (tmp_path / ".lock").stat().st_ino
    assert (tmp_path / ".lock").stat().st_ino == inode
    assert content(tmp_path)["released"] is True


def test_the_file_names_the_process_and_its_workers(tmp_path, sleeper):
    worker = ProcessIdentity.of(sleeper.pid)
    with WorkspaceLock(tmp_path) as lock:
        lock.record_server(worker)
        lock.record(worker)
        assert content(tmp_path)["process"] == ProcessIdentity.of(os.getpid()).model_dump()
        assert content(tmp_path)["workers"] == [worker.model_dump()]
        assert content(tmp_path)["server"] == worker.model_dump()
        lock.forget(worker)
        assert content(tmp_path)["workers"] == []


def test_programs_that_a_run_starts_do_not_hold_its_lock(tmp_path):
    with WorkspaceLock(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with WorkspaceLock(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_survivor_of_a_dead_run_is_ended_before_the_new_run_starts(tmp_path):
    leave_behind(tmp_path, process=DEAD)
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    survivor = subprocess.Popen(["sleep", "60"], pass_fds=[descriptor], start_new_session=True)
    os.close(descriptor)
    left = content(tmp_path) | {"workers": [ProcessIdentity.of(survivor.pid).model_dump()]}
    (tmp_path / ".lock").write_text(json.dumps(left))
    with WorkspaceLock(tmp_path, patience_s=0.3):
        assert survivor.wait(1) == -signal.SIGKILL


def test_a_run_waits_for_a_survivor_that_ends_by_itself(tmp_path):
    leave_behind(tmp_path, process=DEAD)
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    survivor = subprocess.Popen(["sleep", "0.5"], pass_fds=[descriptor])
    os.close(descriptor)
    with WorkspaceLock(tmp_path, patience_s=5.0):
        assert survivor.wait(1) == 0


def test_a_run_never_starts_beside_a_survivor_that_cannot_be_ended(tmp_path, sleeper):
    # The recorded number belongs to another process by now: it is not this run's to end.
    leave_behind(tmp_path, process=DEAD, workers=[{"pid": sleeper.pid, "started": 1}])
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(WorkspaceBusy, match="fuser"):
        WorkspaceLock(tmp_path, patience_s=0.2).__enter__()
    os.close(descriptor)
    assert sleeper.poll() is None


def test_a_recorded_server_is_ended_though_it_does_not_hold_the_lock(tmp_path, sleeper):
    leave_behind(tmp_path, process=DEAD, server=ProcessIdentity.of(sleeper.pid).model_dump())
    with WorkspaceLock(tmp_path, patience_s=0.2):
        assert sleeper.wait(1) == -signal.SIGKILL


def test_workers_of_a_run_that_let_go_are_left_alone(tmp_path, sleeper):
    leave_behind(tmp_path, process=DEAD, released=True, workers=[ProcessIdentity.of(sleeper.pid).model_dump()])
    with WorkspaceLock(tmp_path, patience_s=0.2):
        assert sleeper.poll() is None


@pytest.mark.parametrize("held", [True, False])
def test_a_holder_on_another_machine_is_refused_with_its_name(tmp_path, held):
    leave_behind(tmp_path, host="correlator7", boot="another")
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    if held:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(WorkspaceBusy, match="correlator7"):
        WorkspaceLock(tmp_path).__enter__()
    os.close(descriptor)


def test_a_holder_on_another_machine_that_let_go_is_no_obstacle(tmp_path):
    leave_behind(tmp_path, host="correlator7", boot="another", released=True)
    with WorkspaceLock(tmp_path):
        pass


def test_a_holder_from_before_a_reboot_is_dead(tmp_path):
    leave_behind(tmp_path, boot="the one before")
    with WorkspaceLock(tmp_path):
        pass


@pytest.mark.parametrize("garbage", ["", "{", '{"run": "half'])
def test_a_half_written_file_is_no_obstacle_when_nobody_holds_it(tmp_path, garbage):
    (tmp_path / ".lock").write_text(garbage)
    with WorkspaceLock(tmp_path):
        pass


def test_a_run_killed_while_it_held_the_lock_leaves_it_free(tmp_path, monkeypatch):
    code = (
        "import sys,time; from pathlib import Path; from tasks.workspace_lock import WorkspaceLock\n"
        "with WorkspaceLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    root = str(Path(workspace_lock.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    monkeypatch.setattr(workspace_lock.time, "sleep", lambda _: pytest.fail("it waited"))
    with WorkspaceLock(tmp_path):
        pass


def test_a_file_system_without_locks_is_named_as_the_cause(tmp_path, monkeypatch):
    def unsupported(descriptor, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(ConfigurationError, match="no file locks"):
        WorkspaceLock(tmp_path).__enter__()


def test_an_identity_tells_a_process_from_a_later_one_of_its_number(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity.alive()
    assert not identity.evolve(started=identity.started - 1).alive()


def test_a_zombie_is_not_alive(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()


def test_a_workspace_is_busy_while_a_dask_worker_still_works_in_it(tmp_path):
    left = os.open(tmp_path / workspace_lock.PARTS_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(left, fcntl.LOCK_SH)
    with pytest.raises(WorkspaceBusy, match="Dask"):
        WorkspaceLock(tmp_path, patience_s=0.1).__enter__()
    os.close(left)
    with WorkspaceLock(tmp_path):
        pass
