"""Time-dependent gains of all calibrators: phase (p1), then amplitude and phase (ap1); at the end ap2 and p2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.solutions import FluxscaleRecord, SolveRecord
from tasks.gaintables import GainTable
from tasks.solving import chain_of, interpolation, solve_gains, survives
from tasks.step import step

if TYPE_CHECKING:
    from tasks.calibration import Calibration


@step("gains", SolveRecord)
def solve_time_gains(calibration: Calibration, delays: SolveRecord, bandpass: SolveRecord) -> SolveRecord:
    """Solve phase gains p1, then amplitude gains ap1 on top, of all calibrators (guide, steps 7 and 8).

    Writes ``calsources.p1`` and ``calsources.ap1``; the latter is on a scale on which every calibrator without a model
    has 1 Jy.
    """
    asked = calibration.parameters.gains
    if not asked.enabled:
        return SolveRecord(skipped="switched off (gains.enabled)")
    fields = calibration.roles.calibrators
    chain = chain_of(calibration, delays, bandpass)
    phases = solve_gains(calibration, asked, "calsources.p1", "p", asked.solint, fields, chain)
    if not survives(calibration, phases):
        return SolveRecord(tables=(phases,))
    chain += chain_of(calibration, SolveRecord(tables=(phases,)))
    amplitudes = solve_gains(calibration, asked, "calsources.ap1", "ap", asked.amplitude_solint, fields, chain)
    return SolveRecord(tables=(phases, amplitudes))


@step("finalgains", SolveRecord)
def solve_final_gains(
    calibration: Calibration, delays: SolveRecord, bandpass: SolveRecord, gains: SolveRecord
) -> SolveRecord:
    """Solve the final amplitude gains ap2, and one phase per scan p2 for the targets (guide, step 11).

    Writes ``calsources.ap2`` and ``calsources.p2``.
    """
    asked = calibration.parameters.finalgains
    if not asked.enabled:
        return SolveRecord(skipped="switched off (finalgains.enabled)")
    fields = calibration.roles.calibrators
    chain = chain_of(calibration, delays, bandpass)
    with_phases = [*chain, *chain_of(calibration, only(gains, "p"))]
    amplitudes = solve_gains(calibration, asked, "calsources.ap2", "ap", asked.amplitude_solint, fields, with_phases)
    phases = solve_gains(calibration, asked, "calsources.p2", "p", asked.solint, fields, chain)
    return SolveRecord(tables=(amplitudes, phases))


def only(record: SolveRecord, kind: str) -> SolveRecord:
    """Return the record with its tables of one kind alone."""
    return SolveRecord(tables=tuple(table for table in record.tables if table.kind == kind))


def scaled_chain(calibration: Calibration, gains: SolveRecord, fluxes: FluxscaleRecord) -> list[GainTable]:
    """Return p1 and the fluxscaled amplitude table; ap1 itself where nothing was scaled."""
    chain = chain_of(calibration, gains)
    if fluxes.caltable is None:
        return chain
    scaled = calibration.workspace.root / fluxes.caltable
    return [
        *chain_of(calibration, only(gains, "p")),
        GainTable(caltable=scaled, interp=interpolation(calibration, "ap")),
    ]
