"""What to run to go on from a place in the run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from qa.report.view import Command
from qa.words import step_title
from schemas.observation import rerun_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.gates import GateReport


def rerun(root: Path, step: str, anchor: str, lead: str = "", options: Sequence[str] = ()) -> Command:
    """Return the command that runs a step and all after it again; without a step, what no longer holds.

    `options` are assignments for ``--set``.
    """
    again = ["--from", step] if step else []
    words = rerun_command(root, *again, *(word for option in options for word in ("--set", option)))
    # Each option on a line of its own.
    text = " ".join(f"\\\n  {word}" if word.startswith("--") else shlex.quote(word) for word in words)
    return Command(anchor=anchor, lead=lead or f"Run again from “{step_title(step)}”:", text=text)


def letting_pass(root: Path, stopping: Sequence[GateReport]) -> Command | None:
    """Return the command that lets the failed checks pass with a person's reason; None where there is no number.

    A number that could not be measured cannot be let pass.
    """
    if not stopping or not all(gate.checks for gate in stopping):
        return None
    options = []
    for suite in dict.fromkeys(gate.suite for gate in stopping):
        checks = [check for gate in stopping if gate.suite == suite for check in gate.checks]
        failed = [check for check in checks if check.verdict == "stopped"]
        if not failed or any(check.observed is None for check in failed):
            return None
        decision = "{reason: say why, decided_by: your name}"
        metrics = dict.fromkeys(check.metric for check in failed)
        options.append(f"gates.{suite}.overrides={{{', '.join(f'{metric}: {decision}' for metric in metrics)}}}")
    lead = (
        "If you judge the numbers acceptable, let them pass with your reason, which goes on record; "
        "nothing that still holds is solved again:"
    )
    return rerun(root, "", "run-let-pass", lead, options)
