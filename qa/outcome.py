"""Turns tables into the numbers of the outcome: delays, counts, flagged fractions, corrected calibrators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from qa.catalogue import known_ranges
from schemas.outcome import (
    AntennaCounts,
    AntennaDelay,
    CatalogueRange,
    Corrected,
    FieldFlux,
    FlaggedFraction,
    SpwFluxDensity,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from schemas.gates import GateReport
    from schemas.inspection import MsSummary
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


def flagged_of(
    before: pd.DataFrame, after: pd.DataFrame, by: Literal["field", "antenna", "spw"] = "field"
) -> dict[str, FlaggedFraction]:
    """Return flagged fractions before and after, from flag counts (`schemas.solutions.FLAG_COLUMNS`)."""
    first, last = _fractions(before, by), _fractions(after, by)
    return {name: FlaggedFraction(before=first.get(name, 0.0), after=fraction) for name, fraction in last.items()}


def _fractions(counts: pd.DataFrame, by: str) -> Mapping[str, float]:
    sums = counts.groupby(by)[["flagged", "total"]].sum()
    return {str(name): float(row["flagged"] / row["total"]) for name, row in sums.iterrows() if row["total"]}


def flagged_fraction(counts: pd.DataFrame) -> float:
    """Return the flagged fraction of the whole observation."""
    total = float(counts["total"].sum())
    return float(counts["flagged"].sum()) / total if total else 0.0


def spw_fluxes_of(fits: Sequence[FluxscaleFit]) -> tuple[SpwFluxDensity, ...]:
    """Return the calibrators' flux densities per spw, the resolved-out factor included, beside the fitted spectrum."""
    return tuple(
        SpwFluxDensity(
            field=fit.field,
            spw=spw.spw,
            frequency_hz=spw.frequency_hz,
            flux_density_jy=_times(spw.flux_density_jy, fit.resolved_out_factor),
            error_jy=_times(spw.error_jy, fit.resolved_out_factor),
            fitted_jy=(
                None
                if fit.spectral_index is None
                else fit.flux_density_jy * (spw.frequency_hz / fit.reference_hz) ** fit.spectral_index
            ),
            antennas=spw.antennas,
        )
        for fit in fits
        for spw in fit.spws
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def catalogue_of(fits: Sequence[FluxscaleFit], summary: MsSummary) -> tuple[CatalogueRange, ...]:
    """Return what the known calibrators among the fitted have been seen at."""
    return tuple(
        CatalogueRange(field=fit.field, low_jy=known.low_jy, high_jy=known.high_jy, source=known.source)
        for fit in fits
        for known in known_ranges(
            fit.field, summary.field(fit.field).ra_rad, summary.field(fit.field).dec_rad, fit.reference_hz
        )
    )


def corrected_of(visibilities: pd.DataFrame) -> tuple[Corrected, ...]:
    """Return how each calibrator came out, from averaged corrected visibilities (VISIBILITY_COLUMNS)."""
    found = []
    for field, rows in visibilities[visibilities["weight"] > 0].groupby("field"):
        ratio = float((rows["amplitude"] / rows["model_amplitude"]).median())
        rms = math.sqrt(float(np.average(np.square(rows["phase_deg"]), weights=rows["weight"])))
        found.append(Corrected(field=str(field), amplitude_over_model=ratio, phase_rms_deg=rms))
    return tuple(found)
