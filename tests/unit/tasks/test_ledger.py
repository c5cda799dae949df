"""The ledger: what changes a step's key, what invalidates a result, and that a bad ledger is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.ledger import MsState
from schemas.results import ImageRecord, ImageSummary
from schemas.solutions import SolutionTable, SolveRecord
from schemas.steps import STEPS
from tasks import ledger as module
from tasks.ledger import open_ledger, outputs_of, read_ledger
from tasks.step import asked_of
from tasks.workspace import Workspace
from tests.unit.conftest import ROLES, solved

VERSIONS = {"casatasks": "6.7"}


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "night")
    made.create()
    return made


@pytest.fixture
def keeper(workspace):
    return open_ledger(workspace, "night", Path("/data/night.ms"))


def make(workspace, name="all.K"):
    """A solve's record with all of its files in place."""
    record = solved((name, "K"))
    for path in outputs_of(record):
        (workspace.root / path).write_text("numbers")
    return record


def finish(keeper, step, record=None, key="key"):
    keeper.finish(step, key, record or SolveRecord(), "flagged", 1.0)


def keys(calibration, versions=VERSIONS):
    """Every step's key, in order."""
    keeper = open_ledger(calibration.workspace, "night", calibration.source.path)
    return {step: keeper.key(step, asked_of(calibration, step), versions) for step in STEPS}


def changed(first, second):
    return [step for step in STEPS if first[step] != second[step]]


def since(step):
    return list(STEPS[STEPS.index(step) :])


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_the_same_for_the_same_request(make_calibration):
    assert keys(make_calibration()) == keys(make_calibration())


@pytest.mark.parametrize(
    ("name", "value", "step"),
    [
        ("ingest.average_channels", 2, "ingest"),
        ("flag.late_on_source_s", 10.0, "flag"),
        ("delay.solint", "60s", "delay"),
        ("model.resolved_out_factor", 1.0, "model"),
        ("precal.minsnr", 4.0, "precal"),
        ("bandpass1.fillgaps", 0, "bandpass1"),
        ("gains.solint", "30s", "gains"),
        ("fluxscale.antenna", "", "fluxscale"),
        ("bandpass2.solnorm", True, "bandpass2"),
        ("finalgains.enabled", False, "finalgains"),
        ("apply.max_gap_cycles", 2.0, "apply"),
        ("split.keepflags", False, "split"),
        ("image.robust", 2.0, "image"),
        ("apply.interp_gain", "nearest", "precal"),
    ],
)
def test_a_parameter_changes_the_key_of_its_step_and_of_all_after_it(make_calibration, name, value, step):
    assert changed(keys(make_calibration()), keys(make_calibration(overrides={name: value}))) == since(step)


@pytest.mark.parametrize("step", ["ingest", "flag", "delay", "apply", "image"])
def test_a_time_limit_changes_no_key(make_calibration, step):
    assert changed(keys(make_calibration()), keys(make_calibration(overrides={f"{step}.timeout_s": 5.0}))) == []


def test_a_bound_of_a_gate_changes_no_key(make_calibration):
    assert changed(keys(make_calibration()), keys(make_calibration(overrides={"gates.delay.stop_ns": 20.0}))) == []


def test_another_input_changes_every_key(make_calibration):
    first = make_calibration()
    second = make_calibration(source=first.source.evolve(fingerprint="another"))
    assert changed(keys(first), keys(second)) == list(STEPS)


def test_another_reference_antenna_changes_every_key_from_inspect_on(make_calibration):
    assert changed(keys(make_calibration()), keys(make_calibration(refant=("Pi", "Mk2")))) == since("inspect")


def test_other_roles_change_every_key_from_inspect_on(make_calibration):
    roles = ROLES.evolve(bandpass=("0319+415",))
    assert changed(keys(make_calibration()), keys(make_calibration(roles=roles))) == since("inspect")


def test_another_version_of_casa_changes_every_key(make_calibration):
    assert changed(keys(make_calibration()), keys(make_calibration(), {"casatasks": "6.8"})) == list(STEPS)


def test_another_version_of_the_recipe_changes_every_key(make_calibration, monkeypatch):
    before = keys(make_calibration())
    monkeypatch.setattr(module, "RECIPE_VERSION", "next")
    assert changed(before, keys(make_calibration())) == list(STEPS)


def test_the_content_of_the_flag_file_counts(make_calibration, tmp_path):
    file = tmp_path / "bad.txt"
    file.write_text("mode='manual' antenna='De'")
    overrides = {"flag.bad_times": file}
    before = keys(make_calibration(overrides=overrides))
    file.write_text("mode='manual' antenna='Kn'")
    assert changed(before, keys(make_calibration(overrides=overrides))) == since("flag")


