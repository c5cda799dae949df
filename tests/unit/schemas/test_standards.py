"""Flux-density standards against what the papers and the e-MERLIN guide print."""

import numpy as np
import pytest

from schemas.errors import ConfigurationError
from schemas.standards import (
    COMPONENTS_3C286,
    PHASE_CENTRE_3C286_RAD,
    STANDARD_SOURCES,
    angular_separation,
    flux_density_jy,
    standard_source_at,
)

GUIDE_SPW_HZ = np.array([4817e6, 4945e6, 5073e6, 5201e6])
GUIDE_3C286_JY = [7.37608099, 7.25162458, 7.13195324, 7.01678133]


def test_3c286_has_the_flux_densities_the_guide_prints_at_each_first_channel():
    got = flux_density_jy("3C286", GUIDE_SPW_HZ, "Perley-Butler 2013")
    np.testing.assert_allclose(got, GUIDE_3C286_JY, rtol=1e-6)


@pytest.mark.parametrize(("source", "expected"), [("3C48", 10**1.3253), ("3C147", 10**1.4516), ("3C138", 10**1.0088)])
def test_the_first_coefficient_is_the_flux_density_at_1_ghz(source, expected):
    assert flux_density_jy(source, 1e9, "Perley-Butler 2017") == pytest.approx(expected)


def test_both_standards_agree_to_two_percent_at_c_band_on_the_constant_sources():
    for source in ("3C286", "3C196", "3C295", "3C123"):
        old = flux_density_jy(source, 5e9, "Perley-Butler 2013")
        new = flux_density_jy(source, 5e9, "Perley-Butler 2017")
        assert old == pytest.approx(new, rel=0.02)


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"no flux density for '3C84'.*3C286"):
        flux_density_jy("3C84", 5e9, "Perley-Butler 2013")


def test_an_unknown_standard_is_refused():
    with pytest.raises(ConfigurationError, match="Unknown flux-density standard 'Baars'"):
        flux_density_jy("3C286", 5e9, "Baars")


def test_a_frequency_outside_the_papers_range_is_refused():
    with pytest.raises(ConfigurationError, match=r"0\.4 GHz"):
        flux_density_jy("3C286", [5e9, 0.4e9], "Perley-Butler 2013")


def test_3c286_is_found_at_the_guides_position():
    assert standard_source_at(*PHASE_CENTRE_3C286_RAD) == "3C286"


def test_a_field_a_minute_of_arc_off_is_no_standard():
    ra, dec = PHASE_CENTRE_3C286_RAD
    assert standard_source_at(ra, dec + np.radians(1 / 60)) is None


def test_every_standard_source_is_found_at_its_own_place():
    assert [standard_source_at(s.ra_rad, s.dec_rad) for s in STANDARD_SOURCES] == [s.name for s in STANDARD_SOURCES]


def test_separation_of_the_poles_is_half_a_turn():
    assert angular_separation(0.3, np.pi / 2, 2.0, -np.pi / 2) == pytest.approx(np.pi)


def test_separation_keeps_its_precision_for_milliarcseconds():
    milliarcsecond = np.radians(1e-3 / 3600)
    assert angular_separation(1.0, 0.5, 1.0, 0.5 + milliarcsecond) == pytest.approx(milliarcsecond, rel=1e-6)


def test_the_components_of_3c286_add_up_to_the_fitted_total():
    assert sum(c.flux_density_jy for c in COMPONENTS_3C286) == pytest.approx(6.60719, abs=1e-4)
