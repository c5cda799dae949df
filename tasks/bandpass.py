"""Bandpass: each antenna's response over the channels, first to normalise, then on the flux scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from schemas.solutions import FluxscaleRecord, SolveRecord
from tasks.casa import run
from tasks.fluxscale import set_calibrator_models
from tasks.gains import scaled_chain
from tasks.gaintables import GainTable, casa_chain
from tasks.solving import chain_of, solve
from tasks.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.parameters import BandpassParams
    from tasks.calibration import Calibration


@step("bandpass1", SolveRecord)
def solve_bandpass1(calibration: Calibration, delays: SolveRecord, precal: SolveRecord) -> SolveRecord:
    """Solve the initial bandpass, normalised, over the pre-calibrated bandpass calibrators (guide, step 6).

    Writes ``bpcals.B1``.
    """
    chain = chain_of(calibration, delays, precal)
    return _solve(calibration, "bandpass1", "bpcals.B1", chain)


@step("bandpass2", SolveRecord)
def solve_bandpass2(
    calibration: Calibration, delays: SolveRecord, gains: SolveRecord, fluxes: FluxscaleRecord
) -> SolveRecord:
    """Set the calibrators' models, and solve the bandpass again on them, not normalised (guide, steps 9 and 10).

    The amplitude table is the fluxscaled one: the plain one is on a scale on which every calibrator but the flux
    calibrator has 1 Jy. Writes MODEL_DATA of the calibrators, and ``bpcals.B2``.
    """
    set_calibrator_models(calibration, fluxes)
    chain = [*chain_of(calibration, delays), *scaled_chain(calibration, gains, fluxes)]
    return _solve(calibration, "bandpass2", "bpcals.B2", chain)


def _solve(
    calibration: Calibration, which: Literal["bandpass1", "bandpass2"], name: str, chain: Sequence[GainTable]
) -> SolveRecord:
    asked: BandpassParams = getattr(calibration.parameters, which)
    if not asked.enabled:
        return SolveRecord(skipped=f"switched off ({which}.enabled)")
    fields = calibration.roles.bandpass

    def call(caltable: str) -> Iterable[Mapping[str, Any]]:
        yield run(
            "bandpass",
            timeout_s=asked.timeout_s,
            vis=calibration.vis,
            caltable=caltable,
            field=",".join(fields),
            bandtype="B",
            solint=asked.solint,
            combine=asked.combine,
            refant=",".join(calibration.refant),
            minblperant=asked.minblperant,
            minsnr=asked.minsnr,
            solnorm=asked.solnorm,
            fillgaps=asked.fillgaps,
            corrdepflags=asked.corrdepflags,
            **casa_chain(chain),
        )

    return SolveRecord(tables=(solve(calibration, name, "B", call, fields),))
