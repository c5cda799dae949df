"""What tests with real CASA share: a Prefect server on loopback, and whole observations run once per session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.simulation import SimulationTruth
from tasks.casa import CasaServer, WorkspaceCasa
from tests.e2e.browser import artifacts, chromium  # noqa: F401 - fixtures
from tests.e2e.running import REPOSITORY, Finished, Gatecal, checksum, copy_workspace, observation_file, wait_for
from tests.ports import free_port

if TYPE_CHECKING:
    from datetime import date

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}
OURS = ("PREFECT_", "CASA", "XDG_", "MPLCONFIGDIR")
"""What the caller's environment must not bring in."""


@dataclass(frozen=True)
class Ran:
    """One observation that was calibrated by the command."""

    command: Finished
    root: Path
    arguments: tuple[str | Path, ...]


def environment(home: Path) -> dict[str, str]:
    """Return an environment whose home is an empty folder and which finds the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return (
        kept | QUIET | {"HOME": str(home), "PREFECT_HOME": str(home.parent / "prefect"), "PYTHONPATH": str(REPOSITORY)}
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """An empty home folder."""
    folder = tmp_path_factory.mktemp("user") / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory, home):
    """The API of a real Prefect server on loopback, ended with the session."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    log = tmp_path_factory.mktemp("server") / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            env=environment(home),
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: server.poll() is not None or _healthy(url))
        assert server.poll() is None, log.read_text()
        yield url
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - loopback
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def gatecal(prefect_url, home, tmp_path_factory) -> Gatecal:
    """The command, against the session's server, in an empty folder and with an empty home."""
    return Gatecal(environment(home) | {"PREFECT_API_URL": prefect_url}, tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="session")
def casa(tmp_path_factory):
    """CASA for the tests' own looks at the data."""
    with CasaServer() as server:
        yield WorkspaceCasa(server, tmp_path_factory.mktemp("casa") / "logs")


@pytest.fixture(scope="session")
def uvfits() -> Path:
    """The real data set that comes with casadata."""
    import casadata

    return Path(casadata.datapath) / "demo" / "NGC5921.fits"


@pytest.fixture(scope="session")
def uvfits_checksum(uvfits) -> str:
    """The checksum of the input before any run."""
    return checksum(uvfits)


@pytest.fixture(scope="session")
def ngc5921(gatecal, uvfits_checksum, tmp_path_factory) -> Ran:
    """An undisturbed run on NGC 5921, the reference of all reruns; never changed by a test."""
    workspace = tmp_path_factory.mktemp("reference")
    command = gatecal("demo", "--workspace", workspace)
    assert command.code == 0, command.output
    return Ran(command, workspace / "ngc5921", ("demo",))


@pytest.fixture(scope="session")
def warned(simulated, gatecal, tmp_path_factory) -> Ran:
    """An observation with one dead antenna, without images."""
    observation = simulated("dead", "dead_antenna:antenna=Cm")
    workspace = tmp_path_factory.mktemp("warned")
    arguments = ("calibrate", observation, "--set", "image.enabled=false")
    return Ran(gatecal(*arguments, "--workspace", workspace), workspace / "dead", arguments)


@pytest.fixture(scope="session")
def stopped(gatecal, ngc5921, tmp_path_factory) -> Ran:
    """A rerun of it in which one bound has become so tight that a gate stops the run."""
    workspace = tmp_path_factory.mktemp("stopped")
    root = copy_workspace(ngc5921.root, workspace)
    command = gatecal("demo", "--workspace", workspace, "--set", "gates.result.phase_stop_deg=0.1")
    return Ran(command, root, ("demo",))


@pytest.fixture(scope="session")
def simulated(casa, tmp_path_factory):
    """Return a maker of simulated observations: files and an observation file for each."""
    folder = tmp_path_factory.mktemp("simulated")

    def simulate(name: str, *faults: str, night: date | None = None) -> Path:
        vis = folder / f"{name}.ms"
        casa("tasks.simulate:simulate_observation", preset="tiny", out=vis, seed=0, faults=list(faults), night=night)
        return observation_file(vis)

    yield simulate
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tiny(simulated) -> Path:
    """The observation file of a clean simulated e-MERLIN observation."""
    return simulated("tiny")


@pytest.fixture(scope="session")
def tiny_truth(tiny) -> SimulationTruth:
    """What was put into it."""
    return SimulationTruth.model_validate_json(tiny.with_suffix(".ms.truth.json").read_text())


@pytest.fixture(scope="session")
def emerlin(gatecal, tiny, tmp_path_factory) -> Ran:
    """An undisturbed run on the simulated observation."""
    workspace = tmp_path_factory.mktemp("emerlin")
    arguments = ("calibrate", tiny, "--set", "image.imsize=256", "--set", "image.niter=100")
    command = gatecal(*arguments, "--workspace", workspace)
    assert command.code == 0, command.output
    return Ran(command, workspace / "tiny", arguments)


@pytest.fixture(scope="session")
def demo(gatecal, tmp_path_factory) -> Ran:
    """The e-MERLIN demo, run once as a user runs it; never changed by a test."""
    workspace = tmp_path_factory.mktemp("demo")
    arguments = ("demo", "--data", "emerlin")
    command = gatecal(*arguments, "--workspace", workspace)
    assert command.code == 0, command.output
    return Ran(command, workspace / "emerlin", arguments)
