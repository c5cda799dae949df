"""Publishes what a run came to: history, plots, report, mail. None of it changes the verdict or ends the run.

Each is a Prefect task, so that what went wrong with it stands in the UI, as a failed task of a run that has passed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows import progress
from flows.history import draw_history, record_run
from flows.holds import settle_expired_holds
from flows.mailing import mail_outcome
from schemas.mail import MailResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import State

    from flows.run import Run
    from schemas.outcome import Outcome

NICENESS = 10
"""Of the process that draws beside the calibration."""

DRAWING_S = 120.0
"""How long the drawing process may still take when the run has ended [s]; what is missing by then is drawn here."""


class SolutionPlots:
    """The plots with statistics, drawn by a process of its own while the last steps still run.

    Parameters
    ----------
    root
        The observation's workspace.
    enabled
        False makes every call do nothing.
    """

    def __init__(self, root: Path, *, enabled: bool = True) -> None:
        self._root = root
        self._enabled = enabled
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start drawing what the records so far give; returns at once."""
        if self._enabled and self._process is None:
            command = ["nice", "-n", str(NICENESS), sys.executable, "-m", "qa.plots", str(self._root)]
            silent = subprocess.DEVNULL
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent)  # noqa: S603 - our own

    def finish(self) -> None:
        """Wait for what was begun, then draw the rest here: what has been drawn from the same numbers stands."""
        from qa.plots.draw import draw_plots

        self.end(DRAWING_S)
        if self._enabled:
            draw_plots(self._root)

    def end(self, patience_s: float = 0.0) -> None:
        """End the process, at once or when it is done."""
        if self._process is None:
            return
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def publish(run: Run, outcome: Outcome) -> None:
    """Write the run into the history, draw its plots and write its report; the workspace is still ours."""
    root = run.calibration.workspace.root
    _noted("history", partial(_history, run, outcome))
    _noted("plots", run.solution_plots.finish)
    _noted("report", partial(_report, root))


def send_mail(root: Path) -> None:
    """Mail what the last run of a workspace came to, and show what became of the mail where there was one to send."""
    state: State[MailResult] = _mail(root, return_state=True)
    if not state.is_completed():
        return
    result = state.result()
    if result.status not in {"off", "nobody", "not set up"}:
        progress.current().noted(result.note)


def publish_settled(workspaces: Path) -> None:
    """End the holds that nobody has answered in time, and tell whom it concerns."""
    for root in settle_expired_holds(workspaces):
        _noted("report", partial(_report, root))
        send_mail(root)


def _history(run: Run, outcome: Outcome) -> None:
    root = run.calibration.workspace.root
    record_run(outcome, run.calibration.summary, root.parent)
    draw_history(root)


def _report(root: Path) -> None:
    from qa.report import write_report

    write_report(root)


@task(name="mail", cache_policy=NO_CACHE)
def _mail(root: Path) -> MailResult:
    result = mail_outcome(root)
    get_run_logger().info("%s", result.note)
    return result


def _noted(what: str, act: Callable[[], None]) -> None:
    """Do one thing as a task; where it fails, say so and go on."""
    task(name=what, cache_policy=NO_CACHE)(act)(return_state=True)
