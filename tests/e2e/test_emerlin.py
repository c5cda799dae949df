"""The emerlin profile on a simulated observation: what was put in comes out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.e2e.running import gate, logged_statistics, outcome, reported_statistics

pytestmark = [pytest.mark.casa, pytest.mark.slow]

FLUX_TOLERANCE = 0.03
INDEX_TOLERANCE = 0.15
DELAY_TOLERANCE_NS = 0.1
CALIBRATORS = ("1302+5748", "1407+284", "0319+415")


@pytest.fixture(scope="module")
def found(emerlin):
    return outcome(emerlin.root)


@pytest.mark.parametrize("field", CALIBRATORS)
def test_flux_densities_and_spectral_indices_are_those_put_in(found, tiny_truth, field):
    truth = next(entry for entry in tiny_truth.fields if entry.name == field)
    flux = found["fluxes"][field]
    there = truth.flux_density_jy * (flux["reference_hz"] / truth.reference_frequency_hz) ** truth.spectral_index
    assert flux["flux_density_jy"] == pytest.approx(there, rel=FLUX_TOLERANCE)
    assert flux["spectral_index"] == pytest.approx(truth.spectral_index, abs=INDEX_TOLERANCE)


def test_every_delay_is_the_one_put_in(found, tiny_truth):
    measured = {
        (entry["antenna"], entry["spw"], entry["polarisation"]): entry["median_ns"] for entry in found["delays"]
    }
    truth = {(gain.antenna, gain.spw, gain.polarisation): gain.relative_delay_ns for gain in tiny_truth.gains}
    assert measured.keys() == truth.keys()
    worst = max(abs(measured[key] - truth[key]) for key in truth)
    assert worst < DELAY_TOLERANCE_NS
    assert np.ptp(list(truth.values())) > 3  # or the comparison would say little


def test_the_solve_statistics_are_those_that_casa_logged_k_included(emerlin):
    logged = logged_statistics(emerlin.root / "logs")
    assert reported_statistics(emerlin.root) == logged
    assert {spw for table, spw in logged if table == "all.K"} == {0, 1, 2, 3}


def test_the_corrected_calibrators_have_their_models(found):
    corrected = {entry["field"]: entry for entry in found["corrected"]}
    assert corrected.keys() == {*CALIBRATORS, "1331+305"}
    for entry in corrected.values():
        assert entry["amplitude_over_model"] == pytest.approx(1.0, abs=0.05)
        assert entry["phase_rms_deg"] < 20


def test_the_user_s_bad_times_are_flagged_and_not_judged(emerlin, found):
    report = gate(emerlin.root, "flag.bad_times")
    assert report["verdict"] == "passed"
    new = [check for check in report["checks"] if check["metric"] == "newly_flagged"]
    assert new
    assert all("reported, not judged" in check["reason"] and check["observed"] > 0 for check in new)
    assert found["flagged"]["0319+415"]["after"] > found["flagged"]["0319+415"]["before"]


def test_target_and_phase_reference_are_imaged_with_the_beam_of_the_array(found):
    images = {image["field"]: image for image in found["images"]}
    assert images.keys() == {"1252+5634", "1302+5748"}
    for image in images.values():
        assert 0.01 < image["beam_minor_arcsec"] <= image["beam_major_arcsec"] < 0.5
    assert images["1302+5748"]["dynamic_range"] > 20
    assert images["1302+5748"]["peak_jy_beam"] == pytest.approx(0.404, rel=0.1)
