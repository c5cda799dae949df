"""Makes a workspace's report again: from the outcome, the tables kept beside it and the plots that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.mailing import mail_outcome, preview_outcome
from qa.report import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


def rebuild(workspace: Path, console: Console, *, mail: bool = False, preview: Path | None = None) -> int:
    """Write ``report.html`` of a workspace anew, without CASA and without a Prefect server, and say where it is.

    Parameters
    ----------
    workspace
        Of one observation.
    console
        Where to say it.
    mail
        Mail the report too, even if it has been mailed.
    preview
        Write the mail to this file instead.

    Returns
    -------
    The exit code: 1 where a mail was asked for and has not arrived.

    Raises
    ------
    ConfigurationError
        It is not the workspace of an observation that has run, or its outcome cannot be read.
    """
    path = write_report(workspace)
    console.print(f"Report: {path.absolute()}", markup=False, highlight=False, soft_wrap=True)
    if preview is None and not mail:
        return 0
    result = mail_outcome(workspace, again=True) if preview is None else preview_outcome(workspace, preview)
    console.print(result.note, markup=False, highlight=False, soft_wrap=True)
    return 0 if result.arrived else 1
