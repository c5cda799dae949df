"""The service as ``gatecal up`` brings it up, in a folder of its own and on a free port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flows import keeper
from schemas.service import SERVICE_FOLDER
from tests.e2e.service import ask
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.running import Finished, Gatecal

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
NIGHT_S = 900.0


class WholeService:
    """The service, not up yet."""

    def __init__(self, folder: Path, gatecal: Gatecal) -> None:
        self.workspace, self.inbox, self._gatecal = folder / "observations", folder / "inbox", gatecal
        self.port = free_port()
        self.folder = self.workspace / SERVICE_FOLDER

    def up(self) -> Finished:
        places = ("--workspace", self.workspace, "--inbox", self.inbox, "--port", str(self.port))
        return self._gatecal("up", *places, "--schedule", "* * * * *")

    def down(self) -> Finished:
        return self._gatecal("down", "--workspace", self.workspace)

    def ask(self, path, body=None):
        return ask(f"http://127.0.0.1:{self.port}/api", path, body)

    def nightly(self):
        """Return the id of the deployment of the nights."""
        return self.ask("deployments/name/nightly/nightly")["id"]

    def scheduled(self):
        """Wait until the schedule has started a run by itself, end the schedule, and return the run's id."""
        chosen = {"flows": {"name": {"any_": ["nightly"]}}, "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        (run, *_) = self.wait(lambda: self.ask("flow_runs/filter", chosen), NIGHT_S)
        assert run["auto_scheduled"]
        self.ask(f"deployments/{self.nightly()}/pause_deployment", {})
        return run["id"]

    def fire(self):
        """Start `nightly` by hand, and return the run's id."""
        return self.ask(f"deployments/{self.nightly()}/create_flow_run", {})["id"]

    def ended(self, run, patience_s=NIGHT_S):
        return self.wait(lambda: (found := self.ask(f"flow_runs/{run}"))["state_type"] in ENDED and found, patience_s)

    def calibrations(self):
        chosen = {"flows": {"name": {"any_": ["calibrate"]}}}
        return {run["name"]: run for run in self.ask("flow_runs/filter", chosen)}

    def wait(self, condition, patience_s):
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(1)
        raise AssertionError(f"waited {patience_s:g} s in vain; logs in {self.folder / 'logs'}")

    def mark(self):
        return keeper.read_state(self.folder).mark

    def process(self, name):
        return next(entry.pid for entry in keeper.read_state(self.folder).processes if entry.name == name)
