"""The only door to Great Expectations: one metric's frame against its bounds, row by row.

Great Expectations passes several broken inputs in silence (an empty frame, an all-NaN column, infinity above a
minimum, an expectation it does not know) and swallows exceptions into its results. Rows are therefore counted and
numbers looked for here, and the answer is refused unless each expectation asked came back once, evaluated.
"""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from schemas.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qa.suite import Expectation
    from schemas.gates import Severity

# Great Expectations keeps its current context in a global, and warning filters are the process's: one at a time.
_ONE_AT_A_TIME = Lock()


class EvaluationError(CalibrationError):
    """Raise when Great Expectations did not answer what it was asked; the gate stops with the message."""


@dataclass(frozen=True)
class Evaluation:
    """What Great Expectations said about one metric's frame.

    Attributes
    ----------
    row_count_holds
        The frame has as many rows as there are places, and at least one.
    not_numbers
        Positions of rows that are null or not finite.
    beyond
        Positions of finite rows beyond the bound, per severity.
    """

    row_count_holds: bool
    not_numbers: frozenset[int]
    beyond: dict[Severity, tuple[int, ...]]


def evaluate(
    frame: pd.DataFrame,
    places: int,
    expectations: Sequence[Expectation],
    parameters: Mapping[str, float],
) -> Evaluation:
    """Evaluate one metric's expectations, and whether there is a number at every place.

    Parameters
    ----------
    frame
        One row per place with a float column ``observed``.
    places
        How many rows it must have.
    expectations
        The metric's, at most one of each severity.
    parameters
        The policy's values by name.

    Raises
    ------
    EvaluationError
        An expectation was dropped, doubled, or raised.
    """
    asked = [(entry.severity, entry.type, _arguments(entry)) for entry in expectations]
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        # Deprecations inside Great Expectations and its imports are not ours to act on at night.
        warnings.simplefilter("ignore")
        results = _validate(frame.reset_index(drop=True), asked, dict(parameters))
    answers = _by_name(results, [name for name, _, _ in asked])
    finite = np.isfinite(pd.to_numeric(frame["observed"], errors="coerce").to_numpy(dtype=float))
    not_numbers = frozenset(np.flatnonzero(~finite).tolist())
    return Evaluation(
        row_count_holds=len(frame) == places > 0,
        not_numbers=not_numbers,
        beyond={
            entry.severity: tuple(row for row in _rows(answers[entry.severity]) if row not in not_numbers)
            for entry in expectations
        },
    )


def _arguments(entry: Expectation) -> dict[str, Any]:
    return entry.kwargs.model_dump(by_alias=True, exclude_none=True)


def _validate(
    frame: pd.DataFrame,
    asked: Sequence[tuple[str, str, dict[str, Any]]],
    parameters: dict[str, float],
) -> list[Any]:
    """Run Great Expectations on an in-memory frame."""
    batch = _frames().get_batch({"dataframe": frame})
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl

    suite = gx.ExpectationSuite(name="gate")
    for name, kind, arguments in asked:
        suite.add_expectation(get_expectation_impl(kind)(**arguments, meta={"asked": name}))
    answer = batch.validate(suite, expectation_parameters=parameters, result_format="COMPLETE")
    return list(answer.results)


@functools.cache
def _frames() -> Any:  # noqa: ANN401 - Great Expectations is untyped here
    """Return where frames go in, without progress bars, telemetry or files; made once a process, 0.1 s each."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # Imported here: it takes seconds and 140 MB, and only gates need it.
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("metrics").add_dataframe_asset("metric")
    return asset.add_batch_definition_whole_dataframe("whole")


def _by_name(results: Sequence[Any], asked: Sequence[str]) -> dict[str, Any]:
    """Match answers to questions; all must be there, once, and none may have raised."""
    answers: dict[str, Any] = {}
    for result in results:
        name = str((result.expectation_config.meta or {}).get("asked"))
        if name in answers:
            raise EvaluationError(f"Great Expectations answered {name!r} twice")
        answers[name] = result
        if _raised(result.exception_info):
            raise EvaluationError(f"Great Expectations could not evaluate {name!r}: {_raised(result.exception_info)}")
    if set(answers) != set(asked) or len(results) != len(asked):
        missing = ", ".join(sorted(set(asked) - set(answers)))
        raise EvaluationError(f"Great Expectations was asked {len(asked)} and answered {len(results)}; lost: {missing}")
    return answers


def _raised(information: Mapping[str, Any] | None) -> str:
    """Return the message of a swallowed exception; they come flat, or one per metric."""
    if not information:
        return ""
    if "raised_exception" in information:
        flat = information
        return str(flat.get("exception_message") or "an exception") if flat["raised_exception"] else ""
    return "; ".join(filter(None, (_raised(entry) for entry in information.values() if isinstance(entry, dict))))


def _rows(result: Any) -> tuple[int, ...]:  # noqa: ANN401 - Great Expectations is untyped here
    """Positions of failing rows; an answer that fails without naming rows is refused."""
    rows = result.result.get("unexpected_index_list")
    if rows is None or bool(result.success) != (len(rows) == 0):
        raise EvaluationError(f"Great Expectations did not name the failing rows of {result.expectation_config.type}")
    return tuple(int(row) for row in rows)
