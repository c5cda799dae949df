"""Real plotms on a machine without display, FUSE and root: it draws, from small copies, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from tasks.casa import CasaServer, WorkspaceCasa
from tasks.plotms_program import UNPACKED, unpacked
from tests.e2e.running import wait_for

pytestmark = pytest.mark.casa

COPY, DRAW = "tasks.plotms_copies:copy_rows", "tasks.plotms_casa:draw"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def casa(tmp_path_factory):
    """CASA whose children find an empty cache, and no display."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("DISPLAY", raising=False)
        with CasaServer() as server:
            yield WorkspaceCasa(server, tmp_path_factory.mktemp("plotms") / "logs")


@pytest.fixture(scope="module")
def vis(casa, tmp_path_factory) -> Path:
    """A simulated observation."""
    path = tmp_path_factory.mktemp("observation") / "tiny.ms"
    casa("tasks.simulate:simulate_observation", preset="tiny", out=path, seed=0)
    return path


@pytest.fixture(scope="module")
def copy(casa, vis, tmp_path_factory) -> Path:
    """Two baselines of its first field."""
    out = tmp_path_factory.mktemp("copy") / "raw.ms"
    casa(COPY, vis=vis, out=out, wanted=[{"field": 0, "baselines": [[0, 1], [2, 0]], "limit": 10**9}], columns=[])
    return out


def column(casa, table, name):
    return np.asarray(casa("tests.e2e.tables:all_columns", table=table)[name])


def drawing(name, copy, flags="", **asked):
    return {"name": name, "asked": {"vis": str(copy), "xaxis": "time", "yaxis": "amp", **asked}, "flags": flags}


def ours(cache: Path) -> list[int]:
    """Return the plotms processes that run from `cache`: other runs of this machine may have their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if str(cache).encode() in command and b"casaplotms\0--nopopups" in command:
                found.append(int(folder.name))
    return found


def cache_folder_now() -> Path:
    return Path(os.environ["XDG_CACHE_HOME"])


def test_plots_are_drawn_and_nothing_is_left_running(casa, copy, tmp_path):
    reasons = casa(
        DRAW,
        drawings=[drawing("one", copy), drawing("uv", copy, xaxis="uwave", yaxis="vwave")],
        folder=tmp_path,
        halt=tmp_path / "halt",
    )
    assert reasons == ["", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "uv.png"]
    assert (tmp_path / "one.png").read_bytes().startswith(PNG)
    assert ours(cache_folder_now()) == []


def test_a_plot_by_antenna_gets_its_plain_name(casa, copy, tmp_path):
    asked = {"iteraxis": "baseline", "gridrows": 2, "gridcols": 1, "width": 900, "height": 340}
    assert casa(DRAW, drawings=[drawing("b", copy, **asked)], folder=tmp_path, halt=tmp_path / "halt") == [""]
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_a_plot_that_fails_does_not_cost_the_others(casa, copy, tmp_path):
    bad = drawing("bad", copy, field="99")
    reasons = casa(DRAW, drawings=[bad, drawing("good", copy)], folder=tmp_path, halt=tmp_path / "halt")
    assert reasons[0].startswith("plotms: ")
    assert reasons[1] == ""
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]


def test_flags_set_between_two_plots_are_seen_by_the_second(casa, vis, copy, tmp_path):
    casa("flagmanager", vis=vis, mode="save", versionname="none")
    casa("flagdata", vis=vis, mode="quack", quackinterval=60.0, flagbackup=False)
    casa("flagmanager", vis=vis, mode="save", versionname="quacked")
    versions = Path(f"{vis}.flagversions")
    lot = [drawing(name, copy, str(versions / f"flags.{name}"), title="x") for name in ("none", "quacked", "none")]
    lot[2]["name"] = "again"
    assert casa(DRAW, drawings=lot, folder=tmp_path, halt=tmp_path / "halt") == ["", "", ""]
    before, after, again = ((tmp_path / f"{name}.png").read_bytes() for name in ("none", "quacked", "again"))
    assert before != after
    assert before == again


def test_no_plot_is_begun_once_the_run_has_ended(casa, copy, tmp_path):
    halt = tmp_path / "halt"
    halt.touch()
    reasons = casa(DRAW, drawings=[drawing("one", copy)], folder=tmp_path, halt=halt)
    assert reasons == ["the run ended before it was drawn"]


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_holds_the_baselines_asked_for_in_either_order_and_no_other_field(casa, copy):
    pairs = set(zip(column(casa, copy, "ANTENNA1"), column(casa, copy, "ANTENNA2"), strict=True))
    assert pairs == {(0, 1), (0, 2)}
    assert set(column(casa, copy, "FIELD_ID")) == {0}


def test_a_copy_over_its_limit_keeps_whole_integrations_over_all_time(casa, vis, copy, tmp_path):
    size = int(np.prod(column(casa, copy, "DATA").shape))
    out = tmp_path / "thin.ms"
    casa(COPY, vis=vis, out=out, wanted=[{"field": 0, "baselines": [[0, 1], [0, 2]], "limit": size // 3}], columns=[])
    whole, thin = (np.unique(column(casa, path, "TIME"), return_counts=True) for path in (copy, out))
    assert thin[0].size == -(-whole[0].size // 4) or thin[0].size == -(-whole[0].size // 3)
    assert set(thin[1]) == set(whole[1])
    assert thin[0][-1] - thin[0][0] > 0.8 * (whole[0][-1] - whole[0][0])


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_folder_that_lost_its_program_is_unpacked_again(tmp_path):
    (tmp_path / f"plotms-{version('casaplotms')}" / "rest").mkdir(parents=True)
    assert unpacked(tmp_path).exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_two_runs_may_unpack_at_once_and_leave_one_whole_program(tmp_path):
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(unpacked, [tmp_path, tmp_path]))
    assert found[0] == found[1]
    assert os.access(found[0], os.X_OK)
    assert [path.name for path in tmp_path.iterdir()] == [found[0].relative_to(tmp_path).parts[0]]
    assert found[0].parts[-2:] == UNPACKED.parts


# --- what is left -----------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from tasks.casa import CasaServer, WorkspaceCasa
copy, folder = map(Path, sys.argv[1:])
lot = [
    {"name": str(n), "asked": {"vis": str(copy), "xaxis": "time", "yaxis": "amp"}, "flags": ""} for n in range(1000)
]
with CasaServer() as server:
    WorkspaceCasa(server, folder / "logs")("tasks.plotms_casa:draw", drawings=lot, folder=folder, halt=folder / "halt")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_and_no_port_outlives_a_run_that_is_killed_while_plotting(casa, copy, tmp_path, number):
    cache = cache_folder_now()
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(copy), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # What a shell starts in the background ignores interrupts, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: (tmp_path / "2.png").exists(), run)
        (program,) = ours(cache)
        ports = listening(program)
        assert ports
        os.kill(run.pid, number)
        run.wait(30)
    finally:
        run.kill()
        run.wait(30)
    deadline = time.monotonic() + 10
    # The kernel closes a killed process's sockets a moment after it has lost its command line.
    while (left := (ours(cache), ports & all_listening())) != ([], set()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == ([], set())


def all_listening() -> set[int]:
    """Return every TCP port somebody listens on (state 0A of /proc/net/tcp)."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == "0A"}


def listening(pid: int) -> set[int]:
    """Return the TCP ports a process listens on."""
    sockets = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for name in ("tcp", "tcp6"):
        for fields in (line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()):
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found
