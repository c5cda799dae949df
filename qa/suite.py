"""Expectation suites: what a gate asks, read from ``qa/suites/<suite>.yaml``, refused unless complete.

Great Expectations drops what it does not know and passes a suite that is empty. So a suite is read strictly before it
gets there: every key is required, unknown and doubled keys are refused, every expectation that `REQUIRED` lists must be
there, and every bound of the suite's record in ``schemas.policy`` must be used. Any one line removed from a suite is
therefore an error, which the gate turns into a stop.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from schemas.errors import ConfigurationError
from schemas.gates import Severity
from schemas.policy import GatePolicy, SuiteBounds
from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SUITES = Path(__file__).parent / "suites"
"""Folder of the suites."""

ExpectationType = Literal["expect_column_values_to_be_between"]
"""Great Expectations types a suite may use: those whose result names each failing row, so that a gate can say where."""

Line = Annotated[str, StringConstraints(pattern=r"^[^\n]+$", strip_whitespace=True)]
"""One line of text, not empty."""

_BOTH: tuple[Severity, ...] = ("warn", "stop")


def _required(both: str = "", stop: str = "", warn: str = "") -> frozenset[tuple[str, Severity]]:
    pairs: set[tuple[str, Severity]] = {(metric, severity) for metric in both.split() for severity in _BOTH}
    pairs |= {(metric, "stop") for metric in stop.split()}
    return frozenset(pairs | {(metric, "warn") for metric in warn.split()})


REQUIRED: dict[str, frozenset[tuple[str, Severity]]] = {
    "observation": _required(both="phase_reference_gap", stop="antennas_with_data unresolved_roles"),
    "flagging": _required(both="field_flagged newly_flagged", stop="reference_flagged", warn="antenna_flagged"),
    "flux_model": _required(both="model_against_standard", stop="model_coverage"),
    "delay": _required(both="delay_magnitude delay_scatter delay_flagged", warn="delay_history"),
    "gains": _required(
        both="succeeded_fraction attempted_fraction phase_tracking scan_phase amplitude_outliers",
        warn="late_on_source",
    ),
    "bandpass": _required(both="flagged_channels amplitude_range phase_scatter bandpass_change"),
    "fluxscale": _required(both="spectrum_residual fit_snr spectral_index antennas_used catalogue_range flux_history"),
    "gain_scale": _required(both="scale_between_calibrators"),
    "apply": _required(both="flags_added"),
    "result": _required(both="phase_rms amplitude_slope", warn="transfer_phase transfer_amplitude"),
}
"""What each suite must ask: the rows of the design's gate table as (metric, severity)."""


class Parameter(Record):
    """A bound by name; its value comes from the policy at the time of judging."""

    name: str = Field(alias="$PARAMETER", min_length=1)
    """Field of the suite's record in ``schemas.policy``."""


class Between(Record):
    """Arguments of ``expect_column_values_to_be_between``; ``mostly`` and bare numbers are refused."""

    column: Literal["observed"]
    """The column of numbers."""
    min_value: Parameter | None = None
    """Lowest allowed value."""
    max_value: Parameter | None = None
    """Highest allowed value."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the bounds used."""
        return tuple(bound.name for bound in (self.min_value, self.max_value) if bound is not None)


class Expectation(Record):
    """One metric against one bound."""

    metric: Line
    """Name of the metric."""
    title: Line
    """The metric in words."""
    severity: Severity
    """What a failure means for the run."""
    type: ExpectationType
    """Great Expectations' name of the expectation."""
    kwargs: Between
    """Its arguments."""
    unit: Line
    """Unit of the numbers; ``fraction`` for dimensionless ones."""
    meaning: Line
    """What a failure usually means."""
    source: Line
    """Where the bound comes from."""
    try_: Line = Field(alias="try")
    """What to try."""

    @property
    def key(self) -> tuple[str, Severity]:
        """What identifies it within its suite."""
        return self.metric, self.severity


