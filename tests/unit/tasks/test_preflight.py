"""What is refused before anything is written, and in which words."""

import pytest

from schemas.errors import CalibrationError, ConfigurationError, DataUnusable
from schemas.ingestion import DataSource
from schemas.observation import Observation
from schemas.profiles import parameters
from tasks import preflight
from tasks.roles import resolve_roles
from tests.unit.tasks.summaries import GUIDE_FIELDS, field, guide_summary, spw, standard_place


@pytest.fixture
def check(tmp_path):
    """Run the whole check on the guide's observation with changes."""
    data = tmp_path / "data" / "night.ms"
    data.mkdir(parents=True)
    observation = Observation(name="night", data=data)
    source = DataSource(path=data, kind="measurement set", files=(data,), size_bytes=1000, fingerprint="f")

    def run(summary=None, overrides=None, roles=None):
        summary = summary or guide_summary()
        roles = roles or resolve_roles("auto", guide_summary())
        asked = parameters("emerlin", overrides or {})
        preflight.check(observation, asked, source, summary, roles, tmp_path / "runs" / "night")

    run.tmp_path = tmp_path
    return run


def refusal(action, kind):
    with pytest.raises(CalibrationError) as caught:
        action()
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    return str(caught.value)


def all_spws(**changes):
    return guide_summary(spws=tuple(spw(index, **changes) for index in range(4)))


def test_the_guides_observation_passes_and_nothing_is_written(check):
    check()
    assert sorted(path.name for path in check.tmp_path.iterdir()) == ["data"]


def test_parallel_hands_alone_pass(check):
    check(all_spws(correlations=("RR", "LL")))


@pytest.mark.parametrize("correlations", [("RR",), ("LL",), ("XX", "YY"), ("XX", "XY", "YX", "YY"), ("I",)])
def test_single_hands_and_linear_feeds_are_refused_with_what_is_supported(check, correlations):
    message = refusal(lambda: check(all_spws(correlations=correlations)), DataUnusable)
    assert f"has the correlations {','.join(correlations)}; supported are RR,LL or RR,RL,LR,LL" in message


def test_spectral_windows_of_different_channels_are_refused(check):
    spws = (spw(0), spw(1, channels=128, width_hz=1e6))
    message = refusal(lambda: check(guide_summary(spws=spws)), DataUnusable)
    assert "spectral windows are unequal: spw 0 has 64 x 2000 kHz" in message
    assert "spw 1 has 128 x 1000 kHz" in message
    assert "selection.spw" in message


def test_spectral_windows_of_different_width_are_refused(check):
    spws = (spw(0), spw(1, width_hz=1e6))
    assert "are unequal" in refusal(lambda: check(guide_summary(spws=spws)), DataUnusable)


def test_widths_that_differ_by_rounding_pass(check):
    check(guide_summary(spws=(spw(0), spw(1, width_hz=2e6 * (1 + 1e-7)))))


def test_several_bands_are_refused(check):
    spws = (spw(0), spw(1, first_hz=1.4e9))
    message = refusal(lambda: check(guide_summary(spws=spws)), DataUnusable)
    assert "several bands: spw 1" in message


def test_autocorrelations_only_are_refused(check):
    message = refusal(lambda: check(guide_summary(autocorrelation_rows=5000)), DataUnusable)
    assert "autocorrelations only (5000 rows)" in message


def test_data_without_a_data_column_are_refused(check):
    message = refusal(lambda: check(guide_summary(columns=("CORRECTED_DATA",))), DataUnusable)
    assert "no DATA column (they have CORRECTED_DATA)" in message


@pytest.mark.parametrize("name", ["1331+305", "1407+284", "1302+5748"])
def test_a_calibrator_flagged_whole_is_refused(check, name):
    fractions = dict.fromkeys(GUIDE_FIELDS, 0.1) | {name: 1.0}
    message = refusal(lambda: check(guide_summary(flagged_fraction=fractions)), DataUnusable)
    assert f"calibrator {name} is flagged completely" in message


def test_a_target_flagged_whole_is_refused(check):
    fractions = dict.fromkeys(GUIDE_FIELDS, 0.1) | {"1252+5634": 1.0}
    message = refusal(lambda: check(guide_summary(flagged_fraction=fractions)), DataUnusable)
    assert "target 1252+5634 is flagged completely" in message


def test_a_calibrator_with_one_unflagged_visibility_in_a_million_passes(check):
    check(guide_summary(flagged_fraction=dict.fromkeys(GUIDE_FIELDS, 1.0 - 1e-6)))


