"""The run as a strip of stages, each with what was asked, what came, its plots and its gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.commands import rerun
from qa.report.counts import count_tables
from qa.report.gate_tables import gate_view
from qa.report.numbers import NOT_MEASURED, SECONDS, Numbers, Part
from qa.report.parameters import parameter_rows
from qa.report.pictures import pictures
from qa.report.tables import delay_table, model_table, trial_table
from qa.report.view import GateView, Light, StageState, StageView, Table
from qa.words import judgement, step_purpose, step_title
from schemas.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qa.report.reading import Findings
    from schemas.outcome import Outcome
    from schemas.steps import Step

SOLUTIONS: dict[Step, tuple[str, ...]] = {
    "delay": ("all.K",),
    "precal": ("bpcals_precal.p1", "bpcals_precal.ap1"),
    "bandpass1": ("bpcals.B1",),
    "gains": ("calsources.p1", "calsources.ap1"),
    "bandpass2": ("bpcals.B2",),
    "finalgains": ("calsources.ap2", "calsources.p2"),
}
"""The solution tables of each step that solves."""

WORST_FIRST: tuple[Light, ...] = ("stopped", "held", "warned", "passed", "skipped")
"""Verdicts of gates, by what matters more."""


def stage_anchor(step: str) -> str:
    """Return the stage's place on the page."""
    return f"stage-{step}"


def stages(found: Findings, numbers: Numbers) -> tuple[StageView, ...]:
    """Return all stages of the recipe, in order, those too that were not reached."""
    return tuple(_stage(step, found, numbers) for step in STEPS)


def _stage(step: Step, found: Findings, numbers: Numbers) -> StageView:
    outcome = found.outcome
    state, seconds = _state(step, outcome, numbers)
    view = StageView(
        anchor=stage_anchor(step),
        title=step_title(step),
        purpose=step_purpose(step),
        state=state,
        seconds=seconds,
        light="crashed" if state == "crashed" else "none",
        word="crashed" if state == "crashed" else "no gate",
    )
    if state == "not reached":
        return view.evolve(word="not reached")
    gates = tuple(gate_view(index, gate, numbers) for index, gate in enumerate(outcome.gates) if gate.step == step)
    if gates and state != "crashed":
        worst = light_of(gates)
        view = view.evolve(light=worst, word=judgement(worst))
    rows = parameter_rows(step, outcome, numbers)
    return view.evolve(
        gates=gates,
        parameters=rows,
        changed=sum(row.changed for row in rows),
        tables=_tables(step, outcome, numbers),
        pictures=pictures(found.root, (plot for plot in found.plots if plot.step == step)),
        rerun=rerun(found.root, step, f"rerun-{step}"),
    )


def light_of(gates: Sequence[GateView]) -> Light:
    """Return the worst of the gates' lights."""
    return min((gate.light for gate in gates), key=WORST_FIRST.index)


def _state(step: Step, outcome: Outcome, numbers: Numbers) -> tuple[StageState, Part]:
    for place, done in enumerate(outcome.steps):
        if done.step == step:
            return "reused" if done.reused else "ran", numbers.at("steps", place, "seconds", form=SECONDS)
    crashed = outcome.crash is not None and outcome.crash.step == step
    return "crashed" if crashed else "not reached", NOT_MEASURED


def _tables(step: Step, outcome: Outcome, numbers: Numbers) -> tuple[Table, ...]:
    own: dict[Step, Callable[[Outcome, Numbers], Table]] = {
        "delay": delay_table,
        "model": model_table,
        "trial": trial_table,
    }
    found = [own[step](outcome, numbers)] if step in own else []
    found += count_tables(outcome, SOLUTIONS.get(step, ()), numbers)
    return tuple(table for table in found if table.rows)
