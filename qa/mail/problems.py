"""What stopped or warned, as a person needs to read it: place, number, bound, meaning, what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.words import bound_words, gate_title, quantity
from schemas.mail import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.gates import Check, GateReport
    from schemas.outcome import Outcome

MOST_PLACES = 4
"""How many places a problem lists; the report has all."""


@dataclass(frozen=True)
class Problem:
    """One check that stopped or warned.

    Attributes
    ----------
    verdict
        ``stopped`` or ``warned``.
    gate
        The gate's title.
    step
        The step after which it stands.
    suite
        The suite it was judged by: the name its bounds have on the command line.
    title
        What was measured.
    where
        The worst place.
    observed, bound
        The number there and its bound, each with its unit.
    others
        Further places, with their numbers.
    more
        How many places are not listed.
    meaning, advice
        What it usually means; what to try.
    reason
        Why it was softened, overridden or could not be measured.
    """

    verdict: str
    gate: str
    step: str
    suite: str
    title: str
    where: str = ""
    observed: str = ""
    bound: str = ""
    others: tuple[str, ...] = ()
    more: int = 0
    meaning: str = ""
    advice: str = ""
    reason: str = ""

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The problem as labels and texts."""
        others = [*self.others, *([f"and {self.more} more"] if self.more else [])]
        rows = (
            ("Where", self.where),
            ("Found", f"{self.observed} (should be {self.bound})" if self.observed else ""),
            ("Also at", "; ".join(others)),
            ("Why", self.reason),
            ("Usually means", self.meaning),
            ("Try", self.advice),
        )
        return tuple((label, text) for label, text in rows if text)

    @property
    def headline(self) -> str:
        """What was looked at and what was measured."""
        return f"{self.gate}: {self.title}" if self.title else self.gate

    @property
    def short(self) -> str:
        """The problem in a line, for a subject or a digest."""
        place = f" at {self.where}" if self.where else ""
        number = f", {self.observed}{place} ({self.bound})" if self.observed else place
        return f"{self.headline}{number}"


def problems(outcome: Outcome) -> tuple[Problem, ...]:
    """Return what stopped, then what warned, each in the order of the run."""
    found = [problem for report in outcome.gates for problem in _of_gate(report)]
    return tuple(sorted(found, key=lambda problem: problem.verdict != "stopped"))


def _of_gate(report: GateReport) -> Iterator[Problem]:
    failed = [check for check in report.checks if check.verdict in {"stopped", "warned"}]
    worse = {check.metric for check in failed if check.verdict == "stopped"}
    # Who fails the stop bound fails the warn bound too: one line, not two.
    shown = [check for check in failed if check.verdict == "stopped" or check.metric not in worse]
    if not shown and report.stops:
        # A fault of the gate itself: nothing was measured or nothing could be judged.
        yield Problem("stopped", gate_title(report.gate), report.step, report.suite, title=one_line(report.reason))
    for check in {(check.metric, check.verdict, check.where): check for check in shown}.values():
        yield _of_check(report, check)


def _of_check(report: GateReport, check: Check) -> Problem:
    measured = check.observed is not None
    others = [_place(str(failure.place), failure.observed, check.unit) for failure in check.failures]
    listed = [text for text in others if not text.startswith(f"{check.where}:")][:MOST_PLACES]
    return Problem(
        verdict=check.verdict,
        gate=gate_title(report.gate),
        step=report.step,
        suite=report.suite,
        title=_inside(check.title),
        where=one_line(check.where),
        observed=quantity(check.observed, check.unit) if measured else "",
        bound=bound_words(check.bound, check.unit) if measured else "",
        others=tuple(listed),
        more=max(0, check.failed - len(listed) - 1),
        meaning=one_line(check.meaning),
        advice=one_line(check.try_),
        reason=one_line(check.reason),
    )


def _place(place: str, observed: float | None, unit: str) -> str:
    return f"{one_line(place)}: {quantity(observed, unit)}"


def _inside(text: str) -> str:
    """Return a title to stand inside a sentence: its first letter small, unless it begins an abbreviation."""
    clean = one_line(text)
    return clean[:1].lower() + clean[1:] if clean[1:2].islower() else clean