def test_a_calibrator_without_cross_correlations_is_refused(check):
    fractions = {name: 0.1 for name in GUIDE_FIELDS if name != "0319+415"}
    message = refusal(lambda: check(guide_summary(flagged_fraction=fractions)), DataUnusable)
    assert "calibrator 0319+415 has no cross-correlations" in message


def test_an_unknown_reference_antenna_is_refused(check):
    message = refusal(lambda: check(overrides={"refant": ["Mk3"]}), ConfigurationError)
    assert "antenna 'Mk3' is not in the data" in message


def test_a_model_image_that_does_not_exist_is_refused(check):
    message = refusal(lambda: check(overrides={"model.model": "/nowhere/3c286.im"}), ConfigurationError)
    assert "the model image /nowhere/3c286.im does not exist" in message


def test_a_model_image_that_is_no_image_is_refused(check):
    path = check.tmp_path / "3c286.fits"
    path.touch()
    message = refusal(lambda: check(overrides={"model.model": str(path)}), ConfigurationError)
    assert "is not a CASA image" in message


def test_a_model_image_that_is_there_passes(check):
    path = check.tmp_path / "3c286.im"
    path.mkdir()
    (path / "table.dat").touch()
    check(overrides={"model.model": str(path)})


def flux_at(place):
    others = [field(index, name, *GUIDE_FIELDS[name]) for index, name in enumerate(GUIDE_FIELDS) if name != "1331+305"]
    return guide_summary(fields=(*others, field(9, "1331+305", *place)))


def test_the_components_of_3c286_are_refused_for_another_flux_calibrator(check):
    message = refusal(lambda: check(flux_at(standard_place("3C48"))), ConfigurationError)
    assert "the flux calibrator 1331+305 is 3C48" in message
    assert "model.model=casa" in message


def test_casas_model_passes_for_another_standard(check):
    check(flux_at(standard_place("3C48")), overrides={"model.model": "casa"})


@pytest.mark.parametrize("model", ["components", "casa"])
def test_a_flux_calibrator_without_standard_needs_a_flux_density(check, model):
    message = refusal(lambda: check(flux_at((10.0, 10.0)), overrides={"model.model": model}), ConfigurationError)
    assert "stands at no position of a flux standard. Set model.flux_density_jy" in message


def test_a_flux_calibrator_without_standard_passes_with_a_flux_density(check):
    check(flux_at((10.0, 10.0)), overrides={"model.flux_density_jy": 2.5})


def test_a_flag_file_that_does_not_exist_is_refused(check):
    message = refusal(lambda: check(overrides={"flag.bad_times": "/nowhere/bad.flags"}), ConfigurationError)
    assert "there is no flag file /nowhere/bad.flags" in message


def test_a_flag_file_with_a_bad_line_is_refused(check):
    path = check.tmp_path / "bad.flags"
    path.write_text("antenna='Cm'\nantenna='nobody'\n")
    message = refusal(lambda: check(overrides={"flag.bad_times": str(path)}), ConfigurationError)
    assert f"{path}, line 2" in message


def test_too_little_disk_is_refused(check, monkeypatch):
    monkeypatch.setattr("tasks.ingest.disk_needed", lambda _source: 10**18)
    assert "GB are free at" in refusal(check, ConfigurationError)


@pytest.mark.parametrize("place", ["data/night.ms", "data/night.ms/runs/night"])
def test_a_workspace_inside_the_input_is_refused(tmp_path, place):
    observation = Observation(name="night", data=tmp_path / "data" / "night.ms")
    asked = parameters("emerlin", {})
    message = refusal(lambda: preflight.check_paths(observation, asked, tmp_path / place), ConfigurationError)
    assert "lies inside the input" in message


def test_an_input_inside_the_workspace_is_refused(tmp_path):
    observation = Observation(name="night", data=tmp_path / "runs" / "night" / "ms" / "night.ms")
    asked = parameters("emerlin", {})
    message = refusal(
        lambda: preflight.check_paths(observation, asked, tmp_path / "runs" / "night"), ConfigurationError
    )
    assert "lies inside the workspace" in message


def test_a_symlink_does_not_hide_that_the_workspace_lies_inside_the_input(tmp_path):
    (tmp_path / "night.ms").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "night.ms")
    observation = Observation(name="night", data=tmp_path / "night.ms")
    asked = parameters("emerlin", {})
    message = refusal(
        lambda: preflight.check_paths(observation, asked, tmp_path / "elsewhere" / "night"), ConfigurationError
    )
    assert "lies inside the input" in message
