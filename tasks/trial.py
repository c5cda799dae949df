"""Trial apply: what delays and the first bandpass do to the calibrators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from schemas.results import TrialPhase, TrialRecord
from tasks.casa import run
from tasks.gaintables import casa_chain
from tasks.solving import chain_of
from tasks.step import step

if TYPE_CHECKING:
    from schemas.solutions import SolveRecord
    from tasks.calibration import Calibration


@step("trial", TrialRecord)
def apply_trial(calibration: Calibration, delays: SolveRecord, bandpass: SolveRecord) -> TrialRecord:
    """Apply delays and first bandpass to the calibrators, flags left alone (guide, step 6), and compare the bands.

    Rewrites CORRECTED_DATA of the calibrators; nothing later reads it before apply writes it anew.
    """
    asked = calibration.parameters.trial
    chain = chain_of(calibration, delays, bandpass)
    if not asked.enabled or not chain:
        return TrialRecord(skipped="no table to apply" if asked.enabled else "switched off (trial.enabled)")
    for field in calibration.roles.calibrators:
        run(
            "applycal",
            timeout_s=asked.timeout_s,
            vis=calibration.vis,
            field=field,
            applymode="calonly",
            calwt=False,
            flagbackup=False,
            **casa_chain(chain),
        )
    before, after = (_response(calibration, column) for column in ("DATA", "CORRECTED_DATA"))
    return TrialRecord(
        phases=tuple(
            TrialPhase(
                field=field,
                spw=spw,
                slope_before_deg=before[field, spw][0],
                slope_after_deg=after[field, spw][0],
                amplitude_spread_before=before[field, spw][1],
                amplitude_spread_after=after[field, spw][1],
            )
            for field, spw in before
        )
    )


def _response(calibration: Calibration, column: str) -> dict[tuple[str, int], tuple[float | None, float | None]]:
    fields = list(calibration.roles.phase_references)
    rows = pd.DataFrame(run("tasks.tables_casa:band_response", vis=calibration.vis, fields=fields, visibilities=column))
    medians = rows.groupby(["field", "spw"])[["slope_deg", "spread"]].median()
    return {
        (str(row["field"]), int(row["spw"])): (_number(row["slope_deg"]), _number(row["spread"]))
        for row in medians.reset_index().to_dict("records")
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
