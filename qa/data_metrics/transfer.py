"""What the target sees: each phase-reference scan's gains predicted from its neighbours, against its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.measurement import Measurement
from qa.metrics.places import antenna_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from schemas.gates import NotApplicable

    Numbers = NDArray[np.float64]
    Errors = Callable[[Numbers, NDArray[np.complex128]], Numbers]

FEWEST_SCANS = 2
"""With one scan there is no neighbour to predict it from."""

_PLACE = ["field", "antenna", "spw", "polarisation"]


def transfer_phase(p2: pd.DataFrame, phase_references: Sequence[str], antennas: Sequence[str]) -> Measurement:
    """Measure the error of interpolated phases, rms over scans, per antenna, spw and polarisation [deg].

    The target lies between two phase-reference scans and gets their phases by linear interpolation. Leaving one scan
    out and predicting it from its neighbours shows that error over twice the interval, so it is an upper estimate.
    Phases are interpolated the short way round, as applycal's ``linear`` does.

    Parameters
    ----------
    p2
        Phase gains, one solution per scan (`schemas.solutions.GAIN_COLUMNS`).
    phase_references
        Field names.
    antennas
        Antennas that have data.

    Returns
    -------
    See `_transfer`.
    """
    return _transfer("transfer_phase", p2, phase_references, antennas, _phase_errors)


def transfer_amplitude(ap2: pd.DataFrame, phase_references: Sequence[str], antennas: Sequence[str]) -> Measurement:
    """Measure the error of interpolated amplitudes, of the amplitude, as `transfer_phase` does for phases [fraction].

    Parameters
    ----------
    ap2
        Amplitude gains (`schemas.solutions.GAIN_COLUMNS`); the solutions of one scan are averaged first.
    phase_references
        Field names.
    antennas
        Antennas that have data.

    Returns
    -------
    See `_transfer`.
    """
    return _transfer("transfer_amplitude", ap2, phase_references, antennas, _amplitude_errors)


def _transfer(
    metric: str, table: pd.DataFrame, fields: Sequence[str], antennas: Sequence[str], errors: Errors
) -> Measurement:
    """Measure one table.

    A scan between two others is predicted from both; with two scans in all, the second from the first. A place with one
    good scan is left out (too little history); one with none reads NaN: that antenna is lost. Where no place has two
    good scans, but some have one, the metric is not applicable.
    """
    rows = table[table["field"].astype(str).isin(fields)]
    rows = rows.assign(antenna=antenna_names(rows["antenna"]), spw=rows["spw"].astype(int))
    rows = rows[rows["antenna"].isin(antennas)]
    grid = _grid(rows, fields, antennas)
    scans = dict(list(_per_scan(rows).groupby(_PLACE)))
    most = max((len(group) for group in scans.values()), default=0)
    if 0 < most < FEWEST_SCANS:
        return Measurement(metric, pd.DataFrame(), places=0, not_applicable="too little history")
    single = [place for place in grid if place in scans and len(scans[place]) < FEWEST_SCANS]
    kept = [place for place in grid if place not in single]
    observed = [_rms(scans[place], errors) if place in scans else float("nan") for place in kept]
    frame = pd.DataFrame(kept, columns=_PLACE).assign(observed=observed)
    reason: NotApplicable = "too little history"
    left_out = tuple((f"{field}, antenna {name}, spw {spw}, {hand}", reason) for field, name, spw, hand in single)
    return Measurement(metric, frame, places=len(kept), per_antenna=True, left_out=left_out)


def _grid(rows: pd.DataFrame, fields: Sequence[str], antennas: Sequence[str]) -> list[tuple[str, str, int, str]]:
    """Return every place there must be: fields x antennas with data x the table's pairs of spw and polarisation."""
    pairs = rows[["spw", "polarisation"]].drop_duplicates().sort_values(["spw", "polarisation"])
    return [
        (field, antenna, int(spw), str(hand))
        for field in fields
        for antenna in antennas
        for spw, hand in pairs.itertuples(index=False, name=None)
    ]


def _per_scan(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the good solutions of each scan: mean time, mean complex gain."""
    good = rows[rows["flagged"].eq(0) & np.isfinite(rows["amplitude"].astype(float))]
    good = good[np.isfinite(good["phase_deg"].astype(float))]
    phase = np.radians(good["phase_deg"].to_numpy(float))
    gain: NDArray[np.complex128] = good["amplitude"].to_numpy(float) * np.exp(1j * phase)
    parts = good.assign(real=np.real(gain), imaginary=np.imag(gain))
    return parts.groupby([*_PLACE, "scan"])[["time_s", "real", "imaginary"]].mean().reset_index()


def _rms(scans: pd.DataFrame, errors: Errors) -> float:
    ordered = scans.sort_values("time_s")
    gain = ordered["real"].to_numpy(float) + 1j * ordered["imaginary"].to_numpy(float)
    found = errors(ordered["time_s"].to_numpy(float), gain)
    return float(np.sqrt(np.mean(found**2)))


def _phase_errors(time: Numbers, gain: NDArray[np.complex128]) -> Numbers:
    if len(gain) == FEWEST_SCANS:
        change: Numbers = np.degrees(np.angle(gain[1:] * np.conj(gain[:-1])))
        return change
    step = np.angle(gain[2:] * np.conj(gain[:-2]))
    predicted = np.exp(1j * (np.angle(gain[:-2]) + _weight(time) * step))
    errors: Numbers = np.degrees(np.angle(gain[1:-1] * np.conj(predicted)))
    return errors


def _amplitude_errors(time: Numbers, gain: NDArray[np.complex128]) -> Numbers:
    size = np.abs(gain)
    if len(size) == FEWEST_SCANS:
        change: Numbers = size[:-1] / size[1:] - 1.0
        return change
    predicted = size[:-2] + _weight(time) * (size[2:] - size[:-2])
    errors: Numbers = predicted / size[1:-1] - 1.0
    return errors


def _weight(time: Numbers) -> Numbers:
    """Return where each inner scan lies between its neighbours, 0 to 1."""
    return (time[1:-1] - time[:-2]) / (time[2:] - time[:-2])
