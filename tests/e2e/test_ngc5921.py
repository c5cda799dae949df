"""The main job on real data: NGC 5921 from raw UVFITS to the split target."""

from __future__ import annotations

import pytest

from schemas.steps import STEPS
from tests.e2e.running import HISTORY, checksum, logged_statistics, outcome, reported_statistics

pytestmark = [pytest.mark.casa, pytest.mark.slow]

FLUX, PHASE, TARGET = "1331+30500002_0", "1445+09900002_0", "N5921_2"
DESIGN_KEYS = {
    "observation": str,
    "verdict": str,
    "steps": list,
    "gates": list,
    "delays": list,
    "fluxes": dict,
    "solve_statistics": list,
    "flagged": dict,
    "products": dict,
    "provenance": dict,
}


@pytest.fixture(scope="module")
def found(ngc5921):
    return outcome(ngc5921.root)


def test_the_phase_calibrator_has_its_known_flux_density(found):
    assert 2.45 <= found["fluxes"][PHASE]["flux_density_jy"] <= 2.60


def test_the_corrected_flux_calibrator_stands_within_one_percent_of_its_model(casa, ngc5921):
    ratio = casa("tests.e2e.tables:corrected_over_model", vis=ngc5921.root / "ms" / "ngc5921.ms", field=FLUX)
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_the_outcome_reports_what_is_in_the_corrected_data(casa, ngc5921, found):
    ratio = casa("tests.e2e.tables:corrected_over_model", vis=ngc5921.root / "ms" / "ngc5921.ms", field=FLUX)
    reported = {entry["field"]: entry for entry in found["corrected"]}
    assert reported[FLUX]["amplitude_over_model"] == pytest.approx(ratio, abs=0.003)
    assert 0 < reported[PHASE]["phase_rms_deg"] < 5


def test_the_target_is_split_and_holds_its_corrected_data(casa, ngc5921, found):
    split = casa("tests.e2e.tables:all_columns", table=ngc5921.root / found["products"][TARGET])
    corrected = casa(
        "tasks.simulate.read:read_columns",
        table=ngc5921.root / "ms" / "ngc5921.ms",
        columns=["CORRECTED_DATA", "FLAG"],
        where="FIELD_ID==2",
    )
    assert len(corrected["FLAG"]) > 1000
    assert (corrected["CORRECTED_DATA"] == split["DATA"].T).all()
    assert (corrected["FLAG"] == split["FLAG"].T).all()
    assert not split["FLAG"].all()


def test_the_input_is_not_changed(ngc5921, uvfits, uvfits_checksum):
    assert checksum(uvfits) == uvfits_checksum


def test_nothing_but_the_workspace_is_written(ngc5921, gatecal, home):
    assert list(gatecal.cwd.iterdir()) == []
    cached = home / ".cache" / "gatecal"  # plotms, unpacked
    assert [path for path in home.rglob("*") if "casa" in path.name.lower() and cached not in path.parents] == []
    assert {path.name for path in ngc5921.root.parent.iterdir()} <= {ngc5921.root.name, *HISTORY}


def test_the_recipe_takes_less_than_a_minute(found):
    assert sum(step["seconds"] for step in found["steps"]) < 60


def test_the_outcome_has_every_key_of_the_design(found):
    assert {name: type(found.get(name)) for name in DESIGN_KEYS} == DESIGN_KEYS
    assert [step["step"] for step in found["steps"]] == list(STEPS)
    assert {"step", "seconds", "reused"} <= found["steps"][0].keys()
    assert {"gate", "verdict", "checks"} <= found["gates"][0].keys()
    check = found["gates"][0]["checks"][0]
    assert {"metric", "where", "observed", "unit", "bound", "severity", "verdict", "try"} <= check.keys()
    flux = {"flux_density_jy", "error_jy", "spectral_index", "error", "reference_hz"}
    assert found["fluxes"][PHASE].keys() >= flux
    assert found["solve_statistics"][0].keys() == {"table", "spw", "expected", "attempted", "succeeded"}
    assert found["flagged"].keys() == {FLUX, PHASE, TARGET}
    assert {"versions", "parameters", "input_fingerprint"} <= found["provenance"].keys()


def test_the_flagged_fractions_are_those_of_the_data(casa, ngc5921, found):
    vis = ngc5921.root / "ms" / "ngc5921.ms"
    for name, fraction in casa("tests.e2e.tables:flagged_fractions", vis=vis).items():
        assert found["flagged"][name]["after"] == pytest.approx(fraction, abs=1e-9)


def test_the_solve_statistics_are_those_that_casa_logged(ngc5921):
    logged = logged_statistics(ngc5921.root / "logs")
    assert reported_statistics(ngc5921.root) == logged
    assert {table for table, _ in logged} == {
        "bpcals_precal.p1",
        "bpcals_precal.ap1",
        "bpcals.B1",
        "calsources.p1",
        "calsources.ap1",
        "bpcals.B2",
        "calsources.ap2",
        "calsources.p2",
    }


def test_the_delay_solve_is_skipped_with_its_reason(ngc5921, found):
    delay = next(gate for gate in found["gates"] if gate["gate"] == "delay")
    assert delay["verdict"] == "skipped"
    assert "1.54 MHz" in delay["reason"]
    assert not list((ngc5921.root / "caltables").glob("*.K"))
    # No later call of CASA names a table that does not exist.
    assert not [log.name for log in (ngc5921.root / "logs").glob("*.log") if ".K'" in log.read_text()]
