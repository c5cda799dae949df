"""Flux-scale metrics and the catalogue of known calibrators."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from qa.catalogue import CATALOGUE, Calibrator, known_ranges, load_catalogue
from qa.metrics.fluxscale import (
    antennas_used,
    catalogue_range,
    fit_snr,
    flux_history,
    spectral_index,
    spectrum_residual,
)
from tests.unit.qa.solution_tables import POSITIONS, fit, flux_record, history

FIELD = "1407+284"


def with_spw(source, index: int, **changes):
    spws = list(source.spws)
    spws[index] = spws[index].evolve(**changes)
    return source.evolve(spws=tuple(spws))


def test_residuals_are_from_the_fit_and_not_from_the_scaled_flux_density() -> None:
    measured = spectrum_residual(flux_record())
    assert measured.places == len(measured.frame) == 12
    assert measured.frame["observed"].max() == pytest.approx(0.0, abs=1e-9)


def test_a_spw_off_the_spectrum_shows_by_how_much() -> None:
    source = fit(FIELD, 2.0, index=0.0)
    measured = spectrum_residual(flux_record(with_spw(source, 2, flux_density_jy=1.7)))
    assert list(measured.frame["observed"]) == pytest.approx([0.0, 0.0, 0.15, 0.0])


def test_a_spw_without_a_flux_density_has_no_residual_and_no_antennas() -> None:
    record = flux_record(with_spw(fit(FIELD, 2.0), 1, flux_density_jy=None, error_jy=None))
    assert np.isnan(spectrum_residual(record).frame["observed"][1])
    assert antennas_used(record).frame["observed"][1] == 0.0


def test_three_spws_without_a_fit_have_no_residual_and_no_index() -> None:
    record = flux_record(fit(FIELD, 2.0).evolve(spectral_index=None))
    assert spectrum_residual(record).frame["observed"].isna().all()
    assert spectral_index(record).frame["observed"].isna().all()


@pytest.mark.parametrize("metric", [spectrum_residual, spectral_index])
def test_two_spws_make_no_spectrum(metric) -> None:
    assert metric(flux_record(fit(FIELD, 2.0, spws=2))).not_applicable == "fewer than three spws"


@pytest.mark.parametrize("metric", [spectrum_residual, spectral_index])
def test_a_field_with_two_spws_is_left_out_beside_one_with_four(metric) -> None:
    measured = metric(flux_record(fit(FIELD, 2.0, spws=2), fit("0319+415", 24.0)))
    assert measured.left_out == ((FIELD, "fewer than three spws"),)
    assert set(measured.frame["field"]) == {"0319+415"}
    assert measured.places == len(measured.frame)


def test_the_snr_of_a_fit_is_its_own_and_not_a_spws() -> None:
    assert fit_snr(flux_record(fit(FIELD, 2.0))).frame["observed"].item() == pytest.approx(200.0)


def test_with_two_spws_the_best_one_gives_the_snr() -> None:
    source = with_spw(fit(FIELD, 2.0, spws=2), 1, error_jy=0.5)
    assert fit_snr(flux_record(source)).frame["observed"].item() == pytest.approx(100.0, rel=0.03)


@pytest.mark.parametrize("spws", [2, 4])
def test_an_error_of_zero_is_no_infinite_snr(spws: int) -> None:
    source = fit(FIELD, 2.0, spws=spws).evolve(error_jy=0.0)
    for index in range(spws):
        source = with_spw(source, index, error_jy=0.0)
    assert np.isnan(fit_snr(flux_record(source)).frame["observed"].item())


@pytest.mark.parametrize(("flux", "factor"), [(1.0, 1.0), (3.0, 1.0), (6.0, 2.0), (0.25, 4.0)])
def test_the_catalogue_tells_the_factor_outside_its_range(flux: float, factor: float) -> None:
    source = fit(FIELD, 2.0).evolve(flux_density_jy=flux)
    assert catalogue_range(flux_record(source), POSITIONS).frame["observed"].item() == pytest.approx(factor)


def test_a_negative_flux_density_is_no_number_to_the_catalogue() -> None:
    source = fit(FIELD, 2.0).evolve(flux_density_jy=-2.0)
    assert catalogue_range(flux_record(source), POSITIONS).frame["observed"].isna().all()


def test_calibrators_are_known_by_position_whatever_their_name() -> None:
    source = fit("bandpass calibrator", 2.0)
    measured = catalogue_range(flux_record(source), {"bandpass calibrator": POSITIONS[FIELD]})
    assert len(measured.frame) == 1


def test_an_unknown_calibrator_has_no_standard() -> None:
    measured = catalogue_range(flux_record(fit("1302+5748", 0.4)), POSITIONS)
    assert measured.not_applicable == "no standard"


def test_a_field_without_a_position_is_an_error_and_not_left_out() -> None:
    with pytest.raises(KeyError, match="1407"):
        catalogue_range(flux_record(fit(FIELD, 2.0)), {})


def test_ten_arcseconds_off_is_another_source() -> None:
    ra, dec = POSITIONS[FIELD]
    assert known_ranges("", ra, dec + np.radians(9 / 3600), 5e9)
    assert not known_ranges("", ra, dec + np.radians(11 / 3600), 5e9)


def test_another_band_has_no_range() -> None:
    assert not known_ranges(FIELD, *POSITIONS[FIELD], 22e9)


def test_two_calibrators_with_each_others_names_are_outside_the_range_of_one() -> None:
    record = flux_record(
        fit("0319+415", 2.0).evolve(flux_density_jy=1.9), fit("1407+284", 2.0).evolve(flux_density_jy=22.9)
    )
    swapped = {"0319+415": POSITIONS["1407+284"], "1407+284": POSITIONS["0319+415"]}
    measured = catalogue_range(record, swapped).frame.set_index("field")["observed"]
    assert measured["0319+415"] == pytest.approx(5.0 / 1.9)
    assert measured["1407+284"] == pytest.approx(22.9 / 3.0)


def test_every_range_of_the_catalogue_names_its_source() -> None:
    assert all(band.source and band.low_jy < band.high_jy for one in load_catalogue() for band in one.ranges)


def test_a_catalogue_entry_with_a_missing_key_is_refused(tmp_path) -> None:
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    first = next(index for index, line in enumerate(lines) if "dec_deg" in line)
    broken = tmp_path / "catalogue.yaml"
    broken.write_text("\n".join(lines[:first] + lines[first + 1 :]), encoding="utf-8")
    with pytest.raises(ValidationError, match="dec_deg"):
        load_catalogue(broken)


def test_the_measured_ngc5921_and_guide_flux_densities_lie_inside_the_catalogue() -> None:
    names = {one.name: one for one in load_catalogue()}
    seen = {"OQ172": (2.53, 1.413e9), "OQ208": (1.9013, 5.07e9), "3C84": (22.93, 5.07e9)}
    for name, (flux, frequency) in seen.items():
        (band,) = known_ranges(name, np.radians(names[name].ra_deg), np.radians(names[name].dec_deg), frequency)
        assert isinstance(names[name], Calibrator)
        assert band.factor_outside(flux) == 1.0


def test_history_is_compared_with_its_median() -> None:
    earlier = history(FIELD, 2.0)
    earlier.loc[0, "flux_density_jy"] = 9.0
    source = fit(FIELD, 2.0).evolve(flux_density_jy=2.4)
    assert flux_history(flux_record(source), earlier).frame["observed"].item() == pytest.approx(0.2)


def test_four_nights_are_too_little_history() -> None:
    measured = flux_history(flux_record(fit(FIELD, 2.0)), history(FIELD, 2.0, nights=4))
    assert measured.not_applicable == "too little history"


def test_five_values_of_one_night_are_one_night() -> None:
    earlier = history(FIELD, 2.0).assign(night="2026-11-01")
    assert flux_history(flux_record(fit(FIELD, 2.0)), earlier).not_applicable == "too little history"


def test_a_history_of_other_fields_leaves_this_one_out() -> None:
    record = flux_record(fit(FIELD, 2.0), fit("0319+415", 24.0))
    measured = flux_history(record, pd.concat([history("0319+415", 22.5), history("3C48", 5.0)]))
    assert measured.left_out == ((FIELD, "too little history"),)
    assert measured.places == len(measured.frame) == 1


def test_no_history_at_all_is_too_little_history() -> None:
    nothing = pd.DataFrame(columns=["field", "night", "flux_density_jy"])
    assert flux_history(flux_record(fit(FIELD, 2.0)), nothing).not_applicable == "too little history"
