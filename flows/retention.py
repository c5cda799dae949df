"""Removes working copies that are no longer needed; products, tables, plots, logs, records and reports stay.

The working MeasurementSet is made from the input, which is never changed. A rerun after its removal begins with ingest
again: the ledger's first step no longer holds when its MeasurementSet is gone, so nothing after it is reused either.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.errors import CalibrationError
from schemas.outcome import Outcome
from schemas.service import WorkingCopy
from tasks.workspace import Workspace
from tasks.workspace_lock import LOCK_NAME, Holder, WorkspaceLock

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.service import Retention

LEFT = ".ms-removed"
"""Name a working copy has while it is being removed: a kill in between leaves nothing that looks whole."""
PATIENCE_S = 0.2
"""How long to wait for a workspace's lock [s]: one that is in use is left alone."""
FINISHED = {"passed", "warned"}
"""Verdicts after which the working copy is not needed to decide anything."""


@dataclass(frozen=True)
class Candidate:
    """A workspace with a working copy of a finished run."""

    workspace: Workspace
    outcome: Outcome
    bytes: int
    age_days: float


def clean(root: Path, rules: Retention) -> list[WorkingCopy]:
    """Remove the working copies that the rules no longer keep, oldest first.

    Parameters
    ----------
    root
        Folder of the workspaces.
    rules
        Age, free space to keep, and whether to list only.

    Returns
    -------
    Every working copy of a finished observation, with what was done and why.
    """
    found = sorted(candidates(root), key=lambda candidate: -candidate.age_days)
    if not found:
        return []
    missing = int(rules.min_free_gb * 1e9) - shutil.disk_usage(root).free
    listed = []
    for candidate in found:
        reason = _reason(candidate, rules, missing)
        made = _judged(candidate, reason, dry_run=rules.dry_run)
        if made.action in {"removed", "would be removed"}:
            missing -= candidate.bytes
        listed.append(made)
    return listed


def _reason(candidate: Candidate, rules: Retention, missing: int) -> str:
    """Return why a working copy goes; empty where it stays."""
    if candidate.age_days > rules.keep_days:
        return f"finished more than {rules.keep_days:g} days ago"
    if missing > 0:
        return f"less than {rules.min_free_gb:g} GB are free"
    return ""


def _judged(candidate: Candidate, reason: str, *, dry_run: bool) -> WorkingCopy:
    copy = WorkingCopy(
        observation=candidate.outcome.observation,
        bytes=candidate.bytes,
        age_days=round(candidate.age_days, 2),
        action="kept",
        reason=reason,
    )
    if not reason:
        return copy
    root = candidate.workspace.root
    if not released(root):
        return copy.evolve(action="in use", reason="a run holds it, or did not end in order")
    if dry_run:
        return copy.evolve(action="would be removed")
    try:
        with WorkspaceLock(root, run="gatecal retention", patience_s=PATIENCE_S):
            _remove(candidate.workspace)
    except (CalibrationError, OSError) as error:
        return copy.evolve(action="in use", reason=str(error))
    return copy.evolve(action="removed")


def _remove(workspace: Workspace) -> None:
    left = workspace.root / LEFT
    shutil.rmtree(left, ignore_errors=True)  # of a removal that was cut short
    workspace.ms.rename(left)
    shutil.rmtree(left)


def candidates(root: Path) -> list[Candidate]:
    """Return the workspaces below `root` whose last run passed and that still have their working copy."""
    return [found for path in sorted(root.glob("*/outcome.json")) if (found := _candidate(path)) is not None]


def _candidate(path: Path) -> Candidate | None:
    workspace = Workspace(path.parent)
    if path.parent.is_symlink() or not workspace.ms.is_dir() or workspace.ms.is_symlink():
        return None
    try:
        outcome = Outcome.model_validate_json(path.read_bytes())
        finished = datetime.fromisoformat(outcome.provenance.finished)
    except (OSError, ValueError, ValidationError):
        return None
    size = sum(_size(part) for folder in (workspace.ms, workspace.root / LEFT) for part in folder.rglob("*"))
    if outcome.verdict not in FINISHED or size == 0:
        return None
    age = (datetime.now(UTC) - finished.astimezone(UTC)).total_seconds() / 86400
    return Candidate(workspace, outcome, size, age)


def _size(part: Path) -> int:
    with contextlib.suppress(OSError):
        return part.lstat().st_size if part.is_file() else 0
    return 0


def released(root: Path) -> bool:
    """Tell whether the workspace's last run let go of it in order."""
    try:
        return Holder.model_validate_json((root / LOCK_NAME).read_bytes()).released
    except FileNotFoundError:
        return True
    except (OSError, ValidationError):
        return False
