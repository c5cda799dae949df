"""The flux scale: which numbers of fluxscale's answer are taken, what it is asked, and when it is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SolveError
from tasks.fluxscale import antenna_selection, read_fit, scale_fluxes, set_calibrator_models
from tasks.ledger import outputs_of
from tests.unit.conftest import FLUX, GAINS, ROLES, make_table, shortened, solved

FREQUENCIES = (4.88e9, 5.01e9, 5.14e9, 5.26e9)


def level(flux, error=0.01, solutions=10.0):
    four = [0.0, 0.0, 0.0]
    return {
        "fluxd": np.array([flux, *four]),
        "fluxdErr": np.array([error, *four]),
        "numSol": np.array([solutions, *four]),
    }


def entry(name, *fluxes, fitted=2.70, index=-0.365):
    """One field of fluxscale's answer; spidx[0] is log10 of the fitted flux density."""
    return {
        **{str(spw): level(flux, 0.01 * (spw + 1)) for spw, flux in enumerate(fluxes)},
        "fieldName": name,
        "fitFluxd": fitted,
        "fitFluxdErr": 0.02,
        "fitRefFreq": 5.07e9,
        "spidx": np.array([math.log10(fitted), index]),
        "spidxerr": np.array([0.003, 0.04]),
    }


def answer(*entries, spws=4):
    fields = {str(number): value for number, value in enumerate(entries)}
    return {"freq": np.array(FREQUENCIES[:spws]), "spwID": np.arange(spws), "spwName": np.array(["a"] * spws)} | fields


FOUR = (2.80, 2.74, 2.66, 2.60)


def test_the_spectral_index_is_the_second_coefficient_and_not_the_first():
    fit = read_fit(answer(entry("1407+284", *FOUR)), "1407+284", 1.0)
    assert (fit.spectral_index, fit.spectral_index_error) == (-0.365, 0.04)
    assert fit.fitted_jy == 2.70
    assert fit.error_jy == 0.02
    assert fit.reference_hz == 5.07e9


def test_the_resolved_out_factor_is_applied_to_the_flux_density_once():
    fit = read_fit(answer(entry("1407+284", *FOUR)), "1407+284", 0.938)
    assert fit.flux_density_jy == pytest.approx(0.938 * 2.70, rel=1e-12)
    assert fit.fitted_jy == 2.70
    assert [spw.flux_density_jy for spw in fit.spws] == list(FOUR)


def test_every_spectral_window_is_reported_with_its_own_numbers():
    spw = read_fit(answer(entry("1407+284", *FOUR)), "1407+284", 1.0).spws[2]
    assert (spw.spw, spw.frequency_hz, spw.flux_density_jy, spw.error_jy, spw.antennas) == (2, 5.14e9, 2.66, 0.03, 5)


@pytest.mark.parametrize("fluxes", [(2.5,), (2.5, 2.7)])
def test_under_three_spectral_windows_there_is_no_index_and_the_error_is_the_spws(fluxes):
    count = len(fluxes)
    broken = entry("1445+099", *fluxes, fitted=9.9, index=0.0) | {"fitFluxdErr": 0.0}
    fit = read_fit(answer(broken, spws=count), "1445+099", 1.0)
    assert (fit.spectral_index, fit.spectral_index_error) == (None, None)
    assert fit.flux_density_jy == pytest.approx(np.mean(fluxes))
    assert fit.error_jy == pytest.approx(0.01 * count)
    assert fit.reference_hz == pytest.approx(np.mean(FREQUENCIES[:count]))


def test_a_spectral_window_without_solutions_has_no_flux_density_and_is_not_averaged():
    fluxes = (2.8, -1.0, 2.6, -1.0)
    fit = read_fit(answer(entry("1407+284", *fluxes)), "1407+284", 1.0)
    assert [spw.flux_density_jy for spw in fit.spws] == [2.8, None, 2.6, None]
    assert [spw.error_jy for spw in fit.spws] == [0.01, None, 0.03, None]
    assert fit.flux_density_jy == pytest.approx(2.7)
    assert fit.reference_hz == pytest.approx((FREQUENCIES[0] + FREQUENCIES[2]) / 2)
    assert fit.spectral_index is None


def test_three_of_four_spectral_windows_are_enough_for_an_index():
    assert read_fit(answer(entry("1407+284", 2.8, -1.0, 2.6, 2.5)), "1407+284", 1.0).spectral_index == -0.365


def test_solutions_of_one_hand_count_as_an_antenna_too():
    odd = entry("1407+284", *FOUR) | {"0": level(2.8, solutions=9.0)}
    assert read_fit(answer(odd), "1407+284", 1.0).spws[0].antennas == 5


