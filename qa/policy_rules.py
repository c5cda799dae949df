"""From failed checks to a verdict: overrides, the one-dead-antenna rule, the policy's action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.gates import Check, GateContext, GateVerdict, Override
    from schemas.policy import SuiteBounds

FEWEST_ANTENNAS = 4
"""Amplitude self-consistency needs closure amplitudes, hence four antennas (the design's rule)."""

LARGEST_LOST_PART = 3
"""More than one in this many antennas failing is no dead antenna but a fault of the array or the solve (the design)."""


@dataclass(frozen=True)
class Judged:
    """A check before the policy's rules.

    Attributes
    ----------
    check
        The check, its verdict by severity alone.
    antennas
        The antennas that fail it, if it may be softened by the one-dead-antenna rule; else empty.
    is_number
        False when the check failed for want of a number. Overrides and the action ``warn`` are decisions about a
        number and do not cover that: a gate cannot pass by accident.
    """

    check: Check
    antennas: frozenset[str] = frozenset()
    is_number: bool = True

    @property
    def stops(self) -> bool:
        """True if the check stands as a stop."""
        return self.check.verdict == "stopped"

    def warned(self, reason: str) -> Judged:
        """Return the check as a warning with a reason."""
        return replace(self, check=self.check.evolve(verdict="warned", reason=_joined(self.check.reason, reason)))

    def because(self, reason: str) -> Judged:
        """Return the check with a further reason."""
        return replace(self, check=self.check.evolve(reason=_joined(self.check.reason, reason)))


def override(judged: Iterable[Judged], overrides: Mapping[str, Override]) -> list[Judged]:
    """Turn failed checks that a person decided to let pass into warnings with that person's reason."""
    return [_overridden(entry, overrides.get(entry.check.metric)) for entry in judged]


def soften(judged: Sequence[Judged], context: GateContext) -> tuple[list[Judged], tuple[str, ...]]:
    """Apply the one-dead-antenna rule.

    The antennas that fail any stop check of the gate are counted together: two that fail one metric and two others
    that fail another are four lost antennas.

    Returns
    -------
    The checks, and the antennas lost without ending the night (empty when the gate stops for them).
    """
    failing = frozenset[str]().union(*(entry.antennas for entry in judged if entry.stops))
    if not failing:
        return list(judged), ()
    lost = tuple(antenna for antenna in context.antennas if antenna in failing)
    against = _why_not_softened(lost, context, _only_field(judged))
    if against:
        return [entry.because(against) if entry.stops and entry.antennas else entry for entry in judged], ()
    remain = len(context.antennas) - len(lost)
    reference = _reference_moves(lost, context)
    softened = [
        entry.warned(
            f"lost: {_names(entry.antennas, context)}; {remain} of {len(context.antennas)} antennas go on{reference}"
        )
        if entry.stops and entry.antennas
        else entry
        for entry in judged
    ]
    return softened, lost


def act(judged: Sequence[Judged], bounds: SuiteBounds) -> list[Judged]:
    """Turn stops into warnings where the policy for this gate is warn only."""
    if bounds.action != "warn":
        return list(judged)
    return [_warn_only(entry) if entry.stops else entry for entry in judged]


def verdict_of(checks: Sequence[Check], bounds: SuiteBounds) -> tuple[GateVerdict, str]:
    """Return the gate's verdict and, where it is not ``passed`` or ``warned``, the reason."""
    stopped = [check for check in checks if check.verdict == "stopped"]
    if stopped:
        reason = "; ".join(_sentence(check) for check in stopped)
        if bounds.action == "hold":
            return "held", f"held for a person: {reason}"
        return "stopped", reason
    if all(check.verdict == "not applicable" for check in checks):
        reasons = ", ".join(dict.fromkeys(check.reason for check in checks)) or "no check was made"
        return "stopped", f"no check of this gate applies ({reasons}), so nothing was judged"
    return ("warned" if any(check.verdict == "warned" for check in checks) else "passed"), ""


def _overridden(entry: Judged, decision: Override | None) -> Judged:
    if decision is None or entry.check.verdict not in {"stopped", "warned"}:
        return entry
    if not entry.is_number:
        return entry.because("an override does not cover a number that could not be measured")
    # Without its antennas: an overridden failure loses none.
    return replace(entry, antennas=frozenset()).warned(
        f"overridden by {decision.decided_by or 'an unnamed person'}: {decision.reason}"
    )


def _warn_only(entry: Judged) -> Judged:
    if not entry.is_number:
        return entry.because("warn only does not cover a number that could not be measured")
    return entry.warned("the policy for this gate is warn only")


def _only_field(judged: Sequence[Judged]) -> str:
    """Return the field that every failure of a stop names, or nothing."""
    places = [failure.place for entry in judged if entry.stops and entry.antennas for failure in entry.check.failures]
    fields = {place.field for place in places}
    return fields.pop() if len(fields) == 1 else ""


def _why_not_softened(lost: Sequence[str], context: GateContext, field: str) -> str:
    """Return why the loss of these antennas ends the run, or nothing; `field` if all fail on one field alone."""
    if context.refant and context.refant[0] in lost and not _fallback(lost, context):
        given = "none is left" if context.refant[1:] else "none is given"
        return f"reference antenna {context.refant[0]} is lost and of its fallbacks {given}"
    total = len(context.antennas)
    remain = total - len(lost)
    if context.refant and {*lost} >= {*context.antennas} - {context.refant[0]}:
        if field:
            return (
                f"every antenna but the reference fails, and on {field} alone: that source is suspect "
                "(too faint, off its position, or another source than its name says)"
            )
        # Solutions are relative to the reference antenna: when all others fail together, it is the one to suspect.
        return (
            f"every antenna but the reference {context.refant[0]} fails: {context.refant[0]} itself is suspect; "
            f"try another with --set refant={','.join(name for name in context.refant[1:3]) or '<antenna>'}"
        )
    if remain < FEWEST_ANTENNAS:
        return f"without {', '.join(lost)} only {remain} of {total} antennas remain; {FEWEST_ANTENNAS} are needed"
    # In integers: 2 of 6 is exactly a third and still goes on.
    if len(lost) * LARGEST_LOST_PART > total:
        return f"{len(lost)} of {total} antennas fail, more than a third ({', '.join(lost)})"
    return ""


def _fallback(lost: Sequence[str], context: GateContext) -> str:
    return next((name for name in context.refant[1:] if name in context.antennas and name not in lost), "")


def _reference_moves(lost: Sequence[str], context: GateContext) -> str:
    if context.refant and context.refant[0] in lost:
        return f"; reference antenna {context.refant[0]} gives way to {_fallback(lost, context)}"
    return ""


def _names(antennas: frozenset[str], context: GateContext) -> str:
    return ", ".join(name for name in context.antennas if name in antennas)


def _sentence(check: Check) -> str:
    """One failed check in words: metric, place, number, bound."""
    number = "no number" if check.observed is None else f"{check.observed:.4g} {check.unit}".removesuffix(" fraction")
    measured = "" if check.observed is None and check.reason else f": {number} at {check.where}, bound {check.bound}"
    reason = f" ({check.reason})" if check.reason else ""
    return f"{check.title}{measured}{reason}"


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))
