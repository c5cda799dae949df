"""The gates over the data: observation, flagging, flux model, apply, result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.data_metrics.calibrated import amplitude_slope, phase_rms, worst_antenna
from qa.data_metrics.flagged import (
    antenna_flagged,
    field_flagged,
    flags_added,
    newly_flagged,
    reference_flagged,
    usable_fallbacks,
)
from qa.data_metrics.modelled import Standards, model_against_standard, model_coverage
from qa.data_metrics.observed import antennas_with_data, phase_reference_gap, unresolved_roles
from qa.data_metrics.transfer import transfer_amplitude, transfer_phase
from qa.judge import judge, measure
from schemas.errors import ConfigurationError
from schemas.standards import flux_density_jy, standard_source_at

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from schemas.gates import Check, GateContext, GateReport
    from schemas.inspection import MsSummary, Roles
    from schemas.policy import ApplyBounds, FlaggingBounds, FluxModelBounds, ObservationBounds, ResultBounds
    from schemas.results import ModelFlux


def observation_gate(
    summary: MsSummary,
    roles: Roles | None,
    problems: Sequence[str],
    bad_scans: Collection[int],
    bounds: ObservationBounds,
    context: GateContext,
) -> GateReport:
    """Judge whether there is an observation to calibrate.

    Parameters
    ----------
    summary
        The MeasurementSet in numbers.
    roles
        The fields' roles; None if they could not be resolved, which `problems` must explain.
    problems
        One sentence per unresolved role; empty if all are resolved.
    bad_scans
        Numbers of scans flagged whole.
    bounds, context
        The policy's bounds, and what every gate needs to know.
    """
    unresolved = tuple(problems) or (() if roles is not None else ("the roles could not be resolved",))
    measurements = [
        measure("antennas_with_data", lambda: antennas_with_data(summary)),
        measure("unresolved_roles", lambda: unresolved_roles(unresolved)),
    ]
    if roles is not None:
        pairs = roles.phase_reference
        measurements.append(measure("phase_reference_gap", lambda: phase_reference_gap(summary, pairs, bad_scans)))
    return _explain(judge("observation", measurements, bounds, context), "unresolved_roles", "; ".join(unresolved))


def flagging_gate(
    before: pd.DataFrame,
    after: pd.DataFrame,
    fields: Sequence[str],
    bounds: FlaggingBounds,
    context: GateContext,
    *,
    judge_new: bool = True,
) -> GateReport:
    """Judge one flag step.

    Parameters
    ----------
    before, after
        Flag counts (`schemas.solutions.FLAG_COLUMNS`).
    fields
        Names of the calibrators and targets.
    bounds, context
        The policy's bounds, and what every gate needs to know.
    judge_new
        False for the user's own list: what it newly flagged is reported, not judged.
    """
    measurements = [
        measure("field_flagged", lambda: field_flagged(after, fields)),
        measure("antenna_flagged", lambda: antenna_flagged(after, context.antennas)),
        measure("reference_flagged", lambda: reference_flagged(after, context.refant)),
        measure("newly_flagged", lambda: newly_flagged(before, after)),
    ]
    # No fraction exceeds 1: the number is measured, guarded and shown, but cannot fail.
    used = bounds if judge_new else bounds.evolve(new_warn=1.0, new_stop=1.0)
    report = judge("flagging", measurements, used, _with_usable_fallbacks(after, bounds, context))
    return report if judge_new else _reported_only(report, "newly_flagged", "the flags are the user's own list")


def flux_model_gate(
    claimed: Sequence[ModelFlux],
    model: pd.DataFrame,
    summary: MsSummary,
    standard: str,
    uv_limit_wavelengths: float | None,
    bounds: FluxModelBounds,
    context: GateContext,
) -> GateReport:
    """Judge the flux calibrator's model.

    Parameters
    ----------
    claimed
        Flux densities as ``setjy`` reports them.
    model
        MODEL_DATA by baseline (`schemas.solutions.MODEL_COLUMNS`).
    summary
        Knows the fields' positions.
    standard
        Flux density standard, e.g. ``Perley-Butler 2013``; empty for a flux density given by the user.
    uv_limit_wavelengths
        Where the model's uv grid ends [wavelengths]; None for a model without a grid.
    bounds, context
        The policy's bounds, and what every gate needs to know.
    """
    measurements = [
        measure(
            "model_against_standard",
            lambda: model_against_standard(claimed, standard_fluxes(claimed, summary, standard), model),
        ),
        measure("model_coverage", lambda: model_coverage(model, uv_limit_wavelengths)),
    ]
    return judge("flux_model", measurements, bounds, context)


def standard_fluxes(claimed: Sequence[ModelFlux], summary: MsSummary, standard: str) -> Standards:
    """Look up the standard's flux density at each flux calibrator's position and frequency [Jy].

    Parameters
    ----------
    claimed
        Names the fields, spws and frequencies.
    summary
        Knows the fields' positions.
    standard
        Flux density standard; empty if there is none.

    Returns
    -------
    By field and spw; None where no primary calibrator stands or the standard does not cover it.
    """
    return {(entry.field, entry.spw): _standard_flux(entry, summary, standard) for entry in claimed}


def apply_gate(
    before: pd.DataFrame,
    after: pd.DataFrame,
    bounds: ApplyBounds,
    context: GateContext,
) -> GateReport:
    """Judge how much applycal flagged for want of solutions.

    Parameters
    ----------
    before, after
        Flag counts (`schemas.solutions.FLAG_COLUMNS`) around applycal.
    bounds, context
        The policy's bounds, and what every gate needs to know.
    """
    measurements = [measure("flags_added", lambda: flags_added(before, after, context.antennas))]
    return judge("apply", measurements, bounds, context)


def result_gate(
    visibilities: pd.DataFrame,
    p2: pd.DataFrame,
    ap2: pd.DataFrame,
    phase_references: Sequence[str],
    bounds: ResultBounds,
    context: GateContext,
) -> GateReport:
    """Judge the calibrated phase references, and what the targets see of their solutions.

    Parameters
    ----------
    visibilities
        Corrected, averaged visibilities (`schemas.solutions.VISIBILITY_COLUMNS`).
    p2, ap2
        The final gains (`schemas.solutions.GAIN_COLUMNS`).
    phase_references
        Field names.
    bounds, context
        The policy's bounds, and what every gate needs to know.
    """
    antennas = context.antennas
    measurements = [
        measure("phase_rms", lambda: phase_rms(visibilities, phase_references)),
        measure("amplitude_slope", lambda: amplitude_slope(visibilities, phase_references)),
        measure("transfer_phase", lambda: transfer_phase(p2, phase_references, antennas)),
        measure("transfer_amplitude", lambda: transfer_amplitude(ap2, phase_references, antennas)),
    ]
    report = judge("result", measurements, bounds, context)
    return _explain(report, "phase_rms", _largest_phases(report, visibilities))


def _standard_flux(entry: ModelFlux, summary: MsSummary, standard: str) -> float | None:
    position = summary.field(entry.field)
    source = standard_source_at(position.ra_rad, position.dec_rad)
    if source is None or not standard:
        return None
    try:
        return float(flux_density_jy(source, entry.frequency_hz, standard))
    except ConfigurationError:  # this standard does not give this source at this frequency
        return None


def _with_usable_fallbacks(after: pd.DataFrame, bounds: FlaggingBounds, context: GateContext) -> GateContext:
    """Drop fallbacks that are themselves flagged beyond the reference antenna's bound: they cannot take over."""
    if len(context.refant) < 2:
        return context
    try:
        fallbacks = usable_fallbacks(after, context.refant, bounds.reference_stop)
    except ValueError:  # unreadable counts: the metrics stop for that themselves
        return context
    return context.evolve(refant=(context.refant[0], *fallbacks))


