"""Reads what a run left in its workspace: the outcome, the ledger, the plots. No CASA, no Prefect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.ledger import Ledger
from schemas.outcome import Outcome
from schemas.plots import Plot, PlotIndex

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Findings:
    """All the report is made from.

    Attributes
    ----------
    root
        The workspace, absolute.
    outcome
        The outcome, typed.
    tree
        The same as plain JSON: what the numbers on the page are looked up in.
    inspected
        The ledger as plain JSON, and where in it the inspection's summary of the data stands; None without one.
    plots
        All plots, in the order of the report.
    request
        The observation file that reproduces the run; empty where the workspace has none.
    notes
        What could not be read, and why.
    """

    root: Path
    outcome: Outcome
    tree: dict[str, Any]
    inspected: tuple[dict[str, Any], tuple[str | int, ...]] | None = None
    plots: tuple[Plot, ...] = ()
    request: str = ""
    notes: tuple[str, ...] = field(default=())


def read(root: Path) -> Findings:
    """Read a workspace.

    Raises
    ------
    ConfigurationError
        There is no outcome, or it cannot be read. Anything else that is missing becomes a note in the report.
    """
    root = root.absolute()
    outcome, tree = _outcome(root / "outcome.json")
    inspected, ledger_notes = _inspected(root / "ledger.json", outcome.observation)
    plots, plot_notes = read_plots(root)
    request = root / "observation.yaml"
    return Findings(
        root=root,
        outcome=outcome,
        tree=tree,
        inspected=inspected,
        plots=plots,
        request=request.read_text(encoding="utf-8", errors="replace") if request.is_file() else "",
        notes=(*ledger_notes, *plot_notes),
    )


def _outcome(path: Path) -> tuple[Outcome, dict[str, Any]]:
    try:
        content = path.read_bytes()
        return Outcome.model_validate_json(content), json.loads(content)
    except FileNotFoundError as error:
        msg = (
            f"{path.parent} holds no outcome.json: it is not the workspace of an observation that has run. "
            "Give the folder below --workspace that has the observation's name."
        )
        raise ConfigurationError(msg) from error
    except ValidationError as error:
        msg = f"{path} cannot be read ({error.error_count()} errors); run the calibration again to write it anew."
        raise ConfigurationError(msg) from error


def _inspected(
    path: Path, observation: str
) -> tuple[tuple[dict[str, Any], tuple[str | int, ...]] | None, tuple[str, ...]]:
    try:
        content = path.read_bytes()
        ledger = Ledger.model_validate_json(content)
    except FileNotFoundError:
        return None, ()
    except (OSError, ValidationError):
        return None, ("The record of the finished steps (ledger.json) cannot be read; what it adds is left out.",)
    steps = [entry.step for entry in ledger.entries]
    known = ledger.observation == observation and "inspect" in steps
    if not known or "summary" not in ledger.entries[steps.index("inspect")].record:
        return None, ()
    return (json.loads(content), ("entries", steps.index("inspect"), "record", "summary")), ()


def read_plots(root: Path) -> tuple[tuple[Plot, ...], tuple[str, ...]]:
    """Return all plots of a workspace by all makers, and notes on what cannot be read."""
    plots: list[Plot] = []
    notes: list[str] = []
    files = sorted((root / "plots").glob("*.json"))
    for file in files:
        try:
            plots += PlotIndex.model_validate_json(file.read_bytes()).plots
        except (OSError, ValidationError):
            notes.append(f"The list of plots in plots/{file.name} cannot be read; its plots are left out.")
    if not files:
        notes.append("This workspace holds no plots; the report shows numbers only.")
    return tuple(plots), tuple(notes)
