"""What was done in a workspace, and what still holds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.record import Record
from schemas.steps import STEPS, Step

ModelState = Literal["none", "flux", "all", "changing"]
"""Which models stand in MODEL_DATA: none (1 Jy everywhere), the flux calibrator's, all calibrators', or unknown."""


class MsState(Record):
    """What was last written into the working MeasurementSet; ``changing`` while a step writes."""

    flags: str = "changing"
    """Flag version that FLAG equals."""
    models: ModelState = "changing"
    """Models in MODEL_DATA."""


class LedgerEntry(Record):
    """One finished step."""

    step: Step
    """Which."""
    key: str
    """Hash of its parameters, its inputs, the versions of CASA and the recipe, and its predecessor's key."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Each output (relative path) with its fingerprint."""
    record: dict[str, Any]
    """The typed record it returned."""
    flag_version: str
    """Flag version that FLAG equals after it."""
    seconds: float
    """Wall time it took [s]."""
    finished: str
    """When it finished (UTC, ISO 8601)."""
    verdicts: dict[str, str] = Field(default_factory=dict)
    """Its gates' verdicts, as last judged."""


class Ledger(Record):
    """All finished steps of an observation, in order, and the state of its MeasurementSet."""

    observation: str
    """The observation's name; a workspace belongs to one."""
    source: str
    """The input's path."""
    state: MsState = MsState()
    """The working MeasurementSet."""
    entries: tuple[LedgerEntry, ...] = ()
    """In the order of the steps."""

    def entry(self, step: Step) -> LedgerEntry | None:
        """Return the step's entry, or None if it has not finished."""
        return next((entry for entry in self.entries if entry.step == step), None)

    def without(self, step: Step) -> Ledger:
        """Return the ledger without `step` and all after it."""
        keep = STEPS[: STEPS.index(step)]
        return self.evolve(entries=tuple(entry for entry in self.entries if entry.step in keep))