def _largest_phases(report: GateReport, visibilities: pd.DataFrame) -> str:
    """Name the antenna with the largest phases of each phase reference that failed."""
    fields = {
        failure.place.field
        for check in report.checks
        for failure in check.failures
        if check.metric == "phase_rms" and failure.observed is not None
    }
    found = ((field, *worst_antenna(visibilities, field)) for field in sorted(fields))
    return "; ".join(f"{field}: largest on antenna {name}, {rms:.0f} deg" for field, name, rms in found)


def _explain(report: GateReport, metric: str, words: str) -> GateReport:
    """Add words to the failed checks of a metric, and to the gate's reason if it stops for them."""
    if not words:
        return report

    def explained(check: Check) -> Check:
        fails = check.metric == metric and check.verdict in {"warned", "stopped"}
        return check.evolve(reason="; ".join(filter(None, (check.reason, words)))) if fails else check

    checks = tuple(explained(check) for check in report.checks)
    stops = any(check.metric == metric and check.verdict == "stopped" for check in checks)
    return report.evolve(checks=checks, reason=f"{report.reason} ({words})" if stops else report.reason)


def _reported_only(report: GateReport, metric: str, why: str) -> GateReport:
    """Show a metric's passed checks as reported, without a bound."""
    shown = {"bound": "reported, not judged", "reason": f"reported, not judged: {why}"}
    checks = tuple(
        check.evolve(**shown) if check.metric == metric and check.verdict == "passed" else check
        for check in report.checks
    )
    return report.evolve(checks=checks)
