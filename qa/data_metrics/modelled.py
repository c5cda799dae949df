"""Is the flux calibrator's model the right one, on every baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.gates import NotApplicable
    from schemas.results import ModelFlux

HIGHEST_AMPLITUDE = 1.1
"""Model amplitude on any baseline, of the standard's flux density, from which on it is an error.

No visibility of a source of positive brightness exceeds its total flux density. The tenth allows for the negative
components of CLEAN-like models and for the slope of the spectrum within a spw.
"""

LOWEST_AMPLITUDE = 0.3
"""Largest model amplitude of all baselines, of the standard's flux density, below which it is an error.

A resolved calibrator is fainter on long baselines: 3C286 on e-MERLIN at 5 GHz has 3 to 6.6 Jy of 7.3, so 0.41 at the
least and 0.9 on the shortest baseline. A model set to a tenth has at most 0.1.
"""

Standards = dict[tuple[str, int], float | None]
"""Flux calibrator's field and spw to the standard's flux density there [Jy]; None where no standard covers it."""


def model_against_standard(
    claimed: Sequence[ModelFlux], standards: Mapping[tuple[str, int], float | None], model: pd.DataFrame
) -> Measurement:
    """Measure how far the model's flux density is off the standard, per flux calibrator and spw [fraction].

    The larger of two: the flux density that ``setjy`` claims, and what stands in MODEL_DATA. The latter counts only
    where it cannot be: the largest amplitude of all baselines above `HIGHEST_AMPLITUDE` or below `LOWEST_AMPLITUDE`.

    Parameters
    ----------
    claimed
        As ``setjy`` reports it.
    standards
        The standard's flux density at each field and spw [Jy].
    model
        MODEL_DATA by baseline (`schemas.solutions.MODEL_COLUMNS`).

    Returns
    -------
    One place per field and spw that either source knows; NaN where one of them lacks it, which stops.
    """
    largest = model.assign(spw=model["spw"].astype(int)).groupby(["field", "spw"])["amplitude_jy"].max()
    reported = {(entry.field, entry.spw): entry.flux_density_jy for entry in claimed}
    places = sorted({*reported, *((str(field), int(spw)) for field, spw in largest.index)})
    judged = [place for place in places if standards.get(place) is not None or place not in standards]
    rows = [
        {
            "field": place[0],
            "spw": place[1],
            "observed": _deviation(reported.get(place), largest.get(place), standards.get(place)),
        }
        for place in judged
    ]
    reason: NotApplicable = "no standard"
    left_out = tuple((f"{field}, spw {spw}", reason) for field, spw in places if (field, spw) not in judged)
    none_applies = reason if left_out and not judged else None
    frame = pd.DataFrame(rows, columns=["field", "spw", "observed"])
    return Measurement(
        "model_against_standard", frame, places=len(judged), not_applicable=none_applies, left_out=left_out
    )


def model_coverage(model: pd.DataFrame, uv_limit_wavelengths: float | None) -> Measurement:
    """Count the baselines on which the model is zero or its uv grid has ended [baselines].

    A model image with cells of c radians has no Fourier components beyond 1/(2c) wavelengths (sampling theorem); CASA
    predicts zero there, and every gain solved on such a baseline fails.

    Parameters
    ----------
    model
        MODEL_DATA by baseline (`schemas.solutions.MODEL_COLUMNS`).
    uv_limit_wavelengths
        Where the model's uv grid ends [wavelengths]; None for a model without a grid.

    Returns
    -------
    One place per field, baseline and spw. Where a baseline fails, the number is the field's count of failing
    baselines, so that the bound applies to the count and each failing baseline is named; elsewhere it is 0.
    """
    limit = np.inf if uv_limit_wavelengths is None else uv_limit_wavelengths
    unknown = model[["amplitude_jy", "zero_fraction", "uv_max_wavelengths"]].isna().any(axis=1)
    fails = (model["zero_fraction"] > 0.0) | (model["amplitude_jy"] <= 0.0) | (model["uv_max_wavelengths"] > limit)
    failing = model[fails].groupby("field")["antenna"].nunique()
    observed = model["field"].map(failing).where(fails, 0.0).astype(float).mask(unknown)
    frame = model[["field", "antenna", "spw"]].assign(observed=observed)
    return Measurement("model_coverage", frame, places=len(model))


def _deviation(claimed: float | None, largest: float | None, standard: float | None) -> float:
    if claimed is None or largest is None or standard is None:
        return float("nan")
    of_claim = abs(claimed / standard - 1.0)
    on_disk = largest / standard
    if np.isnan(on_disk):
        return float("nan")
    possible = LOWEST_AMPLITUDE <= on_disk <= HIGHEST_AMPLITUDE
    return of_claim if possible else max(of_claim, abs(on_disk - 1.0))
