"""What was asked of each stage: its parameters, those that differ from the profile first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qa.report.numbers import Numbers, Part
from qa.report.view import ParameterRow
from schemas.parameters import Parameters
from schemas.profiles import PROFILES
from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.gates import GateReport
    from schemas.outcome import Outcome
    from schemas.steps import Step

OF_INSPECT = "refant"
"""The one parameter that stands above the steps; inspect chooses by it."""


def profile_tree(profile: str) -> dict[str, Any]:
    """Return a profile's parameters as plain values; empty for one this version does not know."""
    known = {str(name): asked for name, asked in PROFILES.items()}
    return known[profile].model_dump(mode="json", by_alias=True) if profile in known else {}


def parameter_rows(step: Step, outcome: Outcome, numbers: Numbers) -> tuple[ParameterRow, ...]:
    """Return a stage's parameters, and the bounds of its gates that differ from the profile's."""
    tree = outcome.provenance.parameters
    profile = profile_tree(outcome.provenance.profile)
    names: list[tuple[str, ...]] = [(step, name) for name in _mapping(tree.get(step))]
    if step == "inspect" and OF_INSPECT in tree:
        names.append((OF_INSPECT,))
    rows = [_row(name, tree, profile, numbers) for name in names]
    bounds = [
        _row(("gates", suite, name), tree, profile, numbers)
        for suite in dict.fromkeys(gate.suite for gate in _gates_of(step, outcome))
        for name in _mapping(_mapping(tree.get("gates")).get(suite))
    ]
    rows += [row for row in bounds if row.changed]
    return tuple(sorted(rows, key=lambda row: not row.changed))


def _gates_of(step: Step, outcome: Outcome) -> Iterable[GateReport]:
    return (gate for gate in outcome.gates if gate.step == step)


def _row(place: tuple[str, ...], tree: Mapping[str, Any], profile: Mapping[str, Any], numbers: Numbers) -> ParameterRow:
    value, usual = _get(tree, place), _get(profile, place)
    changed = bool(profile) and value != usual
    return ParameterRow(
        words=describe(place),
        name=".".join(place),
        value=_shown(value, numbers, ("provenance", "parameters", *place)),
        profile=_shown(usual, Numbers(profile, "profile"), place) if changed else (),
        changed=changed,
    )


def _shown(value: Any, numbers: Numbers, place: tuple[str, ...]) -> tuple[Part, ...]:  # noqa: ANN401 - JSON
    if value is None or value in ("", [], {}):
        return ("none",)
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, int | float):
        return (numbers.at(*place),)
    if isinstance(value, list):
        return (", ".join(map(str, value)),)
    if isinstance(value, dict):
        return ("; ".join(f"{name}: {content}" for name, content in value.items()),)
    return (str(value),)


def describe(place: tuple[str, ...]) -> str:
    """Return what a parameter is, in the words of its documentation; a bound's second line says it as its first."""
    record: type[Record] = Parameters
    for name in place[:-1]:
        field = record.model_fields.get(name)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, Record):
            return place[-1]
        record = field.annotation
    words = ""
    for name, field in record.model_fields.items():
        own = " ".join((field.description or "").replace("``", "").split())
        words = f"{words.removesuffix('.')} (stop)." if own == "As above." else own
        if name == place[-1]:
            return words
    return place[-1]


def _get(tree: Mapping[str, Any], place: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    node: Any = tree
    for name in place:
        node = _mapping(node).get(name)
    return node


def _mapping(node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    return node if isinstance(node, dict) else {}
