"""A simulated observation with known truth, as a Prefect task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.simulation import SimulationTruth
from tasks.casa import run


@task(name="simulate", cache_policy=NO_CACHE)
def simulate(
    preset: str, out: Path, seed: int = 0, faults: Sequence[str] = (), night: date | None = None
) -> SimulationTruth:
    """Write a simulated e-MERLIN observation, its truth and its flag commands; see `tasks.simulate`.

    Raises
    ------
    ConfigurationError
        Unknown preset or fault, or `out` is there already.
    """
    truth: SimulationTruth = run(
        "tasks.simulate:simulate_observation",
        preset=preset,
        out=out.absolute(),
        seed=seed,
        faults=list(faults),
        night=night,
    )
    return truth
