"""Flux densities (fluxscale): do they follow one spectrum, stand out of their errors, and match what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.catalogue import known_ranges
from qa.measurement import Measurement
from qa.metrics.history import earlier_medians
from qa.metrics.places import not_applicable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qa.catalogue import Calibrator
    from schemas.gates import NotApplicable
    from schemas.solutions import FluxscaleFit, FluxscaleRecord

SPWS_TO_FIT = 3
"""Fewest spws for a spectrum: with one or two fluxscale returns no error and an index of 0 (measured)."""

_NAN = float("nan")


def spectrum_residual(record: FluxscaleRecord) -> Measurement:
    """Distance of each spw's flux density from the fitted spectrum, relative to it [fraction].

    The spectrum is fluxscale's: S = S_0 (frequency / reference)^index, with its fitted flux density and ``spidx[1]``,
    both before the resolved-out factor, as the spws are.

    Parameters
    ----------
    record
        What the flux-scale step returned.

    Returns
    -------
    One row per field with three spws or more and per spw [fraction]; NaN where the spw has no flux density or the field
    no fit. Fields with fewer spws are left out.
    """
    fits, left_out = _with_spectrum(record)
    if record.fits and not fits:
        return not_applicable("spectrum_residual", "fewer than three spws")
    places = [(fit.field, spw.spw, _residual(fit, index)) for fit in fits for index, spw in enumerate(fit.spws)]
    frame = pd.DataFrame(places, columns=["field", "spw", "observed"]).astype({"observed": float})
    return Measurement("spectrum_residual", frame, max(1, sum(len(fit.spws) for fit in fits)), left_out=left_out)


def fit_snr(record: FluxscaleRecord) -> Measurement:
    """S/N of a field's flux density: of the fit with three spws or more, else of the best spw.

    Per-spw values are not judged: the guide's phase reference has 5 to 6 per spw and 276 in the fit. An error of zero
    is none, and gives no number instead of an infinite S/N.

    Parameters as in `spectrum_residual`.

    Returns
    -------
    One row per field [dimensionless]; NaN where no error is known.
    """
    frame = pd.DataFrame({"field": [fit.field for fit in record.fits], "observed": [_snr(fit) for fit in record.fits]})
    return Measurement("fit_snr", frame.astype({"observed": float}), max(1, len(record.fits)))


def spectral_index(record: FluxscaleRecord) -> Measurement:
    """Spectral index, S ~ frequency^index, per field with three spws or more.

    Synchrotron sources lie between -1.5 and 0, self-absorbed ones reach +2.5 in theory and about +1 in practice; steep
    values beyond mean a gain slope or a wrong model. Fields with fewer spws are left out.

    Parameters as in `spectrum_residual`.

    Returns
    -------
    One row per field [dimensionless]; NaN where there are three spws but no fit came out.
    """
    fits, left_out = _with_spectrum(record)
    if record.fits and not fits:
        return not_applicable("spectral_index", "fewer than three spws")
    indices = [_NAN if fit.spectral_index is None else fit.spectral_index for fit in fits]
    frame = pd.DataFrame({"field": [fit.field for fit in fits], "observed": indices}).astype({"observed": float})
    return Measurement("spectral_index", frame, max(1, len(fits)), left_out=left_out)


def antennas_used(record: FluxscaleRecord) -> Measurement:
    """Count the antennas that a flux density was derived from, per field and spw; 0 where it has none.

    Parameters as in `spectrum_residual`.
    """
    places = [
        (fit.field, spw.spw, 0 if spw.flux_density_jy is None else spw.antennas)
        for fit in record.fits
        for spw in fit.spws
    ]
    frame = pd.DataFrame(places, columns=["field", "spw", "observed"]).astype({"observed": float})
    return Measurement("antennas_used", frame, max(1, sum(len(fit.spws) for fit in record.fits)))


def catalogue_range(
    record: FluxscaleRecord,
    positions: Mapping[str, tuple[float, float]],
    catalogue: tuple[Calibrator, ...] | None = None,
) -> Measurement:
    """Factor by which the flux density used lies outside a known calibrator's range; 1 inside.

    Parameters
    ----------
    record
        What the flux-scale step returned.
    positions
        J2000 (ra, dec) of every field in it [rad].
    catalogue
        Known calibrators; those that come with gatecal if None.

    Returns
    -------
    One row per field that stands in the catalogue at its reference frequency [factor]; the others are left out as
    having no standard.

    Raises
    ------
    KeyError
        A field has no position.
    """
    known = {
        fit.field: known_ranges(fit.field, *positions[fit.field], fit.reference_hz, catalogue) for fit in record.fits
    }
    if record.fits and not any(known.values()):
        return not_applicable("catalogue_range", "no standard")
    flux = {fit.field: fit.flux_density_jy for fit in record.fits}
    places = [
        (field, float(np.max([band.factor_outside(flux[field]) for band in bands])))
        for field, bands in known.items()
        if bands
    ]
    frame = pd.DataFrame(places, columns=["field", "observed"]).astype({"observed": float})
    left_out = _left_out([field for field, bands in known.items() if not bands], "no standard")
    return Measurement("catalogue_range", frame, max(1, len(record.fits) - len(left_out)), left_out=left_out)


def flux_history(record: FluxscaleRecord, history: pd.DataFrame) -> Measurement:
    """Distance of the flux density used from the median of the calibrator's earlier nights, relative to it [fraction].

    Parameters
    ----------
    record
        What the flux-scale step returned.
    history
        Earlier nights in the same band, columns `schemas.history.FLUX_HISTORY_COLUMNS`; this night is not in it.

    Returns
    -------
    One row per field with five nights or more [fraction]; the others are left out as having too little history.
    """
    earlier = history[pd.to_numeric(history["flux_density_jy"], errors="coerce").gt(0.0)]
    enough = earlier_medians(earlier, ["field"], "flux_density_jy")
    judged = [fit for fit in record.fits if fit.field in enough.index]
    if record.fits and not judged:
        return not_applicable("flux_history", "too little history")
    places = [(fit.field, abs(fit.flux_density_jy / enough[fit.field] - 1.0)) for fit in judged]
    frame = pd.DataFrame(places, columns=["field", "observed"]).astype({"observed": float})
    left_out = _left_out([fit.field for fit in record.fits if fit.field not in enough.index], "too little history")
    return Measurement("flux_history", frame, max(1, len(record.fits) - len(left_out)), left_out=left_out)


def _left_out(fields: list[str], reason: NotApplicable) -> tuple[tuple[str, NotApplicable], ...]:
    return tuple((field, reason) for field in fields)


def _with_spectrum(record: FluxscaleRecord) -> tuple[list[FluxscaleFit], tuple[tuple[str, NotApplicable], ...]]:
    """Return the fits with three spws or more (solved or not), and the others as left out."""
    fits = [fit for fit in record.fits if len(fit.spws) >= SPWS_TO_FIT]
    return fits, _left_out([fit.field for fit in record.fits if len(fit.spws) < SPWS_TO_FIT], "fewer than three spws")


def _residual(fit: FluxscaleFit, index: int) -> float:
    spw = fit.spws[index]
    if spw.flux_density_jy is None or fit.spectral_index is None or fit.fitted_jy <= 0.0:
        return _NAN
    expected = fit.fitted_jy * (spw.frequency_hz / fit.reference_hz) ** fit.spectral_index
    return float(abs(spw.flux_density_jy / expected - 1.0))


def _snr(fit: FluxscaleFit) -> float:
    if len(fit.spws) >= SPWS_TO_FIT:
        return fit.fitted_jy / fit.error_jy if fit.error_jy > 0.0 else _NAN
    known = [
        spw.flux_density_jy / spw.error_jy
        for spw in fit.spws
        if spw.flux_density_jy is not None and spw.error_jy is not None and spw.error_jy > 0.0
    ]
    return max(known, default=_NAN)
