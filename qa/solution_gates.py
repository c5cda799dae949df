"""The gates after each solve: which metrics are taken of its tables, and by which suite they are judged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from qa.judge import judge, measure, skipped
from qa.metrics import amplitudes, bandpass, delay, fluxscale, gains
from qa.metrics.history import compared_nights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from qa.measurement import Measurement
    from schemas.gates import Check, GateContext, GateReport
    from schemas.policy import (
        BandpassBounds,
        DelayBounds,
        FluxscaleBounds,
        GainBounds,
        GainScaleBounds,
        SuiteBounds,
    )
    from schemas.solutions import FluxscaleRecord

    Metrics = Mapping[str, Callable[[], Measurement]]


def delay_gate(
    rows: pd.DataFrame,
    statistics: pd.DataFrame,
    history: pd.DataFrame,
    bounds: DelayBounds,
    context: GateContext,
    night: str = "",
) -> GateReport:
    """Judge a delay table.

    Parameters
    ----------
    rows
        The K table, columns `schemas.solutions.DELAY_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`.
    history
        Earlier nights with the same reference antenna, columns `schemas.history.DELAY_HISTORY_COLUMNS`; empty where
        there are none.
    bounds
        The policy's bounds.
    context
        The gate's context.
    night
        This night (UTC date), for the report.
    """
    report = _judged(
        "delay",
        {
            "delay_magnitude": partial(delay.delay_magnitude, rows, statistics, context),
            "delay_scatter": partial(delay.delay_scatter, rows, statistics, context),
            "delay_flagged": partial(delay.delay_flagged, rows, statistics, context),
            "delay_history": partial(delay.delay_history, rows, statistics, history, context),
        },
        bounds,
        context,
    )
    return _naming_nights(report, "delay_history", night, history)


def gains_gate(
    kind: Literal["p", "ap"],
    rows: pd.DataFrame,
    statistics: pd.DataFrame,
    bounds: GainBounds,
    context: GateContext,
    p1: pd.DataFrame | None = None,
) -> GateReport:
    """Judge a gain table.

    Parameters
    ----------
    kind
        ``p``: phase only, whose amplitudes are 1 and not judged; ``ap``: amplitude and phase.
    rows
        The G table, columns `schemas.solutions.GAIN_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`.
    bounds
        The policy's bounds.
    context
        The gate's context.
    p1
        For p2 only: the table of short intervals to compare with.
    """
    metrics: dict[str, Callable[[], Measurement]] = {
        "succeeded_fraction": partial(gains.succeeded_fraction, rows, statistics, context),
        "attempted_fraction": partial(gains.attempted_fraction, rows, statistics, context),
        "phase_tracking": partial(gains.phase_tracking, rows, statistics, context),
    }
    if kind == "p":
        metrics["scan_phase"] = partial(gains.scan_phase, rows, statistics, context, p1)
    else:
        metrics["amplitude_outliers"] = partial(amplitudes.amplitude_outliers, rows, statistics, context)
        metrics["late_on_source"] = partial(amplitudes.late_on_source, rows, context)
    return _judged("gains", metrics, bounds, context)


def bandpass_gate(
    rows: pd.DataFrame,
    statistics: pd.DataFrame,
    bounds: BandpassBounds,
    context: GateContext,
    first: pd.DataFrame | None = None,
) -> GateReport:
    """Judge a bandpass table.

    Parameters
    ----------
    rows
        The B table, columns `schemas.solutions.BANDPASS_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`.
    bounds
        The policy's bounds.
    context
        The gate's context.
    first
        For the second bandpass only: the first one's rows to compare with.
    """
    return _judged(
        "bandpass",
        {
            "flagged_channels": partial(bandpass.flagged_channels, rows, statistics, context),
            "amplitude_range": partial(bandpass.amplitude_range, rows, statistics, context),
            "phase_scatter": partial(bandpass.phase_scatter, rows, statistics, context),
            "bandpass_change": partial(bandpass.bandpass_change, rows, statistics, context, first),
        },
        bounds,
        context,
    )


def fluxscale_gate(
    record: FluxscaleRecord,
    positions: Mapping[str, tuple[float, float]],
    history: pd.DataFrame,
    bounds: FluxscaleBounds,
    context: GateContext,
    night: str = "",
) -> GateReport:
    """Judge the flux densities of the calibrators.

    Parameters
    ----------
    record
        What the flux-scale step returned.
    positions
        J2000 (ra, dec) of every field in it [rad].
    history
        Earlier nights in the same band, columns `schemas.history.FLUX_HISTORY_COLUMNS`; empty where there are none.
    bounds
        The policy's bounds.
    context
        The gate's context.
    night
        This night (UTC date), for the report.
    """
    report = _judged(
        "fluxscale",
        {
            "spectrum_residual": partial(fluxscale.spectrum_residual, record),
            "fit_snr": partial(fluxscale.fit_snr, record),
            "spectral_index": partial(fluxscale.spectral_index, record),
            "antennas_used": partial(fluxscale.antennas_used, record),
            "catalogue_range": partial(fluxscale.catalogue_range, record, positions),
            "flux_history": partial(fluxscale.flux_history, record, history),
        },
        bounds,
        context,
    )
    return _naming_nights(report, "flux_history", night, history)


def gain_scale_gate(
    rows: pd.DataFrame, calibrators: Sequence[str], bounds: GainScaleBounds, context: GateContext
) -> GateReport:
    """Judge the amplitude scale between calibrators, from ap2.

    With one calibrator in all there is nothing to compare and the gate is skipped, saying so. That is told from the
    roles and not from the table: one that lost a calibrator stops.

    Parameters
    ----------
    rows
        The table ap2, columns `schemas.solutions.GAIN_COLUMNS`.
    calibrators
        Names of all calibrators.
    bounds
        The policy's bounds.
    context
        The gate's context.
    """
    if len(calibrators) == 1:
        return skipped("gain_scale", context, f"only one calibrator, {calibrators[0]}: no scale to compare with")
    measured = {"scale_between_calibrators": partial(amplitudes.scale_between_calibrators, rows, calibrators, context)}
    return _judged("gain_scale", measured, bounds, context)


def _judged(suite: str, metrics: Metrics, bounds: SuiteBounds, context: GateContext) -> GateReport:
    """Measure every metric, turning what one raises into its own stop, and judge them together."""
    return judge(suite, [measure(name, function) for name, function in metrics.items()], bounds, context)


def _naming_nights(report: GateReport, metric: str, night: str, history: pd.DataFrame) -> GateReport:
    """Say at failed checks of a metric which night differs from which."""
    nights = compared_nights(history)
    words = f"{f'night {night}' if night else 'this night'} against {nights}"

    def named(check: Check) -> Check:
        if check.metric != metric or check.verdict not in {"warned", "stopped"} or not nights:
            return check
        return check.evolve(reason="; ".join(filter(None, (check.reason, words))))

    return report.evolve(checks=tuple(named(check) for check in report.checks))
