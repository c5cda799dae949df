"""Every gate at a glance: how near each number came to its bound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from qa.plots.drawing import Drawing
from qa.plots.style import GOOD, GREY, INK, LIGHT, SMALL, STOP, WARN, WIDTH_IN, figure, heading, shown
from qa.words import bound_words, gate_title, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qa.plots.inputs import Inputs
    from schemas.gates import Check, GateReport
    from schemas.steps import Step

FURTHEST = 1.25
"""End of the axis [fraction of the bound]; what lies beyond stands at it, as an arrow."""

ROW_IN = 0.36
"""Height of a gate's row [inch]."""

MARKS = {"passed": ("o", GOOD, "passed"), "warned": ("D", WARN, "warning"), "stopped": ("s", STOP, "stop")}
"""Marker, colour and word of what a check came to."""

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


@dataclass(frozen=True)
class Nearness:
    """How near one metric came to its bound.

    Attributes
    ----------
    check
        The check with the hardest bound of its metric: stop, or warn where there is no stop.
    part
        0 far from it, 1 at it, more beyond it.
    verdict
        The worst of the metric's checks.
    """

    check: Check
    part: float
    verdict: str


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the overview of the gates; only an outcome has their numbers."""
    if inputs.outcome is None or not inputs.outcome.gates:
        return
    gates = inputs.outcome.gates
    yield Drawing(
        name="gate_overview",
        step=cast("Step", gates[-1].step),
        title="All checks against their bounds",
        caption=(
            "Each mark is one check: how near its worst number came to the bound at which the run stops (for those "
            "that only warn, to that bound). At the right, the check that came nearest. Far left is good; a mark "
            "beyond the line without a stop is an antenna that was given up or a bound a person let pass."
        ),
        alternative="One row per gate: each check's worst number as a fraction of its bound, and the nearest in words.",
        make=partial(draw_gates, gates),
        sources=(),
        depends=repr(gates),
        decisive=True,
    )


def nearness(gate: GateReport) -> list[Nearness]:
    """Return how near each metric of a gate came to its bound, the nearest first."""
    found: dict[str, list[Check]] = {}
    for check in gate.checks:
        if check.verdict != "not applicable":
            found.setdefault(check.metric, []).append(check)
    near = [_nearest(checks) for checks in found.values()]
    return sorted((entry for entry in near if entry is not None), key=lambda entry: -entry.part)


def _nearest(checks: Sequence[Check]) -> Nearness | None:
    hardest = sorted(checks, key=lambda check: check.severity != "stop")[0]
    part = fraction(hardest.observed, hardest.bound, hardest.unit)
    if part is None:
        return None
    worst = max((check.verdict for check in checks), key=("not applicable", *MARKS).index)
    return Nearness(hardest, part, worst)


def fraction(observed: float | None, bound: str, unit: str) -> float | None:
    """Return how near a number came to a bound: 0 far, 1 at it, more beyond; None where there is no number to compare.

    For upper bounds it is their ratio. For lower bounds of a fraction it is what is missing to 1, over what may be
    missing; for others the bound over the number. For ranges, the distance from the middle over half the width.
    """
    if bound.startswith("not ") or bound.startswith("reported"):
        return None
    numbers = [float(text) for text in re.findall(_NUMBER, bound)]
    if observed is None:
        return math.inf  # what could not be measured stands beyond every bound
    if len(numbers) > 1:
        middle, half = (numbers[0] + numbers[1]) / 2, abs(numbers[1] - numbers[0]) / 2
        return _ratio(abs(observed - middle), half)
    if not numbers:
        return None
    if bound.startswith(">="):
        return _ratio(1.0 - observed, 1.0 - numbers[0]) if unit == "fraction" else _ratio(numbers[0], observed)
    if unit == "factor":
        return _ratio(observed - 1.0, numbers[0] - 1.0)
    return _ratio(observed, numbers[0])


def _ratio(above: float, below: float) -> float:
    if below > 0.0:
        return max(0.0, above / below)
    return 0.0 if above <= 0.0 else math.inf


def draw_gates(gates: Sequence[GateReport]) -> Figure:
    """Draw one row per gate."""
    tall = 1.15 + ROW_IN * len(gates)
    made = figure(tall)
    heading(made, "All checks against their bounds")
    left, right = 3.2, 3.2
    axes = made.add_axes((left / WIDTH_IN, 0.55 / tall, 1 - (left + right) / WIDTH_IN, 1 - 1.1 / tall))
    axes.set(xlim=(-0.02, FURTHEST), ylim=(len(gates) - 0.5, -0.5), xticks=(0.0, 0.25, 0.5, 0.75, 1.0))
    axes.set_xticklabels(["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks(range(len(gates)), [shown(gate_title(gate.gate), 46) for gate in gates])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Fraction of the bound")
    axes.axvspan(1.0, FURTHEST, color=STOP, alpha=0.08, linewidth=0.0)
    axes.axvline(1.0, color=STOP, linewidth=1.2)
    axes.grid(axis="x", color=LIGHT, linewidth=0.5)
    axes.set_axisbelow(True)
    for row, gate in enumerate(gates):
        _gate(axes, row, gate)
    _legend(made, axes, tall)
    return made


def _gate(axes: Axes, row: int, gate: GateReport) -> None:
    near = nearness(gate)
    beside = FURTHEST + 0.04
    if not near:
        text = "skipped" if gate.verdict == "skipped" else (gate.reason or "no number to compare")
        axes.text(beside, row, shown(text, 43), va="center", size=SMALL, color=GREY)
        return
    at = np.asarray([min(entry.part, FURTHEST - 0.03) for entry in near])
    axes.plot([0.0, float(at[0])], [row, row], color=LIGHT, linewidth=6.0, solid_capstyle="butt", zorder=1)
    for x, entry in zip(at, near, strict=True):
        marker, colour, _ = MARKS[entry.verdict]
        marker = ">" if entry.part > FURTHEST else marker
        face = colour if entry.check.severity == "stop" else "white"
        axes.plot(x, row, marker, ms=6.0, color=colour, mfc=face, clip_on=False, zorder=3)
    worst = near[0]
    axes.text(beside, row - 0.2, shown(_first_upper(worst.check.title), 43), va="center", size=SMALL)
    axes.text(beside, row + 0.22, _numbers(worst.check), va="center", size=SMALL, color=GREY)


def _numbers(check: Check) -> str:
    """Return the number with its bound and place: ``3.8°, bound at most 80°: antenna Pi``."""
    text = f"{quantity(check.observed, check.unit)}; {bound_words(check.bound, check.unit)}"
    return shown(text, 43).replace("-", "−")


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _legend(made: Figure, axes: Axes, tall: float) -> None:
    handles = [
        axes.plot([], [], marker, color=colour, ms=6.0, label=word)[0] for marker, colour, word in MARKS.values()
    ]
    handles += [
        axes.plot([], [], "o", color=INK, mfc="white", ms=6.0, label="check that only warns")[0],
        axes.plot([], [], ">", color=INK, ms=6.0, label="far beyond")[0],
    ]
    made.legend(
        handles=handles,
        loc="upper left",
        ncols=len(handles),
        bbox_to_anchor=(0.1 / WIDTH_IN, 1 - 0.33 / tall),
        handletextpad=0.1,
        columnspacing=1.3,
        borderpad=0.0,
    )
