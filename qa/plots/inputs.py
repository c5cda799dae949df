"""What there is to plot: a workspace's ledger, tables of numbers and outcome, read without CASA."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
from pydantic import ValidationError

from schemas.gates import GateContext
from schemas.ledger import Ledger
from schemas.outcome import Outcome
from schemas.policy import GatePolicy
from schemas.results import InspectRecord
from schemas.solutions import SolutionTable, SolveRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.inspection import MsSummary
    from schemas.record import Record
    from schemas.steps import Step

R = TypeVar("R", bound="Record")

TEXTS = ("field", "antenna", "polarisation", "correlation")
"""Columns of text. An antenna may be called NA, a field 0319: both stay text."""

SOLVES: tuple[Step, ...] = ("delay", "precal", "bandpass1", "gains", "bandpass2", "finalgains")
"""Steps that return solution tables."""


@dataclass(frozen=True)
class Inputs:
    """A workspace as the plots see it.

    Attributes
    ----------
    root
        The workspace.
    ledger
        What was done.
    outcome
        What the last run came to: absent or an earlier run's while one is going on.
    """

    root: Path
    ledger: Ledger
    outcome: Outcome | None
    _frames: dict[Path, pd.DataFrame] = field(default_factory=dict)

    def record(self, step: Step, kind: type[R]) -> R | None:
        """Return what a step returned; None if it has not finished."""
        entry = self.ledger.entry(step)
        return None if entry is None else kind.model_validate(entry.record)

    @property
    def inspected(self) -> InspectRecord | None:
        """What is known of the MeasurementSet."""
        return self.record("inspect", InspectRecord)

    @property
    def summary(self) -> MsSummary | None:
        """The MeasurementSet in numbers."""
        return None if self.inspected is None else self.inspected.summary

    @property
    def refant(self) -> tuple[str, ...]:
        """Reference antenna, then its fallbacks; empty before inspection."""
        return () if self.inspected is None else self.inspected.refant

    @property
    def policy(self) -> GatePolicy:
        """The bounds in force; before a first outcome the defaults, with which the plots are drawn anew later."""
        if self.outcome is None:
            return GatePolicy()
        return GatePolicy.model_validate(self.outcome.provenance.parameters.get("gates", {}))

    def tables(self, step: Step) -> tuple[SolutionTable, ...]:
        """Return the solution tables of a step; none if it has not finished or was skipped."""
        solved = self.record(step, SolveRecord)
        return () if solved is None else solved.tables

    def table(self, name: str) -> SolutionTable | None:
        """Return a solution table by name."""
        return next((table for step in SOLVES for table in self.tables(step) if table.name == name), None)

    def frame(self, path: Path) -> pd.DataFrame:
        """Read a table of numbers (CSV, relative to the workspace), once."""
        if path not in self._frames:
            self._frames[path] = read_table(self.root / path)
        return self._frames[path]

    def antennas(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Return the antennas to show of a table: those with data, in the order of the ANTENNA table."""
        found = set(frame["antenna"])
        if self.summary is None:
            return tuple(sorted(found - {""}))
        return tuple(name for name in self.summary.antennas_with_data if name in found)

    def context(self, gate: str, step: Step) -> GateContext:
        """Return what the gates' metrics need to know."""
        antennas = () if self.summary is None else self.summary.antennas_with_data
        return GateContext(gate=gate, step=step, antennas=antennas, refant=self.refant)


def read_inputs(root: Path) -> Inputs | None:
    """Read a workspace; None if nothing has been done in it, or its ledger cannot be read."""
    ledger = _read(root / "ledger.json", Ledger)
    return None if ledger is None else Inputs(root, ledger, _read(root / "outcome.json", Outcome))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of numbers: text columns stay text, an empty number is NaN."""
    columns = pd.read_csv(path, nrows=0).columns
    numbers: dict[Any, Sequence[str]] = {name: ["", "nan"] for name in columns if name not in TEXTS}
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "object"), keep_default_na=False, na_values=numbers)


def _read(path: Path, kind: type[R]) -> R | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
