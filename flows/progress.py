"""What a person sees while a calibration runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from schemas.steps import STEPS, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.gates import GateReport
    from schemas.outcome import StepOutcome

COLOURS = {
    "passed": "green",
    "warned": "yellow",
    "stopped": "bold red",
    "held": "bold magenta",
    "skipped": "dim",
    "crashed": "bold red",
}
"""Colour of each verdict; the word stands beside it, so colour alone never tells."""


class Progress(Protocol):
    """Is told what the run does."""

    def began(self, step: Step) -> None:
        """Note that a step has begun."""

    def done(self, step: StepOutcome) -> None:
        """Note that a step has finished."""

    def judged(self, report: GateReport) -> None:
        """Note a gate's verdict."""

    def noted(self, text: str) -> None:
        """Note what else a person wants to know."""


class Lines:
    """One plain line per step and gate, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def began(self, step: Step) -> None:
        """Say nothing: the line comes with the time it took."""

    def done(self, step: StepOutcome) -> None:
        """Print the step's time."""
        how = "reused" if step.reused else f"{step.seconds:.1f} s"
        self._console.print(f"{step.step:<12} {how}", highlight=False)

    def judged(self, report: GateReport) -> None:
        """Print the gate's verdict, and what fell out of bounds."""
        self._console.print(f"  gate {report.gate:<18} {report.verdict}", highlight=False)
        for line in complaints(report):
            self._console.print(f"    {line}", highlight=False, markup=False)

    def noted(self, text: str) -> None:
        """Print it."""
        self._console.print(text, highlight=False, markup=False)


class LiveTable:
    """All steps in a table that fills as the night goes on."""

    def __init__(self, console: Console) -> None:
        self._done: dict[Step, StepOutcome] = {}
        self._gates: dict[str, list[GateReport]] = {}
        self._notes: list[str] = []
        self._current: Step | None = None
        self._since = 0.0
        self._spinner = Spinner("dots")
        self.live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=False)

    def began(self, step: Step) -> None:
        """Mark the step as running."""
        self._current, self._since = step, time.monotonic()

    def done(self, step: StepOutcome) -> None:
        """Mark the step as finished."""
        self._done[step.step] = step
        self._current = None

    def judged(self, report: GateReport) -> None:
        """Show the gate's light beside its step."""
        self._gates.setdefault(report.step, []).append(report)

    def noted(self, text: str) -> None:
        """Show it below the table."""
        self._notes.append(text)

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading, justify in (("", "left"), ("stage", "left"), ("time", "right"), ("gates", "left")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for step in STEPS:
            table.add_row(*self._row(step))
        lines = [
            Text(line, "yellow")
            for reports in self._gates.values()
            for report in reports
            for line in complaints(report)
        ]
        return Group(table, *lines, *map(Text, self._notes))

    def _row(self, step: Step) -> tuple[Spinner | Text, Text, Text, Text]:
        gates = Text()
        for report in self._gates.get(step, []):
            gates.append("● ", COLOURS[report.verdict]).append(f"{report.gate} {report.verdict}  ")
        if step == self._current:
            return self._spinner, Text(step, "bold"), Text(f"{time.monotonic() - self._since:.0f} s"), gates
        done = self._done.get(step)
        if done is None:
            return Text("·", "dim"), Text(step, "dim"), Text(""), gates
        return Text("✓", "green"), Text(step), Text("reused" if done.reused else f"{done.seconds:.1f} s", "dim"), gates


def complaints(report: GateReport) -> list[str]:
    """Return one line for each check of a gate that warned or stopped."""
    lines = []
    for check in report.checks:
        if check.verdict in {"warned", "stopped"}:
            observed = "not measured" if check.observed is None else f"{check.observed:.3g} {check.unit}"
            number = f"{observed} (bound {check.bound})" if check.observed is not None else observed
            lines.append(
                f"{report.gate}: {check.title}, {check.where}: {number}: {check.verdict}. {check.reason}".strip()
            )
    return lines or ([f"{report.gate}: {report.reason}"] if report.stops else [])


_PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """Return the display set by `shown`, or plain lines."""
    return _PROGRESS.get() or Lines(Console())


@contextmanager
def shown(console: Console) -> Iterator[None]:
    """Show progress on `console` in the body: live on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        token = _PROGRESS.set(Lines(console))
        try:
            yield
        finally:
            _PROGRESS.reset(token)
        return
    table = LiveTable(console)
    token = _PROGRESS.set(table)
    try:
        with table.live:
            yield
    finally:
        _PROGRESS.reset(token)
