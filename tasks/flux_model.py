"""The flux calibrator's model, on the standard's flux density scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from schemas.errors import SolveError
from schemas.results import ModelFlux, ModelRecord
from schemas.standards import standard_source_at
from tasks.casa import run
from tasks.step import step

if TYPE_CHECKING:
    from tasks.calibration import Calibration

VLA_BANDS_GHZ = (
    ("P", 0.0, 0.7),
    ("L", 0.7, 2.0),
    ("S", 2.0, 4.0),
    ("C", 4.0, 8.0),
    ("X", 8.0, 12.0),
    ("U", 12.0, 18.0),
    ("K", 18.0, 26.5),
    ("A", 26.5, 40.0),
    ("Q", 40.0, 60.0),
)
"""The letters in the names of CASA's model images and the bands they stand for [GHz] (VLA observing guide)."""


@step("model", ModelRecord)
def set_flux_model(calibration: Calibration) -> ModelRecord:
    """Set the flux calibrator's model with setjy (guide, step 4) into MODEL_DATA, scaled per channel to the standard.

    The other fields' models are 1 Jy at this point. Writes MODEL_DATA of the flux calibrator.
    """
    asked = calibration.parameters.model
    field = calibration.roles.flux
    call: dict[str, Any] = {"vis": calibration.vis, "field": field, "usescratch": True, "scalebychan": True}
    image: str | None = None
    if asked.flux_density_jy is not None:
        call |= {"standard": "manual", "fluxdensity": [asked.flux_density_jy, 0.0, 0.0, 0.0]}
    else:
        image = _model_image(calibration)
        call |= {"standard": asked.standard, "model": image}
    # First: where setjy found nothing to set there are no baselines to read either.
    fluxes = _fluxes(calibration, field, run("setjy", timeout_s=asked.timeout_s, **call))
    baselines = pd.DataFrame(run("tasks.tables_casa:read_model", vis=calibration.vis, fields=[field]))
    return ModelRecord(
        model=f"point source of {asked.flux_density_jy:g} Jy" if image is None else Path(image).name,
        standard="" if image is None else asked.standard,
        fluxes=fluxes,
        baselines=calibration.workspace.save_frame("model.baselines", baselines),
        uv_limit_wavelengths=run("tasks.flux_model_casa:uv_limit", image=image) if image is not None else None,
    )


def _model_image(calibration: Calibration) -> str:
    asked = calibration.parameters.model
    if asked.image is not None:
        return str(asked.image.absolute())
    if asked.model == "casa":
        return casa_image(calibration)
    image = calibration.workspace.caltables / "3C286_components.im"
    run("tasks.flux_model_casa:make_3c286_image", out=str(image))
    return str(image)


def casa_image(calibration: Calibration) -> str:
    """Return the name of CASA's own model image of the flux calibrator in the data's band."""
    flux = calibration.summary.field(calibration.roles.flux)
    source = standard_source_at(flux.ra_rad, flux.dec_rad)
    frequency_ghz = calibration.summary.spws[0].centre_hz / 1e9
    band = next((letter for letter, low, high in VLA_BANDS_GHZ if low <= frequency_ghz < high), "Q")
    return f"{source}_{band}.im"


def _fluxes(calibration: Calibration, field: str, answer: dict[str, Any]) -> tuple[ModelFlux, ...]:
    frequencies = run("tasks.flux_model_casa:reference_frequencies", vis=calibration.vis)
    # setjy answers with an empty dictionary, not an error, where it found nothing to set.
    found = (value for value in answer.values() if isinstance(value, dict) and value.get("fieldName") == field)
    levels = next(found, None)
    if levels is None:
        msg = f"setjy set no model for {field}: check the model image, and that the field has data in every spw."
        raise SolveError(msg)
    return tuple(
        ModelFlux(
            field=field,
            spw=int(spw),
            frequency_hz=frequencies[int(spw)],
            flux_density_jy=float(level["fluxd"][0]),
        )
        for spw, level in sorted(((int(key), value) for key, value in levels.items() if key != "fieldName"))
    )
