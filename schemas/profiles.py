"""The profiles: complete parameter sets for an observatory, and overrides by dotted name on top of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.parameters import (
    FlagParams,
    FluxscaleParams,
    GainsParams,
    ModelParams,
    Parameters,
    PrecalParams,
)
from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

ProfileName = Literal["emerlin", "vla"]
"""Observatories that gatecal knows."""

PROFILES: dict[ProfileName, Parameters] = {
    # The e-MERLIN 3C277.1 guide, reference antenna and its fallbacks as the e-MERLIN CASA pipeline orders them.
    "emerlin": Parameters(refant=("Mk2", "Pi", "Da", "Kn")),
    # VLA: slews and sets within seconds (quack 10 s, the VLA pipeline's order of size), filter edges of 5 % each side,
    # phase per integration and amplitude per scan, CASA's own models of the standards (Perley & Butler 2017).
    "vla": Parameters(
        flag=FlagParams(late_on_source_s=10.0, end_channels=None, end_channels_fraction=0.05),
        model=ModelParams(standard="Perley-Butler 2017", model="casa", resolved_out_factor=1.0),
        precal=PrecalParams(solint="int", amplitude_solint="inf", channels="central"),
        gains=GainsParams(solint="int", amplitude_solint="inf"),
        fluxscale=FluxscaleParams(antenna=""),
    ),
}


def parameters(profile: ProfileName, overrides: Mapping[str, object]) -> Parameters:
    """Return the profile's parameters with `overrides` (dotted name to value) applied.

    Raises
    ------
    ConfigurationError
        A name does not exist (near ones are suggested) or a value does not fit; says which and what fits.
    """
    tree = PROFILES[profile].model_dump(by_alias=True)
    for name, value in overrides.items():
        _set(tree, name, value)
    try:
        return Parameters.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(explain(error, "parameter")) from error


def differences(profile: ProfileName, asked: Parameters) -> dict[str, Any]:
    """Return, by dotted name and as plain values, the parameters that differ from the profile's.

    Given to `parameters` as overrides, they give `asked` again.
    """
    return dict(_differences(PROFILES[profile], asked, ""))


def _differences(old: Record, new: Record, prefix: str) -> Iterator[tuple[str, Any]]:
    plain = new.model_dump(mode="json", by_alias=True)
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(after, Record) and type(after) is type(before):
            yield from _differences(before, after, f"{prefix}{name}.")
        elif after != before:
            yield prefix + name, plain[name]


def parse_assignment(text: str) -> tuple[str, object]:
    """Split ``gates.delay.stop_ns=20`` into a dotted name and a typed value (read as YAML).

    Raises
    ------
    ConfigurationError
        There is no ``=``, or the value is not YAML.
    """
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        msg = f"--set {text!r} is not NAME=VALUE; write for example --set gains.solint=30s."
        raise ConfigurationError(msg)
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        msg = f"--set {name.strip()}: the value {value!r} cannot be read ({error})."
        raise ConfigurationError(msg) from error


def explain(error: ValidationError, what: str, known: Collection[str] = ()) -> str:
    """Return a validation error as sentences: which field, what was given, what fits; `known` are names that exist."""
    lines = []
    for issue in _worth_saying(error.errors()):
        place = ".".join(str(part) for part in issue["loc"] if not _alternative(part)) or what
        if issue["type"] == "extra_forbidden" and known:
            near = _near(str(issue["loc"][-1]), known) or f"; there are {', '.join(known)}."
            lines.append(f"there is no {what} {place!r}{near}")
            continue
        lines.append(f"{what} {place}: {issue['msg']} (given: {issue['input']!r}){_hint(issue)}")
    return "\n".join(lines)


def _alternative(part: str | int) -> bool:
    """Tell whether a part of a place names no field but one of several types that pydantic tried there."""
    text = str(part)
    return text.startswith("literal[") or text in {record.__name__ for record in Record.__subclasses__()}


def _worth_saying(issues: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a record is not one of the words that could stand in its place."""
    return [
        issue
        for issue in issues
        if not (isinstance(issue["input"], dict) and issue["loc"] and str(issue["loc"][-1]).startswith("literal["))
    ]


def _hint(issue: Mapping[str, Any]) -> str:
    if "solint" in str(issue["loc"]) and issue["type"] == "string_pattern_mismatch":
        return "; write int, inf or a duration with its unit, e.g. 60s"
    if "solint" in str(issue["loc"]):
        return f"; a time needs its unit, e.g. {issue['input']}s"
    return ""


def _set(tree: dict[str, Any], name: str, value: object) -> None:
    node: Any = tree
    *parents, leaf = name.split(".")
    for part in (*parents, leaf):
        if not isinstance(node, dict) or part not in node:
            raise ConfigurationError(_unknown(name))
        if part is not leaf:
            node = node[part]
    node[leaf] = value


def _unknown(name: str) -> str:
    return f"there is no parameter {name!r}{_near(name, names(Parameters)) or '; see the README for the list.'}"


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {', '.join(near)}?" if near else ""


def names(record: type[Record], prefix: str = "") -> list[str]:
    """Return the dotted names of all fields of `record` and of the records inside it."""
    found = []
    for name, info in record.model_fields.items():
        found.append(prefix + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, Record):
            found += names(info.annotation, f"{prefix}{name}.")
    return found
