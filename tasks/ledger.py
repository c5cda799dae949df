"""The ledger on disk: which finished steps still hold, and what the working MeasurementSet holds now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.ledger import Ledger, LedgerEntry, ModelState, MsState
from schemas.record import Record
from schemas.steps import STEPS, Step
from schemas.whole import write_whole
from tasks.workspace import Workspace, fingerprint

RECIPE_VERSION = "1"
"""Raise when a step computes something else than before, so that old results are not reused."""


class LedgerKeeper:
    """Reads and writes one workspace's ledger; every change is on disk before the method returns.

    Parameters
    ----------
    workspace
        The observation's workspace.
    ledger
        What was read from it, or a new one.
    """

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self._keys: dict[Step, str] = {}

    @property
    def state(self) -> MsState:
        """What the working MeasurementSet holds now."""
        return self.ledger.state

    def key(self, step: Step, asked: Mapping[str, Any], versions: Mapping[str, str]) -> str:
        """Return the step's key: it changes with what is asked, the versions, and every step before it.

        Steps must be asked for in order, since a key contains its predecessor's.
        """
        before = STEPS[: STEPS.index(step)]
        content = {
            "step": step,
            "asked": asked,
            "versions": {**versions, "recipe": RECIPE_VERSION},
            "predecessors": [self._keys[earlier] for earlier in before if earlier in self._keys][-1:],
        }
        text = json.dumps(content, sort_keys=True, default=str)
        self._keys[step] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._keys[step]

    def holds(self, step: Step, key: str) -> LedgerEntry | None:
        """Return the step's entry if it was finished with this key and all its outputs are still there, else None."""
        entry = self.ledger.entry(step)
        if entry is None or entry.key != key:
            return None
        for output, known in entry.outputs.items():
            if fingerprint(self.workspace.root / output) != known:
                return None
        return entry

    def drop(self, step: Step) -> None:
        """Forget `step` and all after it."""
        self._save(self.ledger.without(step))

    def set_state(self, *, flags: str | None = None, models: ModelState | None = None) -> None:
        """Note what stands in the MeasurementSet now, or that it is changing."""
        state = MsState(flags=flags or self.state.flags, models=models or self.state.models)
        self._save(self.ledger.evolve(state=state))

    def finish(self, step: Step, key: str, record: Record, flag_version: str, seconds: float) -> None:
        """Enter a finished step; forgets all after it."""
        outputs = {}
        for path in outputs_of(record):
            known = fingerprint(self.workspace.root / path)
            if known is not None:
                outputs[str(path)] = known
        entry = LedgerEntry(
            step=step,
            key=key,
            outputs=outputs,
            record=record.model_dump(mode="json"),
            flag_version=flag_version,
            seconds=seconds,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        ledger = self.ledger.without(step)
        self._save(ledger.evolve(entries=(*ledger.entries, entry)))

    def set_verdicts(self, step: Step, verdicts: Mapping[str, str]) -> None:
        """Note the verdicts of a step's gates."""
        entries = tuple(
            entry.evolve(verdicts=dict(verdicts)) if entry.step == step else entry for entry in self.ledger.entries
        )
        self._save(self.ledger.evolve(entries=entries))

    def _save(self, ledger: Ledger) -> None:
        write_whole(self.workspace.ledger, ledger.model_dump_json(indent=1))
        self.ledger = ledger


def open_ledger(workspace: Workspace, observation: str, source: Path) -> LedgerKeeper:
    """Read the workspace's ledger, or begin one.

    Raises
    ------
    ConfigurationError
        The workspace is another observation's, or its ledger cannot be read.
    """
    ledger = read_ledger(workspace) or Ledger(observation=observation, source=str(source))
    if (ledger.observation, ledger.source) != (observation, str(source)):
        msg = (
            f"the workspace {workspace.root} belongs to observation {ledger.observation!r} of {ledger.source}, "
            f"not to {observation!r} of {source}; give the observation another name, or --workspace another folder."
        )
        raise ConfigurationError(msg)
    return LedgerKeeper(workspace, ledger)


def read_ledger(workspace: Workspace) -> Ledger | None:
    """Read the workspace's ledger; None if there is none.

    Raises
    ------
    ConfigurationError
        It is there but cannot be read.
    """
    try:
        text = workspace.ledger.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Ledger.model_validate_json(text)
    except ValidationError as error:
        msg = (
            f"the ledger {workspace.ledger} cannot be read ({error.error_count()} errors, first: "
            f"{error.errors()[0]['msg']}); move it away to start the observation afresh."
        )
        raise ConfigurationError(msg) from error


def outputs_of(value: object) -> Iterator[Path]:
    """Yield every relative path inside a record: the files a step made (the working MeasurementSet is not one)."""
    if isinstance(value, Path):
        if not value.is_absolute() and value.parts[:1] != ("ms",):
            yield value
        return
    items: Iterable[object] = ()
    if isinstance(value, Record):
        items = (getattr(value, name) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, (tuple, list)):
        items = value
    for item in items:
        yield from outputs_of(item)
