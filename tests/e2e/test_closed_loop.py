"""The loop closed on simulated data: `gatecal demo --data emerlin` recovers the truth, and fluxscale's answer is read.

One run of the demo is shared by all tests of it; a second, tiny one has spectral indices of the tests' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from schemas.simulation import SimulationTruth
from tasks.simulate.observatory import CORRELATOR_EFFICIENCY, POLARISATIONS, scaled_dead_channels
from tests.e2e.running import gate, observation_file, outcome
from tests.e2e.truth_image import convolved_centre_jy_beam

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.casa, pytest.mark.slow]

CALIBRATORS = ("1302+5748", "1407+284", "0319+415")
PHASE_REFERENCE = "1302+5748"
TARGET = "1252+5634"

FLUX_TOLERANCE = 0.01
INDEX_TOLERANCE = 0.05
DELAY_TOLERANCE_NS = 0.05
PHASE_TOLERANCE_DEG = 3.0
SLOPE_TOLERANCE = 0.02
PEAK_TOLERANCE = 0.03

INJECTED = {"1407+284": 0.5, "0319+415": -0.7}
"""Spectral indices of the other sign than the sources' own (-0.96 and +0.41)."""
INJECTED_TOLERANCE = 0.1


@dataclass(frozen=True)
class Loop:
    """A calibrated simulation and its truth."""

    root: Path
    outcome: dict
    truth: SimulationTruth
    arrays: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def loop(demo) -> Loop:
    """The demo and its truth."""
    (vis,) = (demo.root.parent / "simulated").glob("*.ms")
    truth = SimulationTruth.model_validate_json(vis.with_name(f"{vis.name}.truth.json").read_text())
    with np.load(vis.with_name(truth.table)) as arrays:
        return Loop(demo.root, outcome(demo.root), truth, dict(arrays))


def test_the_demo_is_clean_and_no_gate_warns(loop):
    assert loop.truth.faults == ()
    assert {
        report["gate"]: report["verdict"] for report in loop.outcome["gates"] if report["verdict"] != "passed"
    } == {}
    assert loop.outcome["verdict"] == "passed"


@pytest.mark.parametrize("name", CALIBRATORS)
def test_the_flux_density_is_within_one_percent_of_the_truth(loop, name):
    flux, truth = loop.outcome["fluxes"][name], field_truth(loop, name)
    there = truth.flux_density_jy * (flux["reference_hz"] / truth.reference_frequency_hz) ** truth.spectral_index
    assert flux["flux_density_jy"] == pytest.approx(there, rel=FLUX_TOLERANCE)


@pytest.mark.parametrize("name", CALIBRATORS)
def test_the_spectral_index_is_within_a_twentieth_of_the_truth(loop, name):
    found = loop.outcome["fluxes"][name]["spectral_index"]
    assert found == pytest.approx(field_truth(loop, name).spectral_index, abs=INDEX_TOLERANCE)


def test_every_median_delay_is_within_a_twentieth_of_a_nanosecond_of_the_truth(loop):
    truth = {(gain.antenna, gain.spw, gain.polarisation): gain.relative_delay_ns for gain in loop.truth.gains}
    found = {
        (entry["antenna"], entry["spw"], entry["polarisation"]): entry["median_ns"] for entry in loop.outcome["delays"]
    }
    assert found.keys() == truth.keys()
    assert max(abs(found[place] - truth[place]) for place in truth) < DELAY_TOLERANCE_NS
    assert np.ptp(list(truth.values())) > 3  # or the comparison would say little


def test_the_phase_reference_s_residual_phases_are_within_three_degrees_of_the_noise_limit(loop):
    rows = visibilities(loop, PHASE_REFERENCE)
    limit = np.array([phase_noise_deg(loop, row) for row in rows.itertuples()])
    expected, measured = (weighted_rms(values, rows["weight"]) for values in (limit, rows["phase_deg"]))
    assert 0 < expected < PHASE_TOLERANCE_DEG  # noise: the tolerance is what is left to calibration
    assert measured == pytest.approx(expected, abs=PHASE_TOLERANCE_DEG)


