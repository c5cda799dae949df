"""The recipe on a small simulated e-MERLIN observation through real CASA, without Prefect, run once per session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tasks.casa import CasaServer, WorkspaceCasa, current, use_casa
from tests.e2e.running import observation_file

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Recorder:
    """CASA itself; keeps what it was asked and what it returned."""

    casa: Any
    calls: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)

    def __call__(self, task: str, /, **asked: Any) -> Any:
        answer = self.casa(task, **asked)
        self.calls.append((task, asked, answer))
        return answer

    def answers(self, task: str, table: str = "") -> list[Any]:
        """Return what each call of `task` into a caltable of that name returned."""
        return [answer for name, asked, answer in self.calls if name == task and table in str(asked.get("caltable"))]


@dataclass
class Stepping:
    """Takes the place of `flows.run.Run`: runs each step's own function, without gates and without Prefect."""

    calibration: Any
    records: dict[str, Any] = field(default_factory=dict)

    def stage(self, act: Any, *inputs: Any) -> Any:
        record = act.fn(self.calibration, *inputs)
        self.records[act.name] = record
        if act.name == "inspect":
            self.calibration = self.calibration.inspected(record)
        return record


@dataclass(frozen=True)
class Stepped:
    """A recipe that has run."""

    root: Path
    records: dict[str, Any]
    recorder: Recorder
    calibration: Any


@pytest.fixture(scope="session")
def simulated_file(tmp_path_factory) -> Path:
    """The observation file of a simulated observation."""
    folder = tmp_path_factory.mktemp("observation")
    vis = folder / "tiny.ms"
    with CasaServer() as server:
        casa = WorkspaceCasa(server, folder / "logs")
        casa("tasks.simulate:simulate_observation", preset="tiny", out=vis, seed=0)
    return observation_file(vis)


@pytest.fixture(scope="session")
def stepped(simulated_file, tmp_path_factory) -> Stepped:
    """The recipe of the emerlin profile, every call recorded."""
    from flows.calibrate import recipe
    from flows.prepare import prepared
    from schemas.observation import read_observation
    from tasks import bandpass, flagging

    observation = read_observation(simulated_file)
    workspace = tmp_path_factory.mktemp("stepped")
    overrides = {"image.imsize": 128, "image.niter": 10}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("flag_late_on_source", "flag_end_channels", "flag_bad_times"):
            patch.setattr(flagging, name, getattr(flagging, name).fn)
        patch.setattr(bandpass, "set_calibrator_models", bandpass.set_calibrator_models.fn)
        with prepared(observation, workspace, overrides, None) as calibration:
            recorder = Recorder(current())
            stepping = Stepping(calibration)
            with use_casa(recorder):
                recipe(stepping)
    return Stepped(workspace / "tiny", stepping.records, recorder, stepping.calibration)
