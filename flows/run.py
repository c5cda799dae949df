"""One run of the recipe: each stage followed by its gates, everything noted for the outcome."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.gates import JUDGES, Records
from flows.plots import Plotter
from flows.publish import SolutionPlots
from schemas.errors import GateFailed
from schemas.gates import GateReport
from schemas.outcome import StepOutcome
from schemas.record import Record
from schemas.results import InspectRecord
from schemas.steps import STEPS, Step
from tasks.calibration import Calibration
from tasks.step import REUSED

if TYPE_CHECKING:
    from prefect.tasks import Task

    from flows.progress import Progress
    from schemas.holds import Decision, Hold
    from schemas.runs import RunNote

R = TypeVar("R", bound=Record)

DRAWN_AFTER: Step = "apply"
"""Once this step is done, nearly all that the plots of solutions show is there, and splitting and imaging are left."""


class Run:
    """The recipe at work on one observation.

    Attributes
    ----------
    calibration
        The observation; from inspect on with what that found.
    records
        What each finished step returned.
    steps, reports
        For the outcome: steps and gate reports, in order.
    at
        The step it is in; empty before the first.
    decisions, earlier
        What persons decided that applies to this run, and the observation's runs before it.
    hold, go_on
        Where a gate held it: the question it waits for, or the commands with which it goes on.
    plots, solution_plots
        Drawn beside the stages; the first draws while it is entered.
    """

    def __init__(self, calibration: Calibration, progress: Progress) -> None:
        self.calibration = calibration
        self.records: Records = {}
        self.steps: list[StepOutcome] = []
        self.reports: list[GateReport] = []
        self.at: Step | Literal[""] = ""
        self.started = datetime.now(UTC)
        self.decisions: tuple[Decision, ...] = ()
        self.earlier: tuple[RunNote, ...] = ()
        self.hold: Hold | None = None
        self.go_on: tuple[str, ...] = ()
        self.plots = Plotter(calibration)
        self.solution_plots = SolutionPlots(calibration.workspace.root, enabled=calibration.parameters.plots.enabled)
        self._progress = progress

    def stage(self, act: Task[..., R], *inputs: Record) -> R:
        """Run one step, or reuse it, and judge it.

        Raises
        ------
        GateFailed
            A gate stops the run; its report is among `reports`.
        """
        step: Step = next(name for name in STEPS if name == act.name)
        self.at = step
        self.plots.before(step)
        self._progress.began(step)
        began = time.monotonic()
        state: Any = act(self.calibration, *inputs, return_state=True)
        record: R = state.result()
        reused = state.name == REUSED
        self.steps.append(StepOutcome(step=step, seconds=round(time.monotonic() - began, 3), reused=reused))
        self.records[step] = record
        if isinstance(record, InspectRecord):
            self.calibration = self.calibration.inspected(record)
        self._progress.done(self.steps[-1])
        self.plots.after(step, self.calibration, record, reused=reused)
        if step == DRAWN_AFTER:
            self.solution_plots.begin()
        self._judge(step)
        return record

    def _judge(self, step: Step) -> None:
        verdicts = {}
        for judge in JUDGES.get(step, ()):
            report = judge_gate.with_options(name=f"gate {judge.name}")(judge, self.calibration, self.records)
            self.reports.append(report)
            verdicts[report.gate] = report.verdict
            self._progress.judged(report)
        self.calibration.keeper.set_verdicts(step, verdicts)
        stopping = [report for report in self.reports if report.step == step and report.stops]
        if stopping:
            raise GateFailed(f"gate {stopping[0].gate}: {stopping[0].reason}")


@task(cache_policy=NO_CACHE)
def judge_gate(judge: Any, calibration: Calibration, records: Records) -> GateReport:  # noqa: ANN401 - a JUDGES entry
    """Judge one gate, and show its numbers as a table artifact."""
    report: GateReport = judge(calibration, records)
    create_table_artifact(
        key=artifact_key(f"{calibration.observation.name}-gate-{report.gate}"),
        table=[check_row(check) for check in report.checks] or [{"verdict": report.verdict, "reason": report.reason}],
        description=f"Gate {report.gate} after {report.step}: **{report.verdict}**. {report.reason}",
    )
    return report


def check_row(check: Any) -> dict[str, Any]:  # noqa: ANN401 - schemas.gates.Check; Prefect wants plain values
    """Return a check as one row of a table for people."""
    return {
        "metric": check.title,
        "where": check.where,
        "observed": "not measured" if check.observed is None else f"{check.observed:.4g}",
        "bound": check.bound,
        "unit": check.unit,
        "severity": check.severity,
        "verdict": check.verdict,
        "reason": check.reason,
        "try": check.try_ if check.verdict in {"warned", "stopped"} else "",
    }


def artifact_key(text: str) -> str:
    """Return a Prefect artifact key: lower-case letters, digits and dashes."""
    return "-".join(part for part in "".join(c if c.isalnum() else " " for c in text.lower()).split())