def test_on_every_baseline_the_phase_reference_s_phases_are_noise_and_no_more(loop):
    # Its own solutions take up a third of the noise's power: 5 free phases from 15 baselines. 64 averages per baseline
    # make their rms uncertain by 9 %.
    rows = visibilities(loop, PHASE_REFERENCE)
    rows = rows.assign(limit=[phase_noise_deg(loop, row) for row in rows.itertuples()])
    for baseline, group in rows.groupby("antenna"):
        expected, measured = (weighted_rms(group[name], group["weight"]) for name in ("limit", "phase_deg"))
        assert 0.5 < measured / expected < 1.3, baseline


def test_the_phase_reference_s_amplitudes_are_flat_with_uv_distance_to_two_percent(loop):
    checks = gate(loop.root, "result")["checks"]
    (slope,) = {check["observed"] for check in checks if check["metric"] == "amplitude_slope"}
    rows = visibilities(loop, PHASE_REFERENCE)
    assert np.ptp(rows["uv_wavelengths"]) > 1e6
    assert slope < SLOPE_TOLERANCE


def test_the_target_s_image_peak_is_within_three_percent_of_the_truth_convolved_with_its_beam(loop):
    # The core is a point at the phase centre and the brightest part of the source, so the peak is there.
    image = next(entry for entry in loop.outcome["images"] if entry["field"] == TARGET)
    beam = (image[f"beam_{name}"] for name in ("major_arcsec", "minor_arcsec", "angle_deg"))
    truth = convolved_centre_jy_beam(field_truth(loop, TARGET).field_id, *beam)
    assert image["peak_jy_beam"] == pytest.approx(truth, rel=PEAK_TOLERANCE)


def test_the_target_s_image_peak_is_within_three_percent_of_the_truth_imaged_alike(loop, casa, tmp_path):
    image = next(entry for entry in loop.outcome["images"] if entry["field"] == TARGET)
    asked = loop.outcome["provenance"]["parameters"]["image"]
    split, copy = loop.root / loop.outcome["products"][TARGET], tmp_path / "truth.ms"
    field = field_truth(loop, TARGET).field_id
    casa("tests.e2e.truth_image:write_truth", vis=split, copy=copy, field=field)
    casa(
        "tclean",
        vis=copy,
        datacolumn="data",
        imagename=tmp_path / "truth",
        specmode="mfs",
        imsize=[image["pixels"]],
        cell=[f"{image['cell_arcsec']}arcsec"],
        stokes="I",
        weighting="briggs",
        deconvolver="hogbom",
        savemodel="none",
        interactive=False,
        **{name: asked[name] for name in ("robust", "niter", "nmajor", "nsigma")},
    )
    truth = casa("tasks.imaging_casa:measure", image=tmp_path / "truth.image", residual=tmp_path / "truth.residual")
    assert image["beam_major_arcsec"] == pytest.approx(truth["beam_major_arcsec"], rel=0.01)
    assert image["peak_jy_beam"] == pytest.approx(truth["peak_jy_beam"], rel=PEAK_TOLERANCE)


# fluxscale's answer


@pytest.fixture(scope="module")
def bent(gatecal, casa, tmp_path_factory) -> Path:
    """The workspace of a tiny observation with spectral indices of -0.7 and +0.5."""
    folder = tmp_path_factory.mktemp("bent")
    vis = folder / "bent.ms"
    casa("tasks.simulate:simulate_observation", preset="tiny", out=vis, seed=0, spectral_indices=INJECTED)
    off = ("--set", "image.enabled=false", "--set", "trial.enabled=false")
    command = gatecal("calibrate", observation_file(vis), *off, "--workspace", folder / "work")
    assert command.code == 0, command.output
    return folder / "work" / "bent"


