"""What must stop a run stops it, with exit code 3, the gate, the place and the reason."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.running import QUICK, checks, copy_workspace, gate, logged_statistics, outcome

pytestmark = [pytest.mark.casa, pytest.mark.slow]


@pytest.fixture
def workspace(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def stopped_by(root, name):
    found = outcome(root)
    assert found["verdict"] == "stopped"
    assert found["gates"][-1]["gate"] == name
    assert name in found["reason"]
    return gate(root, name)


def test_a_flux_calibrator_at_a_tenth_is_stopped_by_the_flux_model_gate(ngc5921, gatecal, workspace):
    root = copy_workspace(ngc5921.root, workspace)
    ran = gatecal("demo", "--workspace", workspace, "--set", "model.flux_density_jy=1.5", *QUICK)
    assert ran.code == 3, ran.output
    report = stopped_by(root, "flux_model")
    failed = checks(report, "stopped")
    assert [check["metric"] for check in failed] == ["model_against_standard"]
    assert "1331+30500002_0" in failed[0]["where"]
    assert "1331+30500002_0" in outcome(root)["reason"]
    assert "1331+30500002_0" in ran.output


def test_casas_own_image_of_3c286_is_stopped_on_the_baselines_it_does_not_reach(emerlin, gatecal, workspace):
    root = copy_workspace(emerlin.root, workspace)
    ran = gatecal(*emerlin.arguments, "--workspace", workspace, "--set", "model.model=casa", *QUICK)
    assert ran.code == 3, ran.output
    report = stopped_by(root, "flux_model")
    failed = checks(report, "stopped")
    assert [check["metric"] for check in failed] == ["model_coverage"]
    assert "1331+305" in failed[0]["where"]
    baselines = {failure["place"]["antenna"] for failure in failed[0]["failures"]}
    assert {f"{antenna}&Cm" for antenna in ("Mk2", "Kn", "De", "Pi", "Da")} <= baselines
    assert {failure["place"]["field"] for failure in failed[0]["failures"]} == {"1331+305"}


def test_a_solve_whose_every_solution_fails_stops_although_casa_counts_them_as_solved(ngc5921, gatecal, workspace):
    root = copy_workspace(ngc5921.root, workspace)
    for log in (root / "logs").glob("*"):
        log.unlink()
    ran = gatecal("demo", "--workspace", workspace, "--set", "gains.minsnr=1e6", *QUICK)
    assert ran.code == 3, ran.output
    found = outcome(root)
    assert found["verdict"] == "stopped"
    assert "gains.p1" in found["reason"]
    report = gate(root, "gains.p1")
    assert {check["metric"] for check in checks(report, "stopped")} >= {"succeeded_fraction"}
    expected, attempted, succeeded = logged_statistics(root / "logs")["calsources.p1", 0]
    assert (expected, attempted, succeeded) == (26, 21, 21)


def test_one_dead_antenna_warns_and_is_named(warned):
    assert warned.command.code == 0, warned.command.output
    found = outcome(warned.root)
    assert found["verdict"] == "warned"
    assert {name for report in found["gates"] for name in report["lost_antennas"]} == {"Cm"}
    assert gate(warned.root, "gains.p1")["lost_antennas"] == ["Cm"]
    assert "Cm" in warned.command.output


def test_a_dead_reference_antenna_without_a_fallback_stops(simulated, gatecal, workspace):
    observation = simulated("headless", "dead_antenna:antenna=Mk2")
    ran = gatecal("calibrate", observation, "--workspace", workspace, "--set", "refant=[Mk2]", *QUICK)
    assert ran.code == 3, ran.output
    found = outcome(workspace / "headless")
    assert found["verdict"] == "stopped"
    # Delays against an antenna that sees nothing are noise on every other one.
    assert found["gates"][-1]["gate"] == "delay"
    assert "Mk2 itself is suspect" in found["reason"]


def test_a_bound_that_is_changed_flips_the_verdict_and_nothing_is_run_again(stopped):
    assert stopped.command.code == 3
    report = stopped_by(stopped.root, "result")
    assert [check["metric"] for check in checks(report, "stopped")] == ["phase_rms"]
    assert all(step["reused"] for step in outcome(stopped.root)["steps"])
