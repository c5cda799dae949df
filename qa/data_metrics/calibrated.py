"""Does the calibrated phase reference look like a point source at the phase centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.measurement import Measurement
from qa.metrics.places import wrapped_deg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def phase_rms(visibilities: pd.DataFrame, phase_references: Sequence[str]) -> Measurement:
    """Measure the weighted phase rms about zero of each phase reference, averaged over spw and scan [deg].

    A calibrated point source at the phase centre has phase zero on every baseline (Thompson, Moran & Swenson 2017,
    sect. 10.3). Pure noise reads 104 (rms of the uniform distribution, 360/sqrt(12)).

    Parameters
    ----------
    visibilities
        Corrected, averaged visibilities (`schemas.solutions.VISIBILITY_COLUMNS`).
    phase_references
        Field names.

    Returns
    -------
    One place per phase reference; NaN where it has no unflagged visibility, which stops.
    """
    return _per_field("phase_rms", visibilities, phase_references, _weighted_rms)


def amplitude_slope(visibilities: pd.DataFrame, phase_references: Sequence[str]) -> Measurement:
    """Measure how much each phase reference's amplitude changes over the range of uv distance, of its mean [fraction].

    Weighted straight line through amplitude over model amplitude against uv distance: its slope times the range of uv
    distance, over the weighted mean. A point source is flat.

    Parameters
    ----------
    visibilities
        Corrected, averaged visibilities (`schemas.solutions.VISIBILITY_COLUMNS`).
    phase_references
        Field names.

    Returns
    -------
    One place per phase reference; NaN where fewer than two uv distances are unflagged, which stops.
    """
    return _per_field("amplitude_slope", visibilities, phase_references, _slope)


def worst_antenna(visibilities: pd.DataFrame, field: str) -> tuple[str, float]:
    """Name the antenna of the baselines with the largest phase rms, and that rms [deg].

    Parameters
    ----------
    visibilities
        Corrected, averaged visibilities (`schemas.solutions.VISIBILITY_COLUMNS`).
    field
        Field name.
    """
    rows = _unflagged(visibilities[visibilities["field"].astype(str) == field])
    ends = rows["antenna"].astype(str).str.split("&")
    per_antenna = rows.assign(antenna=ends).explode("antenna")
    rms = {str(name): _weighted_rms(group) for name, group in per_antenna.groupby("antenna")}
    name = max(rms, key=lambda antenna: rms[antenna])
    return name, rms[name]


def _per_field(
    metric: str,
    visibilities: pd.DataFrame,
    fields: Sequence[str],
    measured: Callable[[pd.DataFrame], float],
) -> Measurement:
    rows = _unflagged(visibilities)
    groups = {str(name): group for name, group in rows.groupby("field")}
    observed = [measured(groups[field]) if field in groups else float("nan") for field in fields]
    frame = pd.DataFrame({"field": list(fields), "observed": observed})
    return Measurement(metric, frame, places=len(fields))


def _unflagged(visibilities: pd.DataFrame) -> pd.DataFrame:
    """Drop averages over nothing: their weight is 0. A missing weight is kept, to read NaN."""
    return visibilities[~(visibilities["weight"] == 0.0)]


def _weighted_rms(rows: pd.DataFrame) -> float:
    phase, weight = wrapped_deg(rows["phase_deg"]).to_numpy(float), rows["weight"].to_numpy(float)
    return float(np.sqrt(np.sum(weight * phase**2) / np.sum(weight)))


def _slope(rows: pd.DataFrame) -> float:
    uv, weight = rows["uv_wavelengths"].to_numpy(float), rows["weight"].to_numpy(float)
    ratio = (rows["amplitude"] / rows["model_amplitude"]).to_numpy(float)
    span = float(np.ptp(uv))
    mean_uv, mean = np.average(uv, weights=weight), np.average(ratio, weights=weight)
    spread = float(np.sum(weight * (uv - mean_uv) ** 2))
    if not (span > 0.0 and spread > 0.0 and mean > 0.0):
        return float("nan")
    slope = float(np.sum(weight * (uv - mean_uv) * (ratio - mean))) / spread
    return abs(slope) * span / float(mean)