@pytest.fixture(scope="module")
def answer(bent, casa, tmp_path_factory) -> dict:
    """What fluxscale itself returns on the same gains: the answer's own elements, which the flow has read."""
    asked = {
        "vis": bent / "ms" / "bent.ms",
        "caltable": bent / "caltables" / "calsources.ap1",
        "fluxtable": tmp_path_factory.mktemp("fluxscale") / "scaled",
        "reference": "1331+305",
        "transfer": ",".join(CALIBRATORS),
        "gainthreshold": 0.3,
        "antenna": "!De",
    }
    found = casa("fluxscale", **asked)
    return {entry["fieldName"]: entry for entry in found.values() if isinstance(entry, dict) and "fieldName" in entry}


@pytest.mark.parametrize(("name", "index"), INJECTED.items())
def test_an_injected_spectral_index_is_recovered_with_its_sign(bent, name, index):
    found = outcome(bent)["fluxes"][name]["spectral_index"]
    assert found == pytest.approx(index, abs=INJECTED_TOLERANCE)
    assert np.sign(found) == np.sign(index)


@pytest.mark.parametrize(("name", "index"), INJECTED.items())
def test_the_first_element_of_spidx_is_the_logarithm_of_the_flux_density_and_would_be_wrong(bent, answer, name, index):
    first, second = (float(value) for value in answer[name]["spidx"][:2])
    assert first == pytest.approx(np.log10(float(answer[name]["fitFluxd"])), abs=1e-6)
    assert first != pytest.approx(index, abs=INJECTED_TOLERANCE)
    assert outcome(bent)["fluxes"][name]["spectral_index"] == pytest.approx(second, abs=1e-6)


# what the truth says


def field_truth(loop: Loop, name: str):
    return next(field for field in loop.truth.fields if field.name == name)


def visibilities(loop: Loop, field: str) -> pd.DataFrame:
    """Return the corrected visibilities of a field, averaged over scan and spectral window."""
    rows = pd.read_csv(loop.root / "records" / "apply.visibilities.csv")
    return rows[(rows["field"] == field) & (rows["weight"] > 0)]


def weighted_rms(values: pd.Series | np.ndarray, weights: pd.Series) -> float:
    return float(np.sqrt(np.average(np.square(values), weights=weights)))


def phase_noise_deg(loop: Loop, row) -> float:
    """Return the phase noise that an averaged visibility must have, whatever the calibration [deg].

    The radiometer equation, sigma = sqrt(SEFD_i SEFD_j) / (eta sqrt(2 bandwidth time)) (Thompson, Moran & Swenson 2017,
    eq. 6.50), for the channels and integrations in the average, over the flux density: at high S/N the phase's rms is
    that of the imaginary part. Noise enters after the bandpass, whose removal raises it where the band is low.
    Self-calibration takes part of the noise up (a third, for 15 baselines and 5 free phases), drift and weather add.
    """
    names = list(dict.fromkeys(gain.antenna for gain in loop.truth.gains))
    first, second = (names.index(name) for name in row.antenna.split("&"))
    place = row.spw, POLARISATIONS.index(row.polarisation)
    sefd, response = loop.arrays["sefd"], np.abs(loop.arrays["bandpass"])
    living = np.ones(response.shape[2], dtype=bool)
    for low, high in scaled_dead_channels(row.spw, living.size):
        living[low : high + 1] = False
    pair = response[first, row.spw, living, place[1]] * response[second, row.spw, living, place[1]]
    samples = 2.0 * loop.truth.channel_width_hz * loop.truth.integration_s * row.weight
    sigma = np.sqrt(sefd[(first, *place)] * sefd[(second, *place)] * np.mean(pair**-2.0) / samples)
    return float(np.degrees(sigma / CORRELATOR_EFFICIENCY / row.model_amplitude))
