"""Pre-calibration: gains of the bandpass calibrators in time, so that the bandpass solve can average over it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.solutions import SolutionTable, SolveRecord
from tasks.gaintables import casa_chain
from tasks.solving import chain_of, gaincal, solve, survives
from tasks.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.parameters import PrecalParams
    from tasks.calibration import Calibration


@step("precal", SolveRecord)
def solve_precal(calibration: Calibration, delays: SolveRecord) -> SolveRecord:
    """Solve phase, then normalised amplitude and phase, of the bandpass calibrators (guide, step 6).

    Writes ``bpcals_precal.p1`` and ``bpcals_precal.ap1``; each calibrator is normalised on its own, since their flux
    densities are not known yet.
    """
    asked = calibration.parameters.precal
    if not asked.enabled:
        return SolveRecord(skipped="switched off (precal.enabled)")
    phases = _solve(calibration, "bpcals_precal.p1", "p", asked.solint, delays)
    if not survives(calibration, phases):
        return SolveRecord(tables=(phases,))
    both = SolveRecord(tables=(*delays.tables, phases))
    amplitudes = _solve(calibration, "bpcals_precal.ap1", "ap", asked.amplitude_solint, both)
    return SolveRecord(tables=(phases, amplitudes))


def _solve(calibration: Calibration, name: str, calmode: str, solint: str, before: SolveRecord) -> SolutionTable:
    asked = calibration.parameters.precal
    fields = calibration.roles.bandpass

    def call(caltable: str) -> Iterable[Mapping[str, Any]]:
        for field in fields:
            yield gaincal(
                calibration,
                asked,
                caltable,
                field=field,
                spw=channels(calibration, asked),
                calmode=calmode,
                solint=solint,
                solnorm=calmode == "ap",
                # Where the first calibrator left no table, there is none to append to.
                append=(Path(caltable) / "table.dat").exists(),
                **casa_chain(chain_of(calibration, before)),
            )

    return solve(calibration, name, calmode, call, fields)


def channels(calibration: Calibration, asked: PrecalParams) -> str:
    """Return the channels to solve on as a CASA selection; ``central`` is the middle half of each spw."""
    if asked.channels != "central":
        return asked.channels
    return ",".join(f"{spw.id}:{spw.channels // 4}~{3 * spw.channels // 4}" for spw in calibration.summary.spws)
