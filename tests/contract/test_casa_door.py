"""Real CASA through the door: its answers, logs and errors, and what it leaves alone."""

import os
from pathlib import Path

import pytest

from schemas.errors import CasaCrashed, CasaError
from tasks.casa import CasaServer, WorkspaceCasa
from tasks.workspace_lock import WorkspaceLock

pytestmark = pytest.mark.casa


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give CASA a home that is empty and must stay so, and a working directory likewise."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "CASASITECONFIG"):
            patch.delenv(name, raising=False)
        patch.chdir(tmp_path_factory.mktemp("cwd"))
        yield folder


@pytest.fixture(scope="module")
def server(home):
    with CasaServer() as running:
        yield running


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def casa(server, workspace):
    with WorkspaceLock(workspace, run="contract") as lock:
        yield WorkspaceCasa(server, workspace / "logs", lock)


@pytest.fixture(scope="module")
def vis(casa, workspace):
    """Import the real data set that comes with casadata."""
    import casadata

    path = workspace / "ngc5921.ms"
    casa("importuvfits", fitsfile=Path(casadata.datapath) / "demo" / "NGC5921.fits", vis=path)
    return path


@pytest.fixture(scope="module")
def listed(casa, vis):
    return casa("listobs", vis=vis)


def logs(workspace: Path, task: str) -> str:
    return "".join(path.read_text() for path in sorted((workspace / "logs").glob(f"*-{task}.log")))


def test_a_task_returns_what_casa_returns(listed):
    assert listed["nfields"] == 3
    assert listed["field_1"]["name"] == "1445+09900002_0"


def test_each_call_has_a_log_of_its_own(listed, workspace):
    assert "Begin Task: listobs" in logs(workspace, "listobs")
    assert "importuvfits" not in logs(workspace, "listobs")


def test_neither_home_nor_working_directory_is_touched(listed, home):
    assert list(home.rglob("*")) == []
    assert list(Path.cwd().iterdir()) == []


def test_the_data_come_from_casadata_without_network(casa):
    import casadata

    assert casa("casatools:ctsys.measurespath") == str(casadata.datapath)


def test_a_child_has_one_thread(casa):
    assert len(casa("os:listdir", path="/proc/self/task")) == 1


def test_a_failed_selection_is_an_error_with_the_end_of_the_log(casa, vis, workspace):
    with pytest.raises(CasaError, match="nofield") as caught:
        casa("gaincal", vis=vis, caltable=workspace / "k", field="nofield")
    assert "SEVERE" in caught.value.log_tail
    assert caught.value.parameters["vis"] == str(vis)


def test_a_missing_input_is_an_error_that_names_it(casa, workspace):
    with pytest.raises(CasaError, match=r"nosuch\.ms"):
        casa("flagdata", vis=workspace / "nosuch.ms")


def test_a_wrong_parameter_is_an_error_that_names_it(casa, vis):
    with pytest.raises(CasaError, match="nosuch"):
        casa("flagdata", vis=vis, nosuch=1)


def test_a_crash_in_the_c_library_is_a_typed_error(casa):
    with pytest.raises(CasaCrashed, match="SIGSEGV"):
        casa("ctypes:string_at", ptr=1, size=1)


def test_no_matching_rows_in_setjy_is_an_empty_return_and_no_error(casa, vis):
    # The caller has to look: CASA raises nothing here.
    assert casa("setjy", vis=vis, field="nofield") == {}


def test_a_changed_table_is_whole_on_disk_when_the_call_returns(casa, vis, workspace):
    def flagged():
        return casa("flagdata", vis=vis, mode="summary")["flagged"]

    before = flagged()
    casa("flagmanager", vis=vis, mode="save", versionname="before", comment="contract")
    casa("flagdata", vis=vis, mode="manual", antenna="0")
    assert flagged() > before
    casa("flagmanager", vis=vis, mode="restore", versionname="before")
    assert flagged() == before


def test_nothing_of_the_server_is_left_after_its_end(home, tmp_path):
    with CasaServer() as server:
        casa = WorkspaceCasa(server, tmp_path / "logs")
        folder = casa("os:readlink", path=f"/proc/{server.identity().pid}/cwd")
        pid = server.identity().pid
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
