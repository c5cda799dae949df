"""Targets and their phase references, told from scan intents, interleaved scans and separation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from schemas.standards import angular_separation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.inspection import FieldSummary, ScanSummary

MAX_SEPARATION_DEG = 15.0
"""A phase reference stands within this of its target [deg]; the VLA and e-MERLIN guides advise under 10."""

MIN_BRACKETED = 0.5
"""Least fraction of a target's scans that lie between two neighbouring scans of its phase reference."""


@dataclass
class Pairing:
    """Which field is whose phase reference."""

    phase_reference: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Target to (phase reference, reason), in order of first observation."""
    unresolved: tuple[str, ...] = ()
    """Fields with no role."""


def pair_targets(fields: dict[str, FieldSummary], calibrators: set[str], scans: Sequence[ScanSummary]) -> Pairing:
    """Find the targets and their phase references.

    Fields with the intent OBSERVE_TARGET are targets, those with CALIBRATE_PHASE references. Without intents: a target
    has the longer scans and lies between scans of its reference, near on the sky.

    Parameters
    ----------
    fields
        The fields with data, by name.
    calibrators
        Those that are known as flux or bandpass calibrators.
    scans
        All scans, in order of time.
    """
    intents = {name: {intent.split("#")[0] for intent in entry.intents} for name, entry in fields.items()}
    targets = [name for name in fields if "OBSERVE_TARGET" in intents[name]]
    if targets:
        references = [name for name in fields if "CALIBRATE_PHASE" in intents[name] and name not in targets]
        return _with_intents(fields, targets, references, calibrators, scans)
    return _by_scans(fields, [name for name in fields if name not in calibrators], calibrators, scans)


def _with_intents(
    fields: dict[str, FieldSummary],
    targets: list[str],
    references: list[str],
    calibrators: set[str],
    scans: Sequence[ScanSummary],
) -> Pairing:
    pairing, unresolved = Pairing(), []
    preferred = [name for name in references if name not in calibrators] or references
    for target in targets:
        best = _best_reference(target, preferred or sorted(calibrators), fields, scans)
        if best is None:
            unresolved.append(target)
        else:
            pairing.phase_reference[target] = (best[0], f"scan intents; {best[1]}")
    pairing.unresolved = tuple(unresolved)
    return pairing


def _by_scans(
    fields: dict[str, FieldSummary], others: list[str], calibrators: set[str], scans: Sequence[ScanSummary]
) -> Pairing:
    length = {name: _scan_length_s(name, scans) for name in fields}
    found: dict[str, tuple[str, str]] = {}
    references: set[str] = set()
    for target in sorted(others, key=lambda name: -length[name]):
        if target in references:
            continue
        # A reference may serve several targets, a target is nobody's reference.
        candidates = [name for name in others if name not in found and length[name] < length[target]]
        best = _best_reference(target, candidates, fields, scans)
        best = best or _best_reference(target, sorted(calibrators), fields, scans)
        if best:
            found[target] = best
            references.add(best[0])
    pairing = Pairing({name: found[name] for name in fields if name in found})
    pairing.unresolved = tuple(name for name in others if name not in found and name not in references)
    return pairing


def _scan_length_s(name: str, scans: Iterable[ScanSummary]) -> float:
    return float(np.mean([scan.stop_s - scan.start_s for scan in scans if scan.field == name] or [0.0]))


def _best_reference(
    target: str, candidates: Iterable[str], fields: dict[str, FieldSummary], scans: Sequence[ScanSummary]
) -> tuple[str, str] | None:
    ranked = []
    for name in candidates:
        bracketed = _bracketed(target, name, scans)
        apart = float(np.degrees(_separation_rad(fields[target], fields[name])))
        if name != target and bracketed >= MIN_BRACKETED and apart <= MAX_SEPARATION_DEG:
            ranked.append((-bracketed, apart, name))
    if not ranked:
        return None
    bracketed, apart, name = min(ranked)
    return name, f"{-bracketed:.0%} of {target}'s scans lie between scans of {name}, {apart:.1f} deg away"


def _separation_rad(one: FieldSummary, other: FieldSummary) -> float:
    return angular_separation(one.ra_rad, one.dec_rad, other.ra_rad, other.dec_rad)


def _bracketed(target: str, reference: str, scans: Sequence[ScanSummary]) -> float:
    """Return the fraction of the target's scans with the reference before or after, and no other visit between.

    A scan at either end of the observation has a neighbour on one side only: half a bracket. Scans of further targets
    may stand between, as in cycles of one reference and several targets.
    """
    visits = _visits(scans)
    places = [index for index, name in enumerate(visits) if name == target]
    if not places:
        return 0.0
    reach = 1 + max(1, len(set(visits)) - 2)
    scores = []
    for place in places:
        before, after = visits[max(0, place - reach) : place], visits[place + 1 : place + 1 + reach]
        scores.append(0.5 * (reference in before) + 0.5 * (reference in after))
    return float(np.mean(scores))


def _visits(scans: Sequence[ScanSummary]) -> list[str]:
    """Return the fields in the order they were visited, successive scans of one field once."""
    names = [scan.field for scan in sorted(scans, key=lambda entry: entry.start_s)]
    return [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]
