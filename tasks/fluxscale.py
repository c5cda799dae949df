"""Flux scale: the calibrators' flux densities from the flux calibrator's; once judged, their models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import SolveError
from schemas.solutions import FluxscaleFit, FluxscaleRecord, SolveRecord, SpwFlux
from tasks.calibration import Calibration
from tasks.casa import run
from tasks.gains import only
from tasks.step import step
from tasks.workspace import remove, replace_whole

MIN_SPWS_FOR_INDEX = 3
"""Spectral windows needed for a spectral index with an error: fluxscale's fit of two parameters leaves one over."""


@step("fluxscale", FluxscaleRecord)
def scale_fluxes(calibration: Calibration, gains: SolveRecord) -> FluxscaleRecord:
    """Derive the calibrators' flux densities with fluxscale (guide, step 8).

    Writes ``calsources.ap1_flux``. No model is set here: the gate judges the flux densities first.

    Raises
    ------
    SolveError
        A calibrator has no flux density in any spw.
    """
    asked = calibration.parameters.fluxscale
    transfer = [field for field in calibration.roles.calibrators if field != calibration.roles.flux]
    amplitudes = only(gains, "ap").tables
    if not asked.enabled or not transfer or not amplitudes:
        return FluxscaleRecord(skipped=_why(asked.enabled, bool(transfer)))
    workspace = calibration.workspace
    partial = workspace.caltables / ".calsources.ap1_flux.partial"
    listing = workspace.records / "fluxscale.listing.txt"
    remove(partial)
    remove(listing)
    answer = run(
        "fluxscale",
        timeout_s=asked.timeout_s,
        vis=calibration.vis,
        caltable=workspace.root / amplitudes[0].caltable,
        fluxtable=partial,
        reference=calibration.roles.flux,
        transfer=",".join(transfer),
        gainthreshold=asked.gainthreshold,
        antenna=antenna_selection(asked.antenna, calibration.summary.antennas_with_data),
        listfile=listing,
        append=False,
        display=False,
    )
    fits = tuple(read_fit(answer, field, calibration.parameters.model.resolved_out_factor) for field in transfer)
    final = workspace.caltables / "calsources.ap1_flux"
    replace_whole(partial, final)
    return FluxscaleRecord(caltable=workspace.relative(final), fits=fits, listing=workspace.relative(listing))


def _why(enabled: bool, transfer: bool) -> str:
    if not enabled:
        return "switched off (fluxscale.enabled)"
    return "there are no amplitude gains to scale" if transfer else "the flux calibrator is the only calibrator"


def antenna_selection(asked: str, present: tuple[str, ...]) -> str:
    """Return the antenna selection without exclusions of antennas that are not there, which CASA would refuse."""
    parts = [part.strip() for part in asked.split(",") if part.strip()]
    return ",".join(part for part in parts if not part.startswith("!") or part[1:] in present)


def read_fit(answer: dict[str, Any], field: str, factor: float) -> FluxscaleFit:
    """Read one calibrator's flux density from fluxscale's answer.

    ``spidx[0]`` is log10 of the fitted flux density; the spectral index is ``spidx[1]``. With fewer than three spws
    fluxscale's fit has no error: then the flux density is the spws' mean and the error the largest of theirs.

    Raises
    ------
    SolveError
        No spw has a flux density.
    """
    entry = next(
        (value for value in answer.values() if isinstance(value, dict) and value.get("fieldName") == field), None
    )
    spws = _spws(answer, entry) if entry is not None else ()
    good = [spw for spw in spws if spw.flux_density_jy is not None]
    if entry is None or not good:
        msg = (
            f"fluxscale gave no flux density for {field}: none of its amplitude solutions survived. Look at the gate "
            "of ap1; a larger gains.amplitude_solint or a smaller gains.minsnr may help."
        )
        raise SolveError(msg)
    fitted = len(good) >= MIN_SPWS_FOR_INDEX
    if fitted:
        flux, error = float(entry["fitFluxd"]), float(entry["fitFluxdErr"])
        reference = float(entry["fitRefFreq"])
    else:
        flux = float(np.mean([spw.flux_density_jy for spw in good if spw.flux_density_jy is not None]))
        error = max(spw.error_jy or 0.0 for spw in good)
        reference = float(np.mean([spw.frequency_hz for spw in good]))
    return FluxscaleFit(
        field=field,
        fitted_jy=flux,
        error_jy=error,
        resolved_out_factor=factor,
        flux_density_jy=flux * factor,
        spectral_index=float(entry["spidx"][1]) if fitted else None,
        spectral_index_error=float(entry["spidxerr"][1]) if fitted else None,
        reference_hz=reference,
        spws=spws,
    )


def _spws(answer: dict[str, Any], entry: dict[str, Any]) -> tuple[SpwFlux, ...]:
    found = []
    for index, spw in enumerate(answer["spwID"]):
        level = entry.get(str(spw))
        if level is None:
            continue
        flux = float(level["fluxd"][0])
        known = flux > 0  # fluxscale marks a spw without solutions by -1
        found.append(
            SpwFlux(
                spw=int(spw),
                frequency_hz=float(answer["freq"][index]),
                flux_density_jy=flux if known else None,
                error_jy=float(level["fluxdErr"][0]) if known else None,
                antennas=math.ceil(max(float(level["numSol"][0]), 0.0) / 2),
            )
        )
    return tuple(found)


@task(name="set calibrator models", cache_policy=NO_CACHE)
def set_calibrator_models(calibration: Calibration, fluxes: FluxscaleRecord) -> None:
    """Set each calibrator's flux density and spectral index as its model, setjy ``manual`` (guide, step 9).

    Writes MODEL_DATA of every calibrator but the flux calibrator, whose own model stays.
    """
    for fit in fluxes.fits:
        run(
            "setjy",
            timeout_s=calibration.parameters.fluxscale.timeout_s,
            vis=calibration.vis,
            field=fit.field,
            standard="manual",
            fluxdensity=[fit.flux_density_jy, 0.0, 0.0, 0.0],
            spix=[fit.spectral_index or 0.0],
            reffreq=f"{fit.reference_hz}Hz",
            usescratch=True,
        )
