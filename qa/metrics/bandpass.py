"""Bandpasses (B): are the channels there, in range, smooth, and the same the second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.metrics.places import PLACE, antenna_places, not_applicable, per_antenna, solutions, wrapped_deg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qa.measurement import Measurement
    from schemas.gates import GateContext

RANGE_FACTOR = 5.0
"""A channel's amplitude off its median by more than this factor is out of range (the design's value). Filter edges are
real: NGC 5921's outermost channels stand at 0.16 and 0.23 of the median."""

CHANNELS_TO_COMPARE = 4
"""Fewest common channels for a ratio of two bandpasses: a straight line takes two."""

_SOLUTION = [*PLACE, "field", "time_s"]


def flagged_channels(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Fraction of failed channels among those with unflagged data, per antenna, spw and polarisation.

    Channels that were flagged before the solve (end channels, interference) are not the solve's failure; the table's
    FLAG tells of the rest. ``solvestats`` does not: it counts a solution as one, whatever its channels do (measured:
    [1, 1] with all channels flagged, CASA 6.7.0 and 6.7.5).

    Parameters
    ----------
    rows
        A B table, columns `schemas.solutions.BANDPASS_COLUMNS`.
    statistics
        Its solve statistics, `schemas.solutions.STATISTICS_COLUMNS`: only which places there are.
    context
        The gate's context.

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [fraction]; NaN where an antenna has no unflagged data: lost there.
    """
    table = _channels(rows)
    tried = table[table["has_data"].eq(1)]
    failed = 1.0 - tried.groupby(PLACE)["good"].mean()
    return per_antenna("flagged_channels", failed, antenna_places(context, (rows,), statistics))


def amplitude_range(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Fraction of good channels whose amplitude is off the median by more than `RANGE_FACTOR`.

    Parameters and return value as in `flagged_channels`; NaN where no channel is good.
    """
    table = _channels(rows)
    good = table[table["good"]]
    ratio = good["amplitude"] / good.groupby(PLACE)["amplitude"].transform("median")
    off = good.assign(off=~ratio.between(1.0 / RANGE_FACTOR, RANGE_FACTOR))
    return per_antenna(
        "amplitude_range", off.groupby(PLACE)["off"].mean(), antenna_places(context, (rows,), statistics)
    )


def phase_scatter(rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext) -> Measurement:
    """Channel-to-channel scatter of the phase, per antenna, spw and polarisation [deg].

    The rms of the differences of neighbouring good channels, over the root of two (each difference holds the noise of
    two channels). Their circular mean is taken out first: a slope across the band is a residual delay, which is smooth
    and harms nothing where the delay solve was skipped. Pure noise gives about 73 deg.

    Parameters and return value as in `flagged_channels` [deg]; NaN without two neighbouring good channels.
    """
    table = _channels(rows)
    good = table[table["good"]].sort_values("channel")
    solution = good.groupby(_SOLUTION)
    pairs = good.assign(step=solution["phase_deg"].diff())[solution["channel"].diff().eq(1)]
    angle = np.radians(pairs["step"].astype(float))
    vectors = pairs[PLACE].assign(x=np.cos(angle), y=np.sin(angle)).groupby(PLACE)[["x", "y"]].transform("mean")
    slope = np.degrees(np.arctan2(vectors["y"], vectors["x"]))
    square = pairs.assign(square=wrapped_deg(pairs["step"] - slope) ** 2).groupby(PLACE)["square"].mean()
    return per_antenna("phase_scatter", np.sqrt(square / 2.0), antenna_places(context, (rows,), statistics))


def bandpass_change(
    rows: pd.DataFrame, statistics: pd.DataFrame, context: GateContext, first: pd.DataFrame | None
) -> Measurement:
    """Second bandpass against the first: rms of their complex ratio after a straight line per spw [fraction].

    Both are brought to a median amplitude of 1 (the first is normalised by the solve, the second is not). The straight
    lines in amplitude and phase take out what may differ: the calibrators' spectral index and a residual delay.

    Parameters
    ----------
    rows, statistics, context
        As in `flagged_channels`, of the second bandpass.
    first
        The first bandpass; None if this is the first: nothing to compare with, recorded as "stage skipped".

    Returns
    -------
    One row per (n_antenna, n_spw, n_pol) [fraction]; NaN with fewer than `CHANNELS_TO_COMPARE` common good channels.
    """
    if first is None:
        return not_applicable("bandpass_change", "stage skipped")
    ratio = (_spectra(rows) / _spectra(first)).unstack("channel")
    change = pd.Series(_rms_about_line(ratio.to_numpy(dtype=complex)), index=ratio.index)
    return per_antenna("bandpass_change", change, antenna_places(context, (rows, first), statistics))


def _channels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the solutions; good ones have a finite complex gain."""
    table = solutions(rows, "amplitude")
    table["good"] &= np.isfinite(table["phase_deg"].astype(float))
    return table


def _spectra(rows: pd.DataFrame) -> pd.Series:
    """Complex gains per place and channel, NaN where not good; several solutions in time or field are averaged."""
    table = _channels(rows)
    gains = table["amplitude"] * np.exp(1j * np.radians(table["phase_deg"].astype(float)))
    parts = table.assign(real=np.real(gains), imag=np.imag(gains)).where(table["good"])[["real", "imag"]]
    means = parts.groupby([table[key] for key in [*PLACE, "channel"]]).mean()
    return means["real"] + 1j * means["imag"]


def _rms_about_line(ratio: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Rms of each row about straight lines in amplitude and phase, by least squares over its finite channels.

    Parameters
    ----------
    ratio
        Shape (n_place, n_channel); NaN where there is nothing to compare.

    Returns
    -------
    Shape (n_place,), relative to the median amplitude; NaN where too few channels are finite.
    """
    known = np.isfinite(ratio) & (np.abs(ratio) > 0)
    ratio = np.where(known, ratio, 0.0)
    # The phase ramp first, from neighbouring channels, so that nothing wraps in the straight line.
    ramp = np.angle(np.sum(ratio[:, 1:] * np.conj(ratio[:, :-1]), axis=1, keepdims=True))
    ratio = ratio * np.exp(-1j * ramp * np.arange(ratio.shape[1]))
    ratio = ratio * np.exp(-1j * np.angle(ratio.sum(axis=1, keepdims=True)))
    amplitude = _line(np.abs(ratio), known)
    phase = _line(np.angle(ratio), known)
    enough = (known.sum(axis=1) >= CHANNELS_TO_COMPARE) & (amplitude > 0).all(axis=1, where=known)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(known, np.abs(ratio / (amplitude * np.exp(1j * phase)) - 1.0) ** 2, 0.0)
        rms = np.sqrt(residual.sum(axis=1) / known.sum(axis=1))
    return np.where(enough, rms, np.nan)


def _line(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the straight line over the channels that fits the known values of each row best."""
    number = np.maximum(known.sum(axis=1, keepdims=True), 1)
    channel = np.where(known, np.arange(values.shape[1]), 0.0)
    centred = np.where(known, channel - channel.sum(axis=1, keepdims=True) / number, 0.0)
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / number
    spread = np.maximum((centred**2).sum(axis=1, keepdims=True), 1e-12)
    slope = (centred * np.where(known, values, 0.0)).sum(axis=1, keepdims=True) / spread
    return np.asarray(mean + slope * centred)