def test_the_content_of_the_model_image_counts(make_calibration, tmp_path):
    image = tmp_path / "3C286.im"
    image.mkdir()
    overrides = {"model.model": str(image)}
    before = keys(make_calibration(overrides=overrides))
    (image / "table.dat").write_text("pixels")
    assert changed(before, keys(make_calibration(overrides=overrides))) == since("model")


# --- what holds -------------------------------------------------------------------------------------------------------


def test_a_finished_step_holds(keeper, workspace):
    record = make(workspace)
    finish(keeper, "delay", record)
    assert SolveRecord.model_validate(keeper.holds("delay", "key").record) == record


def test_another_key_does_not_hold(keeper, workspace):
    finish(keeper, "delay", make(workspace))
    assert keeper.holds("delay", "another") is None


@pytest.mark.parametrize("output", ["caltables/all.K", "records/all.K.csv", "records/all.K.statistics.csv"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_an_output_missing_or_changed_does_not_hold(keeper, workspace, output, damage):
    finish(keeper, "delay", make(workspace))
    path = workspace.root / output
    if damage == "missing":
        path.unlink()
    else:
        path.write_text("others")
    assert keeper.holds("delay", "key") is None


def test_finishing_a_step_forgets_all_after_it(keeper):
    for step in ("ingest", "inspect", "flag", "delay", "model"):
        finish(keeper, step)
    finish(keeper, "flag", key="new")
    assert [entry.step for entry in keeper.ledger.entries] == ["ingest", "inspect", "flag"]


def test_dropping_a_step_forgets_it_and_all_after_it(keeper, workspace):
    for step in STEPS:
        finish(keeper, step)
    keeper.drop("gains")
    assert [entry.step for entry in read_ledger(workspace).entries] == list(STEPS[: STEPS.index("gains")])


def test_what_is_noted_is_on_disk_at_once(keeper, workspace):
    finish(keeper, "ingest")
    keeper.set_state(flags="changing", models="none")
    keeper.set_verdicts("ingest", {"observation": "passed"})
    read = read_ledger(workspace)
    assert read == keeper.ledger
    assert read.state == MsState(flags="changing", models="none")
    assert read.entry("ingest").verdicts == {"observation": "passed"}


def test_setting_one_state_leaves_the_other(keeper):
    keeper.set_state(flags="flagged", models="flux")
    keeper.set_state(flags="applied")
    assert keeper.state == MsState(flags="applied", models="flux")


def test_a_write_that_fails_leaves_the_old_ledger(keeper, workspace, monkeypatch):
    finish(keeper, "ingest")
    before = workspace.ledger.read_text()

    def full(*_asked):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        finish(keeper, "inspect")
    assert workspace.ledger.read_text() == before
    assert [entry.step for entry in keeper.ledger.entries] == ["ingest"]


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "source"), [("other", "/data/night.ms"), ("night", "/data/other.ms")])
def test_the_ledger_of_another_observation_is_refused(keeper, workspace, name, source):
    finish(keeper, "ingest")
    with pytest.raises(ConfigurationError, match=r"belongs to observation 'night' of /data/night\.ms, not to"):
        open_ledger(workspace, name, Path(source))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"observation": "night"}'])
def test_a_ledger_that_cannot_be_read_is_refused_and_left_alone(workspace, content):
    workspace.ledger.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ledger\.json cannot be read .* move it away"):
        open_ledger(workspace, "night", Path("/data/night.ms"))
    assert workspace.ledger.read_bytes() == content


def test_a_workspace_without_a_ledger_begins_one(workspace):
    assert read_ledger(workspace) is None
    assert open_ledger(workspace, "night", Path("/d")).state == MsState(flags="changing", models="changing")


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_outputs_are_the_relative_paths_of_a_record():
    image = dict.fromkeys(("peak_jy_beam", "noise_jy_beam", "dynamic_range", "beam_major_arcsec"), 1.0)
    image |= dict.fromkeys(("beam_minor_arcsec", "beam_angle_deg", "cell_arcsec"), 1.0)
    summary = ImageSummary(field="a", image=Path("products/a.image"), pixels=64, **image)
    assert list(outputs_of(ImageRecord(images=(summary,)))) == [Path("products/a.image")]


def test_absolute_paths_and_the_measurement_set_are_no_outputs():
    paths = (Path("/data/input.fits"), Path("ms/night.ms"), Path("products/t.ms"))
    assert list(outputs_of({"all": paths})) == [Path("products/t.ms")]


def test_a_tables_three_files_are_outputs():
    assert len(list(outputs_of(solved(("all.K", "K"))))) == 3
    assert SolutionTable.model_fields.keys() >= {"caltable", "rows", "statistics"}
