"""Makes the lines of a gate's report: a judged bound, a missing number, a check that does not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from qa.measurement import PLACE_COLUMNS
from qa.policy_rules import Judged
from schemas.gates import Check, Failure, NotApplicable, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from qa.evaluation import Evaluation
    from qa.measurement import Measurement
    from qa.suite import Expectation
    from schemas.policy import SuiteBounds

MOST_FAILURES_LISTED = 50
"""How many failing places a check lists (`schemas.gates.Check.failures`)."""


def bound_check(
    entry: Expectation, measured: Measurement, frame: pd.DataFrame, result: Evaluation, bounds: SuiteBounds
) -> Judged:
    """Make the check of one bound from the rows that Great Expectations found beyond it."""
    excess = _excess(entry, frame, bounds)
    beyond = result.beyond[entry.severity]
    finite = [row for row in range(len(frame)) if row not in result.not_numbers]
    worst = max(finite, key=lambda row: excess[row])
    ordered = sorted(beyond, key=lambda row: -excess[row])
    failed = "stopped" if entry.severity == "stop" else "warned"
    check = _check(
        entry,
        verdict=failed if beyond else "passed",
        where=str(place_of(frame, worst)),
        observed=float(frame["observed"].iloc[worst]),
        bound=_bound_text(entry, bounds),
        measured=len(finite),
        failed=len(beyond),
        failures=tuple(
            Failure(place=place_of(frame, row), observed=float(frame["observed"].iloc[row]))
            for row in ordered[:MOST_FAILURES_LISTED]
        ),
    )
    softenable = measured.per_antenna and entry.severity == "stop"
    antennas = frozenset(str(frame["antenna"].iloc[row]) for row in beyond) if softenable else frozenset[str]()
    return Judged(check, antennas=antennas)


def _limits(entry: Expectation, bounds: SuiteBounds) -> tuple[float, float]:
    low, high = entry.kwargs.min_value, entry.kwargs.max_value
    return (
        -np.inf if low is None else float(getattr(bounds, low.name)),
        np.inf if high is None else float(getattr(bounds, high.name)),
    )


def _excess(entry: Expectation, frame: pd.DataFrame, bounds: SuiteBounds) -> NDArray[np.float64]:
    """How far beyond its bound each number is (negative: within), to find the worst [the metric's unit]."""
    low, high = _limits(entry, bounds)
    observed = frame["observed"].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinities are failed guards; their excess is not read
        return np.maximum(observed - high, low - observed)


def _bound_text(entry: Expectation, bounds: SuiteBounds) -> str:
    low, high = _limits(entry, bounds)
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:g} to {high:g}"
    return f">= {low:g}" if np.isfinite(low) else f"<= {high:g}"


def place_of(frame: pd.DataFrame, row: int) -> Place:
    """Read the place of a row; integers come from CSV and merges as floats or NumPy integers."""
    found: dict[str, Any] = {}
    for column in PLACE_COLUMNS:
        if column not in frame or pd.isna(frame[column].iloc[row]):
            continue
        value = frame[column].iloc[row]
        found[column] = int(value) if column in {"spw", "scan"} else str(value)
    return Place(**found)


def _check(entry: Expectation, **findings: Any) -> Check:  # noqa: ANN401 - the record validates them
    words = {"title": entry.title, "unit": entry.unit, "meaning": entry.meaning, "source": entry.source}
    return Check(
        metric=entry.metric,
        severity=findings.pop("severity", entry.severity),
        **words,
        **{"try": entry.try_},
        **findings,
    )


def unmeasured_check(entry: Expectation, reason: str, failures: tuple[Failure, ...] = ()) -> Judged:
    """Make a check that stops for want of a number."""
    where = str(failures[0].place) if failures else "whole observation"
    check = _check(
        entry,
        severity="stop",
        verdict="stopped",
        where=where,
        observed=None,
        bound="a number at every place",
        reason=reason,
        failed=len(failures),
        failures=failures[:MOST_FAILURES_LISTED],
    )
    return Judged(check, is_number=False)


def not_applicable_check(entry: Expectation, reason: NotApplicable, where: str = "whole observation") -> Judged:
    """Make a line for a check that does not apply, for a reason of the closed list."""
    if reason not in get_args(NotApplicable):
        return unmeasured_check(entry, f"{reason!r} is no reason for which a check may be left out")
    return Judged(
        _check(entry, verdict="not applicable", where=where, observed=None, bound="not judged", reason=reason)
    )


def left_out_checks(entry: Expectation, measured: Measurement) -> Iterator[Judged]:
    """Show the places a metric left out, one line per reason."""
    for reason in dict.fromkeys(why for _, why in measured.left_out):
        places = ", ".join(dict.fromkeys(place for place, why in measured.left_out if why == reason))
        yield not_applicable_check(entry, reason, where=places)
