"""The gates: each metric once, with both of its bounds, its worst place and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.numbers import NOT_MEASURED, Form, Numbers
from qa.report.view import CheckRow, Close, Finding, GateView, PlaceLine
from qa.words import bound_words, gate_title, judgement
from schemas.gates import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.gates import Check, GateReport

WORST_LAST = ("not applicable", "passed", "warned", "stopped")
"""Verdicts of checks, by what matters more."""

WITHOUT_DATA = "antenna without any data"
"""The reason of checks that are named once beside their metric, not each on a line of its own."""

NEAREST = 3
"""How many checks that came near their bounds are named."""

WORTH_NAMING = 0.3
"""Numbers farther than this from their bound, of the bound, are not near it."""

COUNTED = frozenset({"antennas", "baselines", "roles", "factor"})
"""Units of numbers that are at their bound when all is well."""

TOLD_IN_FULL = 2
"""Up to this many stops and warnings fit on the first screen with their meaning and advice."""


def gate_anchor(gate: str) -> str:
    """Return the gate's place on the page."""
    return "gate-" + "".join(character if character.isalnum() else "-" for character in gate)


def gate_view(index: int, gate: GateReport, numbers: Numbers) -> GateView:
    """Return one gate; `index` is its place in the outcome."""
    return GateView(
        anchor=gate_anchor(gate.gate),
        title=gate_title(gate.gate),
        light=gate.verdict,
        word=judgement(gate.verdict),
        reason=gate.reason,
        lost=", ".join(gate.lost_antennas),
        checks=check_rows(index, gate, numbers),
    )


def check_rows(index: int, gate: GateReport, numbers: Numbers) -> tuple[CheckRow, ...]:
    """Return a gate's metrics, each with its bounds."""
    metrics = dict.fromkeys(check.metric for check in gate.checks)
    found = []
    for metric in metrics:
        places = [place for place, check in enumerate(gate.checks) if check.metric == metric]
        found.append(_row(index, gate.checks, places, numbers))
    return tuple(found)


def _row(index: int, checks: Sequence[Check], places: Sequence[int], numbers: Numbers) -> CheckRow:
    judged = [place for place in places if checks[place].reason != WITHOUT_DATA] or list(places)
    # The stop's line goes before the warning's where both came to the same: it says what was lost.
    worst = max(judged, key=lambda place: (WORST_LAST.index(checks[place].verdict), checks[place].severity == "stop"))
    check = checks[worst]
    where = ("gates", index, "checks", worst)
    form = Form(check.unit)
    return CheckRow(
        title=check.title[:1].upper() + check.title[1:],
        where=check.where if check.verdict != "not applicable" else "",
        at=within(check.where),
        observed=numbers.at(*where, "observed", form=form),
        warn=_bound(checks, judged, "warn"),
        stop=_bound(checks, judged, "stop"),
        light=check.verdict,
        word=judgement(check.verdict),
        measured=numbers.at(*where, "measured") if check.measured else NOT_MEASURED,
        failed=numbers.at(*where, "failed") if check.measured else NOT_MEASURED,
        reason=check.reason,
        left_out=_left_out([checks[place] for place in places], check),
        meaning=check.meaning,
        source=check.source,
        advice=check.try_,
        places=tuple(
            PlaceLine(where=str(failure.place), observed=numbers.at(*where, "failures", number, "observed", form=form))
            for number, failure in enumerate(check.failures)
        ),
        more=check.failed > len(check.failures),
    )


def _left_out(checks: Sequence[Check], shown: Check) -> str:
    """Return the places that were left out of a metric, by reason."""
    absent = [check for check in checks if check.verdict == "not applicable" and check.reason != shown.reason]
    places = {check.reason: dict.fromkeys(c.where for c in absent if c.reason == check.reason) for check in absent}
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in places.items())


def within(where: str) -> str:
    """Return a place as it stands within a sentence."""
    return f"over the {where}" if where == str(Place()) else f"at {where}"


def _bound(checks: Sequence[Check], places: Sequence[int], severity: str) -> str:
    bounds = (bound_words(checks[p].bound, checks[p].unit) for p in places if checks[p].severity == severity)
    return next((bound for bound in bounds if bound != "not judged"), "")


def findings(gates: Sequence[GateView]) -> tuple[Finding, ...]:
    """Return what stopped or warned, stops first; stops are told in full, and so are warnings if they are few."""
    failing = [(gate, row) for gate in gates for row in gate.checks if row.failing]
    few = len(failing) <= TOLD_IN_FULL
    found = [
        Finding(
            light=row.light,
            word=row.word,
            gate=gate.title,
            anchor=gate.anchor,
            check=row,
            unfolded=few or row.light == "stopped",
        )
        for gate, row in failing
    ]
    return tuple(sorted(found, key=lambda finding: finding.light != "stopped"))


def nearest(gates: Sequence[GateReport], numbers: Numbers) -> tuple[Close, ...]:
    """Return the passed checks that came nearest to the bound beyond which they warn, one per metric."""
    ranked = sorted(
        (
            (nearness(check), index, place)
            for index, gate in enumerate(gates)
            for place, check in enumerate(gate.checks)
            if check.verdict == "passed"
        ),
        reverse=True,
    )
    found: dict[str, Close] = {}
    for near, index, place in ranked:
        gate, check = gates[index], gates[index].checks[place]
        if near < WORTH_NAMING or len(found) == NEAREST:
            break
        found.setdefault(
            check.metric,
            Close(
                gate=gate_title(gate.gate),
                anchor=gate_anchor(gate.gate),
                title=check.title[:1].upper() + check.title[1:],
                observed=numbers.at("gates", index, "checks", place, "observed", form=Form(check.unit)),
                at=within(check.where),
                bound=bound_words(check.bound, check.unit),
            ),
        )
    return tuple(found.values())


def nearness(check: Check) -> float:
    """Return how near a number is to its bound: 1 at the bound, 0 far from it or where that says nothing."""
    sign, _, text = check.bound.partition(" ")
    if check.observed is None or check.unit in COUNTED:
        return 0.0
    try:
        bound = float(text)
    except ValueError:
        return 0.0
    observed = check.observed
    if sign == ">=" and check.unit == "fraction":
        observed, bound = 1.0 - observed, 1.0 - bound
    elif sign == ">=":
        observed, bound = bound, observed
    elif sign != "<=":
        return 0.0
    return observed / bound if bound > 0.0 else 0.0
