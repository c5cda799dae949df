"""The guide's own model of 3C286, on the guide's four spectral windows, through our step."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from schemas.errors import SolveError
from schemas.observation import Observation, RequestedRoles
from schemas.profiles import parameters
from tasks.calibration import Calibration
from tasks.casa import CasaServer, WorkspaceCasa, run, use_casa
from tasks.flux_model import set_flux_model
from tasks.ingest import identify
from tasks.inspection import summarise
from tasks.ledger import open_ledger
from tasks.reference_antenna import choose_refant
from tasks.roles import resolve_roles
from tasks.workspace import Workspace

pytestmark = pytest.mark.casa

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
MODEL = REFERENCE / "3C286_C.clean.model.tt0.tar.gz"
ROLES = RequestedRoles(flux="1331+305", bandpass=("1407+284",), phase_reference={"1252+5634": "1302+5748"})


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    """An observation with the guide's four spectral windows of 64 channels, as the step finds it."""
    root = tmp_path_factory.mktemp("setjy") / "guide"
    workspace = Workspace(root)
    workspace.create()
    with CasaServer() as server, use_casa(WorkspaceCasa(server, workspace.logs)):
        run("tests.contract.guide_spws:simulate", out=workspace.vis)
        summary = summarise(workspace.vis)
        observation = Observation(name="guide", data=workspace.vis, roles=ROLES)
        asked = parameters("emerlin", {})
        yield Calibration(
            observation=observation,
            parameters=asked,
            source=identify(workspace.vis),
            workspace=workspace,
            keeper=open_ledger(workspace, "guide", workspace.vis),
            summary=summary,
            roles=resolve_roles(ROLES, summary),
            refant=choose_refant(asked.refant, summary),
        )


def set_model(calibration, **changes):
    from dataclasses import replace

    asked = parameters("emerlin", {f"model.{name}": str(value) for name, value in changes.items()})
    return set_flux_model.fn.__wrapped__(replace(calibration, parameters=asked))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    if not MODEL.exists():
        pytest.skip(f"the guide's model image is not here ({MODEL}): it is no part of the project")
    folder = tmp_path_factory.mktemp("model")
    with tarfile.open(MODEL) as archive:
        archive.extractall(folder, filter="data")
    return next(path.parent for path in folder.rglob("table.dat"))


@pytest.fixture(scope="module")
def record(calibration, image):
    return set_model(calibration, model=image)


def test_the_flux_densities_per_spw_are_the_guide_s_to_six_digits(record):
    printed = json.loads((REFERENCE / "3c277_1_workshop.json").read_text())["flux_density"]["model_3c286_jy_per_spw"]
    assert [f"{flux.flux_density_jy:.6g}" for flux in record.fluxes] == [f"{value:.6g}" for value in printed]


def test_they_stand_at_the_first_channel_of_each_spw(record):
    assert [flux.frequency_hz for flux in record.fluxes] == pytest.approx([4817e6, 4945e6, 5073e6, 5201e6])
    assert [flux.spw for flux in record.fluxes] == [0, 1, 2, 3]


def test_the_record_names_model_and_standard(record, image):
    assert (record.model, record.standard) == (image.name, "Perley-Butler 2013")


def test_the_component_model_has_the_same_totals_and_no_baseline_without_a_model(calibration, record):
    components = set_model(calibration)
    ours = [flux.flux_density_jy for flux in components.fluxes]
    assert ours == pytest.approx([flux.flux_density_jy for flux in record.fluxes], rel=1e-5)
    frame = calibration.workspace.load_frame(components.baselines)
    assert (frame["zero_fraction"] == 0).all()
    assert (frame["uv_max_wavelengths"] < components.uv_limit_wavelengths).all()


def test_casas_own_image_ends_before_the_longest_baselines(calibration):
    own = set_model(calibration, model="casa")
    frame = calibration.workspace.load_frame(own.baselines)
    beyond = frame["uv_max_wavelengths"] > own.uv_limit_wavelengths
    to_cm = frame["antenna"].str.contains("Cm")
    assert own.model == "3C286_C.im"
    assert beyond[to_cm].all()
    assert not beyond.all()


def test_a_point_source_has_the_flux_density_asked_for_in_every_spw(calibration):
    point = set_model(calibration, flux_density_jy=2.5)
    assert [flux.flux_density_jy for flux in point.fluxes] == [2.5] * 4
    frame = calibration.workspace.load_frame(point.baselines)
    assert frame["amplitude_jy"].to_numpy() == pytest.approx(2.5)


def test_a_field_without_data_is_an_error_and_not_an_empty_answer(calibration):
    from dataclasses import replace

    nobody = replace(calibration, roles=calibration.roles.evolve(flux="nobody"))
    with pytest.raises(SolveError, match="nobody"):
        set_model(nobody, flux_density_jy=1)
