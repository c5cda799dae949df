"""Which decisions of persons stand in a run, and what they change in its parameters."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.holds import Decision, Decisions
from schemas.profiles import parameters
from schemas.steps import STEPS
from schemas.whole import write_whole
from tasks.workspace import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.observation import Observation
    from schemas.parameters import Parameters
    from schemas.steps import Step

FILE = "decisions.json"
"""In the observation's workspace."""


@dataclass(frozen=True)
class Standing:
    """A run's own overrides together with the decisions that apply to it.

    Attributes
    ----------
    overrides
        By dotted name; what was decided goes before what was asked.
    decisions
        Those that apply, in order.
    """

    overrides: dict[str, Any]
    decisions: tuple[Decision, ...] = ()


def read_decisions(root: Path) -> tuple[Decision, ...]:
    """Return all decisions on a workspace's observation, oldest first.

    Raises
    ------
    ConfigurationError
        They are there but cannot be read: going on without them would undo what a person decided.
    """
    path = root / FILE
    try:
        return Decisions.model_validate_json(path.read_bytes()).decisions
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        msg = (
            f"the decisions in {path} cannot be read ({error.error_count()} errors, first: "
            f"{error.errors()[0]['msg']}); correct the file, or move it away: held gates then ask again."
        )
        raise ConfigurationError(msg) from error


def keep(root: Path, decision: Decision) -> None:
    """Keep a decision; one that was kept already is not kept twice."""
    kept = tuple(entry for entry in read_decisions(root) if entry.key != decision.key)
    _write(root, (*kept, decision))


def spend(root: Path, flow_run: str) -> None:
    """Note that a run has been stopped as decided: a later run of the same request asks again."""
    kept = read_decisions(root)
    spent = tuple(
        entry.evolve(spent=True) if entry.action == "stop" and entry.flow_run == flow_run else entry for entry in kept
    )
    if spent != kept:
        _write(root, spent)


def _write(root: Path, decisions: tuple[Decision, ...]) -> None:
    write_whole(root / FILE, Decisions(decisions=decisions).model_dump_json(indent=1))


def standing(
    observation: Observation, overrides: Mapping[str, Any], kept: tuple[Decision, ...], flow_run: str, source: str
) -> Standing:
    """Return what applies to a run.

    A decision stands as long as nothing it rested on has changed: the input, the parameters up to the gate's step, the
    gate's bounds. To stop is a decision about one run alone.

    Parameters
    ----------
    observation, overrides
        The request.
    kept
        All decisions on the observation.
    flow_run
        Prefect's id of the run.
    source
        The input's fingerprint.
    """
    asked, applied = dict(overrides), []
    for decision in kept:  # these change what later decisions rest on, so they come first and in order
        if decision.action == "retry" and _holds(decision, observation, asked, source):
            asked |= decision.parameters
            applied.append(decision)
    for decision in kept:
        mine = decision.action != "stop" or (decision.flow_run == flow_run and not decision.spent)
        if decision.action != "retry" and mine and _holds(decision, observation, asked, source):
            asked |= _changes(decision, _settled(observation, asked))
            applied.append(decision)
    return Standing(asked, tuple(sorted(applied, key=lambda decision: decision.when)))


def _settled(observation: Observation, overrides: Mapping[str, Any]) -> Parameters:
    return parameters(observation.profile, {**observation.overrides, **overrides})


def _holds(decision: Decision, observation: Observation, asked: Mapping[str, Any], source: str) -> bool:
    now = _settled(observation, asked)
    return decision.basis == basis_of(observation, now, decision.step, decision.suite, source)


def _changes(decision: Decision, now: Parameters) -> dict[str, Any]:
    """Return the overrides by which a decision to continue or to stop takes effect."""
    if decision.action == "stop":
        return {f"gates.{decision.suite}.action": "stop"}
    before = getattr(now.gates, decision.suite).model_dump(mode="json")["overrides"]
    passed = {"reason": decision.reason, "decided_by": decision.decided_by}
    return {
        f"gates.{decision.suite}.overrides": before
        | {f"{decision.gate}:{metric}": passed for metric in decision.metrics}
    }


def basis_of(observation: Observation, now: Parameters, step: Step, suite: str, source: str) -> str:
    """Return the hash of what a gate's numbers and bounds depend on, as far as the request decides it."""
    until = STEPS[: STEPS.index(step) + 1]
    tree = now.model_dump(mode="json")
    for settings in tree.values():
        if isinstance(settings, dict):
            settings.pop("timeout_s", None)
    bounds = {name: value for name, value in tree["gates"][suite].items() if name not in {"action", "overrides"}}
    files = (now.flag.bad_times, now.model.image)
    content = {
        "source": source,
        "selection": observation.selection.model_dump(mode="json"),
        "roles": observation.model_dump(mode="json")["roles"],
        "refant": tree["refant"],
        "steps": {name: tree[name] for name in until if name in tree},
        "files": [None if path is None else fingerprint(path) for path in files],
        "bounds": bounds,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
