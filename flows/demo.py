"""The main job on embedded input: data that come with the dependencies, or that the simulator makes."""

from __future__ import annotations

import contextlib
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from schemas.errors import ConfigurationError
from schemas.observation import Observation
from schemas.simulation import SimulationTruth
from tasks.casa import CasaServer, WorkspaceCasa, use_casa
from tasks.simulating import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

SEED = 1
"""Seed of the embedded simulated observation."""


def embedded(data: Literal["ngc5921", "emerlin"], workspace: Path) -> Observation:
    """Return the observation of the embedded input `data`, simulating it first where that is asked and not yet done.

    ``ngc5921``: VLA D-array HI observation of 13 April 1995, raw, as it comes in the ``casadata`` package.
    ``emerlin``: the ``demo`` preset of the simulator, in ``<workspace>/simulated``.

    Raises
    ------
    ConfigurationError
        The data are not there.
    """
    if data == "ngc5921":
        return Observation(name="ngc5921", data=ngc5921(), profile="vla")
    vis = workspace.absolute() / "simulated" / f"emerlin-seed{SEED}.ms"
    if not truth_file(vis).exists():
        vis.parent.mkdir(parents=True, exist_ok=True)
        make_observation("demo", vis, SEED, ())
    bad_times = str(vis.with_name(vis.name + ".flagcmd.txt"))
    return Observation(name="emerlin", data=vis, profile="emerlin", overrides={"flag.bad_times": bad_times})


def make_observation(
    preset: str,
    out: Path,
    seed: int,
    faults: Sequence[str],
    warm: CasaServer | None = None,
    night: date | None = None,
) -> SimulationTruth:
    """Simulate an observation outside of a flow, in a CASA server of its own or a `warm` one."""
    with tempfile.TemporaryDirectory(prefix="gatecal-") as logs, contextlib.ExitStack() as stack:
        server = warm if warm is not None else stack.enter_context(CasaServer())
        stack.enter_context(use_casa(WorkspaceCasa(server, Path(logs))))
        return simulate.fn(preset, out, seed, faults, night)


def truth_file(vis: Path) -> Path:
    """Return where the truth of a simulated MeasurementSet lies: beside it."""
    return vis.with_name(vis.name + ".truth.json")


def read_truth(vis: Path) -> SimulationTruth | None:
    """Return the truth of the data, where they are simulated; None for real data."""
    path = truth_file(vis)
    return SimulationTruth.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def ngc5921() -> Path:
    """Return the path of NGC5921.fits in the ``casadata`` package."""
    found = find_spec("casadata")
    if found is None or found.origin is None:
        msg = "the casadata package is not installed; run the README's first command, which installs it."
        raise ConfigurationError(msg)
    return Path(found.origin).parent / "__data__" / "demo" / "NGC5921.fits"
