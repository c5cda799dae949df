"""The judging engine: measurements in, one gate report out; it cannot pass by accident.

A missing, empty or unreadable measurement is a stop, a metric the suite does not know is a stop, a suite that is not
whole is a stop. Verdicts come from our severities and the rows that Great Expectations names, never from its own
``success`` of a suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.checks import bound_check, left_out_checks, not_applicable_check, place_of, unmeasured_check
from qa.evaluation import Evaluation, EvaluationError, evaluate
from qa.policy_rules import Judged, act, override, soften, verdict_of
from qa.suite import Expectation, Suite, bound_names, load_suite
from schemas.errors import ConfigurationError
from schemas.gates import Failure, GateReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from qa.measurement import Measurement
    from schemas.gates import GateContext
    from schemas.policy import SuiteBounds


@dataclass(frozen=True)
class MetricFailure:
    """A metric that raised instead of measuring.

    Attributes
    ----------
    metric
        Its name, as in the suite.
    reason
        What it raised.
    """

    metric: str
    reason: str


def measure(metric: str, function: Callable[[], Measurement]) -> Measurement | MetricFailure:
    """Run a metric; what it raises becomes a stop with that reason, never a crash of the run.

    Parameters
    ----------
    metric
        Its name, as in the suite.
    function
        Takes nothing and measures.
    """
    try:
        return function()
    except Exception as error:
        return MetricFailure(metric, f"{type(error).__name__}: {error}")


def judge(
    suite: str,
    measurements: Sequence[Measurement | MetricFailure],
    bounds: SuiteBounds,
    context: GateContext,
) -> GateReport:
    """Judge a gate's measurements by its suite.

    Parameters
    ----------
    suite
        Name of the suite.
    measurements
        What the gate measured; the suite's expectations of these metrics are evaluated, no others.
    bounds
        The suite's bounds, action and overrides.
    context
        The gate's name, antennas and reference antennas.

    Returns
    -------
    The report; nothing is raised for bad input, it stops.
    """
    try:
        loaded = load_suite(suite)
    except ConfigurationError as error:
        return _stopped(suite, context, str(error))
    problem = _mismatch(loaded, measurements, bounds)
    if problem:
        return _stopped(suite, context, problem)
    judged = [entry for measured in measurements for entry in _judge_metric(loaded, measured, bounds, context)]
    softened, lost = soften(override(judged, bounds.overrides), context)
    checks = tuple(entry.check for entry in act(softened, bounds))
    verdict, reason = verdict_of(checks, bounds)
    return GateReport(
        gate=context.gate,
        suite=suite,
        step=context.step,
        verdict=verdict,
        checks=checks,
        lost_antennas=lost,
        reason=reason,
    )


def skipped(suite: str, context: GateContext, reason: str) -> GateReport:
    """Report a gate whose stage was skipped: every check of its suite is not applicable.

    Parameters
    ----------
    suite
        Name of the suite.
    context
        The gate's name.
    reason
        Why the stage was skipped.
    """
    try:
        loaded = load_suite(suite)
    except ConfigurationError as error:
        return _stopped(suite, context, str(error))
    checks = tuple(not_applicable_check(entry, "stage skipped").check for entry in loaded.expectations)
    return GateReport(
        gate=context.gate, suite=suite, step=context.step, verdict="skipped", checks=checks, reason=reason
    )


def _stopped(suite: str, context: GateContext, reason: str) -> GateReport:
    """Stop for a fault of the gate itself; the policy's action does not soften it."""
    return GateReport(gate=context.gate, suite=suite, step=context.step, verdict="stopped", reason=reason)


def _mismatch(suite: Suite, measurements: Sequence[Measurement | MetricFailure], bounds: SuiteBounds) -> str:
    """Return what does not fit between suite, measurements and bounds, or nothing."""
    names = [measured.metric for measured in measurements]
    known = ", ".join(suite.metrics)
    if not names:
        return "nothing was measured, so nothing can pass"
    strangers = sorted({*names} - {*suite.metrics})
    if strangers:
        return f"measured but not in the suite {suite.suite}: {', '.join(strangers)} (it has {known})"
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        return f"measured twice: {', '.join(doubled)}"
    unknown = sorted({*bounds.overrides} - {*suite.metrics})
    if unknown:
        return f"an override names {', '.join(unknown)}, which this gate does not have; its metrics are {known}"
    used = {parameter for entry in suite.expectations for parameter in entry.kwargs.parameters}
    foreign = sorted(used - bound_names(type(bounds)))
    return f"the bounds given are not those of {suite.suite}: {', '.join(foreign)} missing" if foreign else ""


def _judge_metric(
    suite: Suite, measured: Measurement | MetricFailure, bounds: SuiteBounds, context: GateContext
) -> list[Judged]:
    """Judge one metric: its bounds, and a further check that stops if numbers are missing."""
    expectations = suite.of(measured.metric)
    if isinstance(measured, MetricFailure):
        return [unmeasured_check(expectations[-1], f"the metric could not be measured: {measured.reason}")]
    if measured.not_applicable is not None:
        return [not_applicable_check(entry, measured.not_applicable) for entry in expectations]
    try:
        frame, places = _applicable_rows(measured, context)
        result = evaluate(frame, places, expectations, bounds.model_dump(exclude={"action", "overrides"}))
    except (EvaluationError, ValueError, KeyError, TypeError) as error:
        return [unmeasured_check(expectations[-1], f"the metric could not be judged: {error}")]
    except Exception as error:
        return [unmeasured_check(expectations[-1], f"the metric could not be judged: {type(error).__name__}: {error}")]
    numbers = _numbers_missing(expectations[-1], measured, frame, places, result)
    judged = [
        bound_check(entry, measured, frame, result, bounds)
        for entry in expectations
        if len(frame) > len(result.not_numbers)
    ]
    return [*numbers, *judged, *left_out_checks(expectations[-1], measured)]


def _applicable_rows(measured: Measurement, context: GateContext) -> tuple[pd.DataFrame, int]:
    """Return the frame as floats without antennas that have no data, and the number of rows it must have."""
    frame = measured.frame.reset_index(drop=True)
    if "observed" not in frame:
        raise ValueError("its table has no column 'observed'")
    frame = frame.assign(observed=frame["observed"].astype("float64"))
    if not measured.per_antenna:
        return frame, measured.places
    if "antenna" not in frame:
        raise ValueError("its table has no column 'antenna'")
    with_data = frame["antenna"].astype(str).isin(context.antennas)
    return frame[with_data].reset_index(drop=True), measured.places - int((~with_data).sum())


def _numbers_missing(
    entry: Expectation, measured: Measurement, frame: pd.DataFrame, places: int, result: Evaluation
) -> list[Judged]:
    """Turn failed guards into a check that stops; not-a-number at some antennas alone means those antennas are lost."""
    if not len(frame):
        return [unmeasured_check(entry, f"the metric is empty: {places} places were expected, none measured")]
    if not result.row_count_holds:
        return [unmeasured_check(entry, f"the metric has {len(frame)} values where {places} places were expected")]
    count = len(result.not_numbers)
    if not count:
        return []
    reason = f"{count} of {len(frame)} values are not numbers"
    rows = sorted(result.not_numbers)
    found = unmeasured_check(entry, reason, tuple(Failure(place=place_of(frame, row), observed=None) for row in rows))
    if not measured.per_antenna or count == len(frame):
        return [found]
    antennas = frozenset(str(name) for name in frame["antenna"].iloc[rows])
    return [Judged(found.check, antennas=antennas, is_number=False)]
