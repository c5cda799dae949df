"""The flux calibrator's model: what setjy is asked, and how its answer is read."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import SolveError
from schemas.solutions import MODEL_COLUMNS
from tasks.flux_model import set_flux_model
from tests.unit.conftest import FLUX, nothing, shortened
from tests.unit.tasks.summaries import field, guide_summary, spw, standard_place

FREQUENCIES = [4.817e9, 4.945e9, 5.073e9, 5.201e9]
LEVELS = (7.37608, 7.25162, 7.13195, 7.01678)  # the guide's 3C286


def answer(name=FLUX, levels=LEVELS):
    spws = {str(number): {"fluxd": np.array([level, 0, 0, 0])} for number, level in enumerate(levels)}
    return {"2": {**spws, "fieldName": name}, "format": "{field Id: {spw Id: {fluxd: [I,Q,U,V] in Jy}}}"}


@pytest.fixture
def setjy(casa):
    casa.returns |= {
        "setjy": answer(),
        "tasks.tables_casa:read_model": nothing(MODEL_COLUMNS),
        "tasks.flux_model_casa:make_3c286_image": None,
        "tasks.flux_model_casa:uv_limit": 1e8,
        "tasks.flux_model_casa:reference_frequencies": lambda **_asked: list(FREQUENCIES),
    }
    return casa


COMMON = {"vis": "night.ms", "field": FLUX, "usescratch": True, "scalebychan": True}


def asked(casa):
    return [shortened(call) for call in casa.asked("setjy")]


def test_emerlin_sets_the_resolved_model_on_perley_butler_2013(calibration, setjy):
    record = set_flux_model.fn(calibration)
    image = str(calibration.workspace.caltables / "3C286_components.im")
    assert asked(setjy) == [{**COMMON, "standard": "Perley-Butler 2013", "model": image}]
    assert setjy.asked("tasks.flux_model_casa:make_3c286_image") == [{"out": image}]
    assert (record.model, record.standard) == ("3C286_components.im", "Perley-Butler 2013")
    assert record.uv_limit_wavelengths == 1e8


@pytest.mark.parametrize(
    ("first_hz", "image"),
    [(1.413e9, "3C286_L.im"), (3e9, "3C286_S.im"), (4.817e9, "3C286_C.im"), (10e9, "3C286_X.im"), (43e9, "3C286_Q.im")],
)
def test_vla_sets_casas_own_model_of_the_band_on_perley_butler_2017(make_calibration, setjy, first_hz, image):
    summary = guide_summary(spws=(spw(0, first_hz=first_hz),))
    set_flux_model.fn(make_calibration("vla", summary=summary))
    assert asked(setjy) == [{**COMMON, "standard": "Perley-Butler 2017", "model": image}]


def test_another_standard_takes_its_own_model(make_calibration, setjy):
    fields = tuple(
        field(2, FLUX, *standard_place("3C48")) if entry.name == FLUX else entry for entry in guide_summary().fields
    )
    set_flux_model.fn(make_calibration("vla", summary=guide_summary(fields=fields)))
    assert asked(setjy)[0]["model"] == "3C48_C.im"


def test_the_users_image_is_taken_by_its_path(make_calibration, setjy, tmp_path):
    image = tmp_path / "mine.model.tt0"
    image.mkdir()
    record = set_flux_model.fn(make_calibration(overrides={"model.model": str(image)}))
    assert asked(setjy)[0]["model"] == str(image)
    assert record.model == "mine.model.tt0"


def test_a_flux_density_of_the_users_goes_before_standard_and_image(make_calibration, setjy):
    record = set_flux_model.fn(make_calibration(overrides={"model.flux_density_jy": 1.5}))
    assert asked(setjy) == [{**COMMON, "standard": "manual", "fluxdensity": [1.5, 0.0, 0.0, 0.0]}]
    assert (record.model, record.standard, record.uv_limit_wavelengths) == ("point source of 1.5 Jy", "", None)


def test_setjys_flux_densities_stand_for_the_spws_reference_frequencies(calibration, setjy):
    fluxes = set_flux_model.fn(calibration).fluxes
    assert [(flux.spw, flux.frequency_hz, flux.flux_density_jy) for flux in fluxes] == list(
        zip(range(4), FREQUENCIES, LEVELS, strict=True)
    )


def test_spws_are_in_the_order_of_their_numbers(make_calibration, setjy):
    setjy.returns["setjy"] = answer(levels=tuple(range(1, 13)))
    setjy.returns["tasks.flux_model_casa:reference_frequencies"] = lambda **_asked: [5e9] * 12
    assert [flux.spw for flux in set_flux_model.fn(make_calibration()).fluxes] == list(range(12))


@pytest.mark.parametrize("empty", [{}, answer(name="1302+5748")])
def test_a_setjy_that_set_nothing_is_an_error_that_names_the_field(calibration, setjy, empty):
    setjy.returns["setjy"] = empty
    with pytest.raises(SolveError, match=r"setjy set no model for 1331\+305"):
        set_flux_model.fn(calibration)
