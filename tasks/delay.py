"""Delays: the phase slope with frequency of each antenna, spw and hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.solutions import SolveRecord
from tasks.solving import gaincal, solve
from tasks.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tasks.calibration import Calibration


@step("delay", SolveRecord)
def solve_delays(calibration: Calibration) -> SolveRecord:
    """Solve gaincal K on all calibrators (guide, step 5); skipped where each spw is too narrow to tell a slope.

    Writes ``all.K``. Later steps take it from the record, so that a skipped solve leaves every later list of tables.
    """
    asked = calibration.parameters.delay
    if not asked.enabled:
        return SolveRecord(skipped="switched off (delay.enabled)")
    widest = max(spw.bandwidth_hz for spw in calibration.summary.spws)
    if widest < asked.min_bandwidth_hz:
        return SolveRecord(
            skipped=f"each spw is at most {widest / 1e6:.2f} MHz wide, under the {asked.min_bandwidth_hz / 1e6:g} MHz "
            "needed to tell a delay from the filter's own slope"
        )
    fields = calibration.roles.calibrators

    def call(caltable: str) -> Iterable[Mapping[str, Any]]:
        yield gaincal(calibration, asked, caltable, field=",".join(fields), gaintype="K", solint=asked.solint)

    return SolveRecord(tables=(solve(calibration, "all.K", "K", call, fields),))
