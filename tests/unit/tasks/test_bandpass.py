"""The bandpass: first normalised on the pre-calibration, then on the models with the fluxscaled gains."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks.bandpass
from schemas.solutions import FluxscaleFit, FluxscaleRecord, SolveRecord
from tasks.bandpass import solve_bandpass1, solve_bandpass2
from tasks.fluxscale import set_calibrator_models
from tests.unit.conftest import DELAYS, FLUX, GAINS, NO_DELAYS, PRECAL, chain, shortened


def fit(field, flux_jy=2.5, index=-0.4):
    return FluxscaleFit(
        field=field,
        fitted_jy=flux_jy / 0.938,
        error_jy=0.01,
        resolved_out_factor=0.938,
        flux_density_jy=flux_jy,
        spectral_index=index,
        spectral_index_error=None if index is None else 0.1,
        reference_hz=5.07e9,
        spws=(),
    )


FLUXES = FluxscaleRecord(
    caltable=Path("caltables/calsources.ap1_flux"),
    fits=(fit("1302+5748"), fit("0319+415", 22.9, 1.388), fit("1407+284", 1.9, None)),
)


@pytest.fixture(autouse=True)
def models_without_a_server(monkeypatch, casa):
    monkeypatch.setattr(tasks.bandpass, "set_calibrator_models", set_calibrator_models.fn)
    casa.returns["setjy"] = {}


def expected(name, solnorm, tables):
    return {
        "vis": "night.ms",
        "caltable": f".{name}.partial",
        "field": "0319+415,1407+284",
        "bandtype": "B",
        "solint": "inf",
        "combine": "scan",
        "refant": "Mk2,Pi",
        "minblperant": 2,
        "minsnr": 3.0,
        "solnorm": solnorm,
        "fillgaps": 16,
        "corrdepflags": True,
        **tables,
    }


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_the_first_bandpass_is_normalised_over_the_precalibration(make_calibration, casa, profile, delays):
    solve_bandpass1.fn(make_calibration(profile), delays, PRECAL)
    k = [("all.K", "nearest")] if delays.tables else []
    tables = chain(*k, ("bpcals_precal.p1", "nearest"), ("bpcals_precal.ap1", "nearest"))
    assert [shortened(call) for call in casa.asked("bandpass")] == [expected("bpcals.B1", True, tables)]


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_the_second_bandpass_takes_the_fluxscaled_table_and_is_not_normalised(make_calibration, casa, profile, delays):
    solve_bandpass2.fn(make_calibration(profile), delays, GAINS, FLUXES)
    k = [("all.K", "nearest")] if delays.tables else []
    tables = chain(*k, ("calsources.p1", "nearest"), ("calsources.ap1_flux", "nearest"))
    assert [shortened(call) for call in casa.asked("bandpass")] == [expected("bpcals.B2", False, tables)]


def test_without_a_flux_scale_the_second_bandpass_takes_the_plain_amplitudes(calibration, casa):
    solve_bandpass2.fn(calibration, NO_DELAYS, GAINS, FluxscaleRecord(skipped="switched off"))
    names = [Path(table).name for table in casa.asked("bandpass")[0]["gaintable"]]
    assert names == ["calsources.p1", "calsources.ap1"]


def test_every_calibrator_but_the_flux_calibrator_gets_its_model_before_the_solve(calibration, casa):
    solve_bandpass2.fn(calibration, DELAYS, GAINS, FLUXES)
    asked = [shortened(call) for call in casa.asked("setjy")]
    common = {"vis": "night.ms", "standard": "manual", "reffreq": "5070000000.0Hz", "usescratch": True}
    assert asked == [
        {"field": "1302+5748", "fluxdensity": [2.5, 0.0, 0.0, 0.0], "spix": [-0.4], **common},
        {"field": "0319+415", "fluxdensity": [22.9, 0.0, 0.0, 0.0], "spix": [1.388], **common},
        {"field": "1407+284", "fluxdensity": [1.9, 0.0, 0.0, 0.0], "spix": [0.0], **common},
    ]
    assert FLUX not in {call["field"] for call in asked}
    order = [name for name, _ in casa.calls if name in {"setjy", "bandpass"}]
    assert order == ["setjy", "setjy", "setjy", "bandpass"]


def test_a_second_bandpass_switched_off_still_sets_the_models(make_calibration, casa):
    calibration = make_calibration(overrides={"bandpass2.enabled": False})
    record = solve_bandpass2.fn(calibration, DELAYS, GAINS, FLUXES)
    assert record == SolveRecord(skipped="switched off (bandpass2.enabled)")
    assert len(casa.asked("setjy")) == 3


def test_a_first_bandpass_switched_off_says_so(make_calibration, casa):
    record = solve_bandpass1.fn(make_calibration(overrides={"bandpass1.enabled": False}), DELAYS, PRECAL)
    assert record == SolveRecord(skipped="switched off (bandpass1.enabled)")