@pytest.mark.parametrize("found", [answer(), answer(entry("1407+284", -1.0, -1.0, -1.0, -1.0))])
def test_a_calibrator_without_any_flux_density_is_named(found):
    with pytest.raises(SolveError, match=r"no flux density for 1407\+284.*gains\.amplitude_solint"):
        read_fit(found, "1407+284", 1.0)


@pytest.mark.parametrize(
    ("asked", "selection"),
    [
        ("!De", "!De"),
        ("!De,!Xx", "!De"),
        ("!Xx", ""),
        ("", ""),
        ("Mk2,Kn", "Mk2,Kn"),
        (" !De , !Kn", "!De,!Kn"),
    ],
)
def test_exclusions_of_antennas_that_are_not_there_are_left_out(asked, selection):
    assert antenna_selection(asked, ("Mk2", "Kn", "De")) == selection


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fluxscale(casa):
    """CASA's fluxscale on the guide's calibrators, with table and listing written."""

    def scale(fluxtable, listfile, transfer, **_asked):
        make_table(fluxtable)
        Path(listfile).write_text("Flux density for 1302+5748")
        return answer(*(entry(name, *FOUR) for name in transfer.split(",")))

    casa.returns |= {"fluxscale": scale, "setjy": {}}
    return casa


@pytest.mark.parametrize(("profile", "antenna"), [("emerlin", "!De"), ("vla", "")])
def test_fluxscale_is_asked_what_the_guide_asks(make_calibration, fluxscale, profile, antenna):
    scale_fluxes.fn(make_calibration(profile), GAINS)
    calls = [shortened(call) for call in fluxscale.asked("fluxscale")]
    listing = calls[0].pop("listfile")
    assert listing == "fluxscale.listing.txt"
    expected = {
        "vis": "night.ms",
        "reference": FLUX,
        "transfer": "1302+5748,0319+415,1407+284",
        "gainthreshold": 0.3,
        "antenna": antenna,
        "append": False,
        "display": False,
        "fluxtable": ".calsources.ap1_flux.partial",
    }
    assert Path(calls[0].pop("caltable")).name == "calsources.ap1"
    assert calls == [expected]


@pytest.mark.parametrize(("profile", "factor"), [("emerlin", 0.938), ("vla", 1.0)])
def test_the_profiles_resolved_out_factor_is_used(make_calibration, fluxscale, profile, factor):
    record = scale_fluxes.fn(make_calibration(profile), GAINS)
    assert {fit.field: fit.flux_density_jy for fit in record.fits} == pytest.approx(
        dict.fromkeys(("1302+5748", "0319+415", "1407+284"), 2.70 * factor)
    )


def test_the_scaled_table_and_casas_listing_are_kept(calibration, fluxscale):
    record = scale_fluxes.fn(calibration, GAINS)
    assert set(outputs_of(record)) == {Path("caltables/calsources.ap1_flux"), Path("records/fluxscale.listing.txt")}
    assert all((calibration.workspace.root / path).exists() for path in outputs_of(record))


def test_no_model_is_set_before_the_gate_has_judged(calibration, fluxscale):
    scale_fluxes.fn(calibration, GAINS)
    assert fluxscale.asked("setjy") == []


def test_a_calibrator_without_a_flux_density_leaves_no_scaled_table(calibration, fluxscale):
    fluxscale.returns["fluxscale"] = lambda fluxtable, **_asked: make_table(fluxtable) | answer()
    with pytest.raises(SolveError, match=r"1302\+5748"):
        scale_fluxes.fn(calibration, GAINS)
    assert not (calibration.workspace.caltables / "calsources.ap1_flux").exists()


@pytest.mark.parametrize(
    ("overrides", "roles", "gains", "reason"),
    [
        ({"fluxscale.enabled": False}, ROLES, GAINS, "switched off (fluxscale.enabled)"),
        ({}, ROLES.evolve(bandpass=(FLUX,), phase_reference={"t": FLUX}), GAINS, "the flux calibrator is the only"),
        ({}, ROLES, solved(("calsources.p1", "p")), "there are no amplitude gains to scale"),
    ],
)
def test_where_there_is_nothing_to_scale_the_step_says_why(make_calibration, casa, overrides, roles, gains, reason):
    record = scale_fluxes.fn(make_calibration(overrides=overrides, roles=roles), gains)
    assert record.skipped.startswith(reason)
    assert (record.fits, record.caltable, casa.asked("fluxscale")) == ((), None, [])


def test_setjy_takes_the_factor_once_and_leaves_the_flux_calibrator(calibration, fluxscale):
    set_calibrator_models.fn(calibration, scale_fluxes.fn(calibration, GAINS))
    asked = fluxscale.asked("setjy")
    assert [call["field"] for call in asked] == ["1302+5748", "0319+415", "1407+284"]
    assert {call["fluxdensity"][0] for call in asked} == {2.70 * 0.938}
    assert {tuple(call["spix"]) for call in asked} == {(-0.365,)}
