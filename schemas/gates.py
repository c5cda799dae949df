"""What a gate says: checks with number, unit, bound and place, and the verdict they add up to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.record import Record

Severity = Literal["warn", "stop"]
CheckVerdict = Literal["passed", "warned", "stopped", "not applicable"]
GateVerdict = Literal["passed", "warned", "stopped", "held", "skipped"]
NotApplicable = Literal[
    "stage skipped",
    "antenna without any data",
    "fewer than three spws",
    "one solution per scan",
    "no standard",
    "too little history",
]
"""The closed list of reasons for which a check may be left out; decided from the inputs before the metric is read."""


class Place(Record):
    """Where a number was measured; what does not apply is empty."""

    field: str = ""
    """Field name."""
    antenna: str = ""
    """Antenna name, or two joined by ``&`` for a baseline."""
    spw: int | None = None
    """Spectral window, from 0."""
    polarisation: str = ""
    """R, L, X or Y."""
    scan: int | None = None
    """Scan number."""

    def __str__(self) -> str:
        parts = (
            self.field,
            f"antenna {self.antenna}" if self.antenna else "",
            f"spw {self.spw}" if self.spw is not None else "",
            self.polarisation,
            f"scan {self.scan}" if self.scan is not None else "",
        )
        return ", ".join(part for part in parts if part) or "whole observation"


class Failure(Record):
    """One place that is beyond a bound."""

    place: Place
    """Where."""
    observed: float | None
    """The number there [the check's unit]; None where it was missing or not finite."""


class Check(Record):
    """One line of a gate's report: one metric against one bound."""

    metric: str
    """Name of the metric, as in the suite."""
    title: str
    """The metric in words."""
    where: str
    """The worst place, in words."""
    observed: float | None
    """The worst number [unit]; None where nothing could be measured."""
    unit: str
    """Unit of `observed` and `bound`; ``fraction`` for dimensionless ones."""
    bound: str
    """The bound in words with its number, e.g. ``<= 50``."""
    severity: Severity
    """What a failure of this check means for the run."""
    verdict: CheckVerdict
    """What it came to, after the one-dead-antenna rule and overrides."""
    reason: str = ""
    """Why it is not applicable, was softened, overridden or could not be measured."""
    measured: int = 0
    """Number of places measured."""
    failures: tuple[Failure, ...] = ()
    """The places beyond the bound, worst first (at most 50)."""
    failed: int = 0
    """Number of places beyond the bound."""
    meaning: str = ""
    """What a failure usually means."""
    source: str = ""
    """Where the bound comes from."""
    try_: str = Field(default="", alias="try")
    """What to try."""


class Override(Record):
    """A person's decision to let a failed check pass, kept in the outcome."""

    reason: str = Field(min_length=3)
    """Why."""
    decided_by: str = ""
    """Who."""


class GateReport(Record):
    """All checks of one gate after one stage."""

    gate: str
    """Name of the gate: the stage's solve it looks at, e.g. ``delay`` or ``gains.p1``."""
    suite: str
    """The expectation suite it was judged by."""
    step: str
    """The step after which it stands."""
    verdict: GateVerdict
    """The worst of its checks, after the policy's action."""
    checks: tuple[Check, ...] = ()
    """One line per metric and severity."""
    lost_antennas: tuple[str, ...] = ()
    """Antennas that failed a stop bound but did not end the night."""
    reason: str = ""
    """Why the gate stopped, was held or skipped, in one sentence; empty when it passed."""

    @property
    def stops(self) -> bool:
        """True if nothing downstream may run."""
        return self.verdict in {"stopped", "held"}


class GateContext(Record):
    """What every gate needs to know besides its numbers."""

    gate: str
    """Name of the gate, e.g. ``gains.p1``."""
    step: str
    """The step after which it stands."""
    antennas: tuple[str, ...]
    """Antennas that have data; others are not applicable, never failures."""
    refant: tuple[str, ...]
    """Reference antenna first, then its fallbacks in order."""
