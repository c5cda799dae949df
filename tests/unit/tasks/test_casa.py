"""The door to CASA, without CASA: a server that preloads nothing and runs functions of a module made here."""

import contextvars
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import CasaCrashed, CasaError, CasaTimeout, DataUnusable
from tasks.casa import CasaServer, WorkspaceCasa, current, run, use_casa
from tasks.casa_client import _search_path
from tasks.casa_log import log_tail
from tasks.workspace_lock import ProcessIdentity, WorkspaceLock, _start_time
from tests.unit.fakes import FakeCasa

PROBE = """
import os, signal, subprocess, sys, time
from pathlib import Path

from schemas.errors import DataUnusable


def echo(**parameters):
    return parameters


def where():
    return os.getcwd(), os.getpid(), os.getpgid(0), os.environ["OMP_NUM_THREADS"]


def die(number):
    os.kill(os.getpid(), number)


def leave(status):
    os._exit(status)


def fail(message):
    print("printed before it failed")
    raise ValueError(message)


def judge():
    raise DataUnusable("no calibrator left")


def unpicklable():
    return lambda: None


def say(words):
    print(words)


def sleep(family):
    helper = subprocess.Popen(["sleep", "60"])
    Path(family).write_text(f"{os.getpid()} {helper.pid}\\n")
    time.sleep(60)


def stubborn(family):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep(family)


def meet(mine, other):
    Path(mine).touch()
    for _ in range(200):
        if Path(other).exists():
            return True
        time.sleep(0.05)
    return None
"""
CASATASKS = """
def gaincal(**parameters):
    return False


def split(**parameters):
    return None
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.py").write_text(PROBE)
    (folder / "casatasks.py").write_text(CASATASKS)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def server(probe):
    with CasaServer(preload=()) as running:
        yield running


@pytest.fixture
def casa(server, tmp_path):
    return WorkspaceCasa(server, tmp_path / "logs")


def family(path: Path) -> list[ProcessIdentity]:
    """Wait for a sleeping child to name itself and its helper, and return both."""
    return [ProcessIdentity.of(int(pid)) for pid in waited(lambda: path.exists() and path.read_text().split())]


def waited(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def gone(processes) -> bool:
    return not any(process.alive() for process in processes)


def test_a_call_returns_what_the_function_returns(casa):
    got = casa("probe:echo", spw="0:4~8", grid=np.arange(3.0), nested={"a": [1, None]})
    np.testing.assert_array_equal(got.pop("grid"), [0.0, 1.0, 2.0])
    assert got == {"spw": "0:4~8", "nested": {"a": [1, None]}}


def test_answers_larger_than_the_sockets_buffer_arrive_whole(casa):
    grid = np.arange(2_000_000)
    np.testing.assert_array_equal(casa("probe:echo", grid=grid)["grid"], grid)


def test_paths_go_as_absolute_strings_and_tuples_as_lists(casa):
    got = casa("probe:echo", vis=Path("a.ms"), gaintable=(Path("/b"), "c"))
    assert got == {"vis": str(Path.cwd() / "a.ms"), "gaintable": ["/b", "c"]}


def test_a_call_runs_in_a_folder_and_process_group_of_its_own_with_one_thread(casa, tmp_path):
    folder, pid, group, threads = casa("probe:where")
    assert Path(folder) == tmp_path / "logs" / "0001-where.work"
    assert pid == group != os.getpid()
    assert threads == "1"


def test_the_working_folder_is_removed_and_empty_logs_are_not_kept(casa, tmp_path):
    casa("probe:where")
    assert list((tmp_path / "logs").iterdir()) == []


def test_what_a_call_prints_stands_beside_its_log(casa, tmp_path):
    casa("probe:say", words="two of three")
    assert (tmp_path / "logs" / "0001-say.out").read_text() == "two of three\n"


def test_logs_of_a_rerun_are_numbered_after_those_that_are_there(server, tmp_path):
    (tmp_path / "0041-gaincal.log").touch()
    (tmp_path / "0040-split.work").mkdir()
    WorkspaceCasa(server, tmp_path)("probe:say", words="again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0041-gaincal.log", "0042-say.out"]


def test_an_exception_becomes_a_casa_error_with_task_and_parameters(casa):
    with pytest.raises(CasaError, match="ValueError: no such field") as caught:
        casa("probe:fail", message="no such field")
    assert type(caught.value) is CasaError
    assert (caught.value.task, caught.value.parameters) == ("probe:fail", {"message": "no such field"})


def test_an_error_of_our_own_comes_through_as_it_is(casa):
    with pytest.raises(DataUnusable, match="no calibrator left"):
        casa("probe:judge")


def test_an_answer_that_cannot_be_pickled_is_an_error_and_not_a_crash(casa):
    with pytest.raises(CasaError) as caught:
        casa("probe:unpicklable")
    assert not isinstance(caught.value, CasaCrashed)


def test_a_function_that_does_not_exist_is_an_error(casa):
    with pytest.raises(CasaError, match="nosuch"):
        casa("probe:nosuch")


def test_a_task_of_casa_that_returns_false_has_failed(casa):
    with pytest.raises(CasaError, match="returned False"):
        casa("gaincal", vis="a.ms")


def test_a_task_of_casa_that_returns_none_has_not(casa):
    assert casa("split", vis="a.ms") is None


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_child_that_dies_of_a_signal_has_crashed_by_its_name(casa, number):
    with pytest.raises(CasaCrashed, match=number.name):
        casa("probe:die", number=int(number))


def test_a_crash_says_which_python_line_it_was_called_from(casa):
    with pytest.raises(CasaCrashed) as caught:
        casa("probe:die", number=int(signal.SIGSEGV))
    assert "probe.py" in caught.value.log_tail


def test_a_child_that_leaves_without_an_answer_has_crashed(casa):
    with pytest.raises(CasaCrashed, match="status 3"):
        casa("probe:leave", status=3)


def test_the_server_serves_on_after_a_crash(casa):
    with pytest.raises(CasaCrashed):
        casa("probe:die", number=int(signal.SIGSEGV))
    assert casa("probe:echo", a=1) == {"a": 1}


def test_calls_run_side_by_side(casa, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    with ThreadPoolExecutor(2) as pool:
        met = pool.map(lambda pair: casa("probe:meet", mine=pair[0], other=pair[1]), [(one, two), (two, one)])
    assert list(met) == [True, True]


@pytest.mark.parametrize("sleeper", ["sleep", "stubborn"])
def test_a_call_over_its_limit_is_ended_with_its_whole_process_group(casa, tmp_path, sleeper):
    with pytest.raises(CasaTimeout, match=r"0\.5 s"):
        casa(f"probe:{sleeper}", timeout_s=0.5, family=tmp_path / "family")
    pids = [int(pid) for pid in (tmp_path / "family").read_text().split()]
    waited(lambda: not any(_start_time(pid) for pid in pids), 2.0)


def test_an_exception_in_the_waiting_thread_ends_the_child(casa, tmp_path):
    raised = []

    def cancelled():
        try:
            casa("probe:sleep", family=tmp_path / "family")
        except KeyboardInterrupt as error:
            raised.append(error)

    thread = threading.Thread(target=cancelled)
    thread.start()
    processes = family(tmp_path / "family")
    interrupt(thread)
    thread.join(10)
    assert raised
    waited(lambda: gone(processes), 2.0)


def interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread, as Prefect's cancellation does."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))


def test_closing_the_server_ends_its_children_and_itself(probe, tmp_path):
    with CasaServer(preload=()) as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(WorkspaceCasa(server, tmp_path / "logs"), "probe:sleep", family=tmp_path / "family")
        processes = [*family(tmp_path / "family"), server.identity()]
        server.close()
        with pytest.raises(CasaCrashed, match=r"together with the CASA server|SIGKILL"):
            call.result(10)
    waited(lambda: gone(processes), 2.0)


def test_a_server_that_died_is_started_again_for_the_next_call(probe, tmp_path):
    with CasaServer(preload=()) as server:
        casa = WorkspaceCasa(server, tmp_path / "logs")
        first = casa("probe:where")
        os.kill(server.identity().pid, signal.SIGKILL)
        waited(lambda: server.identity() is None)
        assert casa("probe:where")[0] != first[0]


def test_the_death_of_the_server_ends_its_children_and_is_a_crash(probe, tmp_path):
    with CasaServer(preload=()) as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(WorkspaceCasa(server, tmp_path / "logs"), "probe:sleep", family=tmp_path / "family")
        child, _ = family(tmp_path / "family")
        os.kill(server.identity().pid, signal.SIGKILL)
        with pytest.raises(CasaCrashed, match="together with the CASA server"):
            call.result(10)
        waited(lambda: not child.alive(), 2.0)


def test_a_server_that_cannot_import_its_modules_says_which(tmp_path):
    with CasaServer(preload=("no_such_module",)) as server, pytest.raises(CasaError, match="no_such_module"):
        WorkspaceCasa(server, tmp_path)("probe:echo")


def test_start_does_not_wait_for_the_imports(probe):
    imported = probe / "imported"
    slow = f"import time; from pathlib import Path; time.sleep(600); Path({str(imported)!r}).touch()"
    (probe / "slow_import.py").write_text(slow)
    with CasaServer(preload=("slow_import",)) as server:
        identity = server.identity()
    # Closing did not wait for them either, and left nothing.
    assert gone([identity])
    assert not imported.exists()


FLOW = """
import sys
from pathlib import Path
from tasks.casa import CasaServer, WorkspaceCasa
from tasks.workspace_lock import WorkspaceLock