class Suite(Record):
    """Everything one kind of gate asks."""

    suite: Line
    """Name; also the file's."""
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    """In the order they are reported."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, each once."""
        return tuple(dict.fromkeys(entry.metric for entry in self.expectations))

    def of(self, metric: str) -> tuple[Expectation, ...]:
        """Return the expectations of one metric."""
        return tuple(entry for entry in self.expectations if entry.metric == metric)


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice, where PyYAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = sorted({str(key) for key in keys if keys.count(key) > 1})
        if doubled:
            raise yaml.constructor.ConstructorError(None, None, f"given twice: {', '.join(doubled)}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def bound_names(bounds: type[SuiteBounds]) -> frozenset[str]:
    """Names of a suite's bounds: its record's fields without the policy's action and overrides."""
    return frozenset(bounds.model_fields) - frozenset(SuiteBounds.model_fields)


def parse_suite(text: str, name: str) -> Suite:
    """Read a suite's YAML.

    Parameters
    ----------
    text
        The YAML.
    name
        The suite it must be.

    Raises
    ------
    ConfigurationError
        It is not YAML, a key is missing, doubled or unknown, or it does not ask all that the design and the policy
        want of this suite.
    """
    try:
        suite = Suite.model_validate(yaml.load(text, Loader=_StrictLoader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise _refused(name, str(error).replace("\n", " ")) from error
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())
        raise _refused(name, "; ".join(problems)) from error
    problems_found = [*_wrong_keys(suite, name), *_wrong_parameters(suite, name)]
    if problems_found:
        raise _refused(name, "; ".join(problems_found))
    return suite


def load_suite(name: str, folder: Path | None = None) -> Suite:
    """Read a suite by name.

    Parameters
    ----------
    name
        A key of `REQUIRED`.
    folder
        Where the YAML files are; by default `SUITES`.

    Raises
    ------
    ConfigurationError
        There is no such suite, or `parse_suite` refuses it.
    """
    path = (SUITES if folder is None else folder) / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(name, f"{path.name} cannot be read ({error})") from error
    return _parsed(text, name)


_parsed = lru_cache(maxsize=32)(parse_suite)


def _refused(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"The expectation suite {name!r} is refused: {problem}. Restore qa/suites/{name}.yaml.")


def _wrong_keys(suite: Suite, name: str) -> Iterable[str]:
    """Compare what is asked with what must be."""
    if suite.suite != name:
        yield f"it names itself {suite.suite!r}"
    if name not in REQUIRED:
        yield f"there is no gate of that name (known: {', '.join(REQUIRED)})"
    keys = [entry.key for entry in suite.expectations]
    wanted = REQUIRED.get(name, frozenset())
    yield from (f"the {severity} expectation of {metric} is missing" for metric, severity in sorted(wanted - {*keys}))
    yield from (f"the {severity} expectation of {metric} is unknown" for metric, severity in sorted({*keys} - wanted))
    for metric, severity in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"the {severity} expectation of {metric} is given twice"


def _wrong_parameters(suite: Suite, name: str) -> Iterable[str]:
    """Compare the bounds used with the policy's: each is used once, by an expectation of its severity."""
    if name not in GatePolicy.model_fields:
        return
    default: SuiteBounds = GatePolicy.model_fields[name].default
    known = bound_names(type(default))
    used = [parameter for entry in suite.expectations for parameter in entry.kwargs.parameters]
    yield from (f"no expectation uses the policy's bound {parameter}" for parameter in sorted(known - {*used}))
    yield from (f"the policy has no bound {parameter}" for parameter in sorted({*used} - known))
    for entry in suite.expectations:
        if not entry.kwargs.parameters:
            yield f"the {entry.severity} expectation of {entry.metric} has no bound"
        for parameter in entry.kwargs.parameters:
            if entry.severity not in parameter.split("_") or used.count(parameter) > 1:
                yield f"{parameter} does not belong to the {entry.severity} expectation of {entry.metric}"
