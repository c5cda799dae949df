"""Turns tables into the numbers of the outcome: delays, counts, flagged fractions, corrected calibrators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from schemas.outcome import AntennaCounts, AntennaDelay, Corrected, FieldFlux, FlaggedFraction, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from schemas.gates import GateReport
    from schemas.solutions import FluxscaleFit

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""


def verdict_of(reports: Sequence[GateReport]) -> Verdict:
    """Return the worst verdict of a run's gates."""
    found = {report.verdict for report in reports}
    if "stopped" in found:
        return "stopped"
    if "held" in found:
        return "held"
    return "warned" if "warned" in found else "passed"


def delays_of(rows: pd.DataFrame) -> tuple[AntennaDelay, ...]:
    """Return median and scatter in time of each antenna's delay, from a K table (`schemas.solutions.DELAY_COLUMNS`)."""
    found = []
    for (antenna, spw, hand), solutions in rows.groupby(["antenna", "spw", "polarisation"], sort=True):
        good = solutions.loc[~solutions["flagged"], "delay_ns"].to_numpy(dtype=float)
        median = float(np.median(good)) if len(good) else None
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(good - median))) if median is not None else None
        found.append(
            AntennaDelay(
                antenna=str(antenna), spw=int(str(spw)), polarisation=str(hand), median_ns=median, scatter_ns=scatter
            )
        )
    return tuple(found)


def fluxes_of(fits: Sequence[FluxscaleFit]) -> dict[str, FieldFlux]:
    """Return the flux densities in force, by calibrator; the fit's error scales with the resolved-out factor."""
    return {
        fit.field: FieldFlux(
            flux_density_jy=fit.flux_density_jy,
            error_jy=fit.error_jy * fit.resolved_out_factor,
            spectral_index=fit.spectral_index,
            error=fit.spectral_index_error,
            reference_hz=fit.reference_hz,
        )
        for fit in fits
    }


def antenna_counts_of(table: str, statistics: pd.DataFrame) -> tuple[AntennaCounts, ...]:
    """Return the antenna level of a table's solve statistics (`schemas.solutions.STATISTICS_COLUMNS`)."""
    return tuple(
        AntennaCounts(
            table=table,
            spw=int(row["spw"]),
            antenna=str(row["antenna"]),
            polarisation=str(row["polarisation"]),
            expected=int(row["expected"]),
            attempted=int(row["attempted"]),
            succeeded=int(row["succeeded"]),
        )
        for row in statistics[statistics["antenna"] != ""].to_dict("records")
    )


def flagged_of(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, FlaggedFraction]:
    """Return each field's flagged fraction before and after, from flag counts (`schemas.solutions.FLAG_COLUMNS`)."""
    first, last = _fractions(before), _fractions(after)
    return {field: FlaggedFraction(before=first.get(field, 0.0), after=fraction) for field, fraction in last.items()}


def _fractions(counts: pd.DataFrame) -> Mapping[str, float]:
    sums = counts.groupby("field")[["flagged", "total"]].sum()
    return {str(field): float(row["flagged"] / row["total"]) for field, row in sums.iterrows() if row["total"]}


def corrected_of(visibilities: pd.DataFrame) -> tuple[Corrected, ...]:
    """Return how each calibrator came out, from averaged corrected visibilities (VISIBILITY_COLUMNS)."""
    found = []
    for field, rows in visibilities[visibilities["weight"] > 0].groupby("field"):
        ratio = float((rows["amplitude"] / rows["model_amplitude"]).median())
        rms = math.sqrt(float(np.average(np.square(rows["phase_deg"]), weights=rows["weight"])))
        found.append(Corrected(field=str(field), amplitude_over_model=ratio, phase_rms_deg=rms))
    return tuple(found)