workspace = Path(sys.argv[1])
with CasaServer(preload=()) as server, WorkspaceLock(workspace, run="doomed") as lock:
    WorkspaceCasa(server, workspace / "logs", lock)("probe:sleep", family=workspace / "family")
"""


@pytest.fixture
def flow(probe, tmp_path):
    """Run a flow that waits for a sleeping child in a process (group) of its own."""
    # TMPDIR: a server that is killed together with its flow leaves its folder behind.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(_search_path()), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FLOW), str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_nothing_outlives_a_flow_that_was_killed(flow, tmp_path, kill):
    processes = family(tmp_path / "family")
    content = json.loads((tmp_path / ".lock").read_text())
    processes.append(ProcessIdentity(**content["server"]))
    assert content["workers"] == [processes[0].model_dump()]
    kill(flow.pid, signal.SIGKILL)
    flow.wait()
    waited(lambda: gone(processes), 2.0)
    with WorkspaceLock(tmp_path, run="next"):
        pass


def test_a_child_holds_the_workspaces_lock_while_it_lives(flow, tmp_path):
    child, _ = family(tmp_path / "family")
    content = json.loads((tmp_path / ".lock").read_text())
    server = content["server"]["pid"]
    os.kill(server, signal.SIGSTOP)  # so that it cannot end the child
    flow.kill()
    flow.wait()
    assert child.alive()
    began = time.monotonic()
    with WorkspaceLock(tmp_path, run="next", patience_s=0.5):
        assert not child.alive()
        assert not ProcessIdentity(**content["server"]).alive()
    assert time.monotonic() - began >= 0.5


def test_run_reaches_the_casa_in_use():
    fake = FakeCasa({"gaincal": {"solvestats": {}}})
    with use_casa(fake):
        assert run("gaincal", vis=Path("/a.ms"), spw=("0",)) == {"solvestats": {}}
    assert fake.calls == [("gaincal", {"vis": "/a.ms", "spw": ["0"]})]


def test_without_a_casa_in_use_the_error_says_what_to_do():
    with pytest.raises(RuntimeError, match="use_casa"):
        current()


def test_the_casa_in_use_reaches_threads_that_copy_the_context():
    fake = FakeCasa({"split": None})
    with use_casa(fake), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, run, "split", vis="a.ms").result()
    assert fake.asked("split") == [{"vis": "a.ms"}]


def test_a_fake_replays_lists_exceptions_and_functions():
    error = CasaError("no data", "gaincal", {}, "")
    fake = FakeCasa({"gaincal": [1, error], "split": lambda vis: vis.upper()})
    assert fake("gaincal") == 1
    with pytest.raises(CasaError, match="no data"):
        fake("gaincal")
    with pytest.raises(AssertionError, match="more calls"):
        fake("gaincal")
    assert fake("split", vis="a") == "A"


def test_the_log_tail_leaves_out_the_harmless_leap_second_lines(tmp_path):
    log = tmp_path / "a.log"
    harmless = "SEVERE\tMeasTable::dUTC(Double)\tLeap second table TAI_UTC seems out-of-date.\n"
    log.write_text("".join(f"line {n}\n" for n in range(30)) + harmless)
    assert log_tail(log).splitlines() == [f"line {n}" for n in range(15, 30)]
