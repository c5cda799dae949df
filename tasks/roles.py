"""Who is what: the fields' roles, as named or decided from positions, scan intents and interleaved scans."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from schemas.errors import ConfigurationError
from schemas.inspection import RoleDecision, Roles
from schemas.standards import standard_source_at
from tasks.bright_calibrators import bright_calibrator_at
from tasks.interleaving import pair_targets
from tasks.reference_antenna import choose_refant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.inspection import FieldSummary, MsSummary
    from schemas.observation import RequestedRoles

__all__ = ["choose_refant", "has_intent", "observed_fields", "resolve_roles"]

PREFERRED_STANDARDS = ("3C286", "3C147", "3C48", "3C138", "3C295", "3C196", "3C123", "3C380")
"""Where several standards were observed, the first of these is the flux calibrator.

3C286 is steady and nearly unresolved (Perley & Butler 2013, section 4); the last ones are resolved by most arrays.
"""


def resolve_roles(requested: RequestedRoles | Literal["auto"], summary: MsSummary) -> Roles:
    """Give every role to a field.

    Parameters
    ----------
    requested
        The roles as a person named them, or ``auto``.
    summary
        What the data hold.

    Returns
    -------
    The roles, each with the reason.

    Raises
    ------
    ConfigurationError
        A name is not in the data (near ones are suggested), a target has no phase reference, two fields share a
        name, or ``auto`` cannot decide: says what to write in the observation file.
    """
    fields = observed_fields(summary)
    return _automatic(fields, summary) if requested == "auto" else _named(requested, fields)


def observed_fields(summary: MsSummary) -> dict[str, FieldSummary]:
    """Return the fields that have data, by name.

    Raises
    ------
    ConfigurationError
        Two of them share a name: CASA would select both.
    """
    fields: dict[str, FieldSummary] = {}
    for entry in summary.fields:
        if not entry.rows:
            continue
        if entry.name in fields:
            msg = (
                f"two fields are named {entry.name!r} (field IDs {fields[entry.name].id} and {entry.id}); CASA cannot "
                "tell them apart by name. Rename one in a copy of the data, or leave one out with selection.scan."
            )
            raise ConfigurationError(msg)
        fields[entry.name] = entry
    return fields


def _named(requested: RequestedRoles, fields: dict[str, FieldSummary]) -> Roles:
    for target in requested.target:
        if target not in requested.phase_reference:
            msg = (
                f"target {target!r} has no phase reference; write roles.phase_reference: {{{target}: <field>}} in the "
                f"observation file. The fields are {', '.join(fields)}."
            )
            raise ConfigurationError(msg)
    asked = {"flux": [requested.flux], "bandpass": list(requested.bandpass)}
    asked["target"] = list(requested.phase_reference)
    asked["phase_reference"] = list(requested.phase_reference.values())
    for role, names in asked.items():
        for name in names:
            _require_field(name, role, fields)
    calibrators = {requested.flux, *requested.bandpass, *requested.phase_reference.values()}
    for target in requested.phase_reference:
        if target in calibrators:
            msg = f"field {target!r} is named both as target and as calibrator in roles; it can be only one."
            raise ConfigurationError(msg)
    by_person = "named by the observation file"
    return _roles(
        (requested.flux, by_person),
        dict.fromkeys(requested.bandpass, by_person),
        {target: (reference, by_person) for target, reference in requested.phase_reference.items()},
    )


def _require_field(name: str, role: str, fields: dict[str, FieldSummary]) -> None:
    if name in fields:
        return
    msg = f"roles.{role}: there are no data of a field {name!r}.{_suggest(name, fields)}"
    raise ConfigurationError(msg)


def _suggest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    folded = {entry.casefold(): entry for entry in known}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.5)
    part = [key for key in folded if name.casefold() in key or key in name.casefold()]
    hits = [folded[key] for key in dict.fromkeys((*part, *near))]
    hint = f" Did you mean {' or '.join(hits[:3])}?" if hits else ""
    return f"{hint} The fields are {', '.join(known)}."


def _roles(flux: tuple[str, str], bandpass: dict[str, str], phase_reference: dict[str, tuple[str, str]]) -> Roles:
    decisions = [RoleDecision(role="flux", field=flux[0], reason=flux[1])]
    decisions += [RoleDecision(role="bandpass", field=name, reason=reason) for name, reason in bandpass.items()]
    for target, (reference, reason) in phase_reference.items():
        decisions.append(RoleDecision(role="phase reference", field=reference, reason=f"of {target}: {reason}"))
        decisions.append(RoleDecision(role="target", field=target, reason=reason))
    return Roles(
        flux=flux[0],
        bandpass=tuple(bandpass),
        phase_reference={target: reference for target, (reference, _) in phase_reference.items()},
        decisions=tuple(decisions),
    )


def _automatic(fields: dict[str, FieldSummary], summary: MsSummary) -> Roles:
    flux = _find_flux(fields)
    known = _find_bandpass(fields, flux[0])
    calibrators = {flux[0], *known}
    pairs = pair_targets(fields, calibrators, summary.scans)
    if not pairs.phase_reference:
        raise ConfigurationError(_undecided("no target with a phase reference can be told", fields, flux[0], known))
    if pairs.unresolved:
        reason = f"the role of {', '.join(pairs.unresolved)} cannot be told"
        raise ConfigurationError(_undecided(reason, fields, flux[0], known))
    references = {reference for reference, _ in pairs.phase_reference.values()}
    bandpass = {name: reason for name, reason in known.items() if name not in references} or known
    if not bandpass:
        bandpass = {flux[0]: "no known bright bandpass calibrator was observed; the flux calibrator is bright"}
    return _roles(flux, bandpass, pairs.phase_reference)


def _find_flux(fields: dict[str, FieldSummary]) -> tuple[str, str]:
    standards = {name: standard_source_at(entry.ra_rad, entry.dec_rad) for name, entry in fields.items()}
    intended = [name for name, entry in fields.items() if has_intent(entry, "CALIBRATE_FLUX")]
    found = {name: source for name, source in standards.items() if source and (not intended or name in intended)}
    if found:
        name = min(found, key=lambda key: (PREFERRED_STANDARDS.index(str(found[key])), -fields[key].rows))
        intent = "scan intent CALIBRATE_FLUX, and " if intended else ""
        return name, f"{intent}stands at the position of {found[name]}, a flux standard"
    if len(intended) == 1:
        return intended[0], "scan intent CALIBRATE_FLUX"
    reason = (
        f"several fields carry the intent CALIBRATE_FLUX ({', '.join(intended)}) and none is a known standard"
        if intended
        else "no field stands at the position of a flux standard (3C286, 3C48, 3C147, 3C138 ...)"
    )
    raise ConfigurationError(_undecided(reason, fields))


def _find_bandpass(fields: dict[str, FieldSummary], flux: str) -> dict[str, str]:
    intended = {
        name: "scan intent CALIBRATE_BANDPASS"
        for name, entry in fields.items()
        if has_intent(entry, "CALIBRATE_BANDPASS")
    }
    if intended:
        return intended
    found = {}
    for name, entry in fields.items():
        known = bright_calibrator_at(entry.ra_rad, entry.dec_rad)
        if known and name != flux and not has_intent(entry, "OBSERVE_TARGET"):
            found[name] = f"stands at the position of {known}, a bright bandpass calibrator"
    return found


def has_intent(entry: FieldSummary, intent: str) -> bool:
    """Tell whether a field carries a scan intent; ``CALIBRATE_FLUX#ON_SOURCE`` counts as ``CALIBRATE_FLUX``."""
    return any(carried.split("#")[0] == intent for carried in entry.intents)


def _undecided(
    reason: str, fields: dict[str, FieldSummary], flux: str = "<field>", bandpass: Iterable[str] = ()
) -> str:
    listed = ", ".join(bandpass) or (flux if flux != "<field>" else "<field>")
    return (
        f"roles: auto cannot decide: {reason}. Name the roles in the observation file:\n"
        f"roles:\n  flux: {flux}\n  bandpass: [{listed}]\n  phase_reference: {{<target>: <its phase reference>}}\n"
        f"The fields are {', '.join(fields)}."
    )
