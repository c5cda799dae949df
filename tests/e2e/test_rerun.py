"""Reruns with other parameters, steps switched off, and two runs at once."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from schemas.steps import STEPS
from tests.e2e.running import (
    QUICK,
    caltables,
    copy_workspace,
    differences,
    finish,
    gate,
    holder,
    outcome,
    reused,
    wait_for,
)

pytestmark = [pytest.mark.casa, pytest.mark.slow]


@pytest.fixture
def workspace(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def copy(ngc5921, workspace):
    return copy_workspace(ngc5921.root, workspace)


CHANGED = ("--set", "gains.solint=60s", *QUICK)
"""Not 30s: that is the data's own integration time, so the gains would be those of the profile's ``int``."""


@pytest.fixture(scope="module")
def changed(gatecal, tmp_path_factory):
    """A first run with another solution interval."""
    folder = tmp_path_factory.mktemp("changed")
    ran = gatecal("demo", *CHANGED, "--workspace", folder)
    assert ran.code == 0, ran.output
    yield folder / "ngc5921"
    shutil.rmtree(folder)


def test_a_rerun_from_gains_with_another_interval_is_as_if_it_had_been_the_first(
    gatecal, casa, changed, copy, workspace
):
    ran = gatecal("demo", "--from", "gains", *CHANGED, "--workspace", workspace)
    assert ran.code == 0, ran.output
    steps = reused(copy)
    assert [name for name in STEPS if steps[name]] == list(STEPS[: STEPS.index("gains")])
    assert differences(casa, copy, changed) == []


def test_another_interval_gives_other_gains(casa, changed, ngc5921):
    # The comparison above could not fail if the interval had no effect or the reader saw no values.
    found = differences(casa, changed, ngc5921.root)
    assert "caltables/calsources.p1: TIME" in found
    assert "caltables/calsources.p1: CPARAM" in found
    assert not [place for place in found if "bpcals.B1" in place]


def test_delay_precal_and_trial_switched_off_leave_every_later_list_of_tables(gatecal, copy, workspace):
    off = [f"{step}.enabled=false" for step in ("delay", "precal", "trial", "image", "plots")]
    ran = gatecal("demo", "--workspace", workspace, *(part for name in off for part in ("--set", name)))
    assert ran.code == 0, ran.output
    for name in ("delay", "precal.p1", "precal.ap1"):
        assert gate(copy, name)["verdict"] == "skipped"
        assert "switched off" in gate(copy, name)["reason"]
    found = outcome(copy)
    assert found["trial"] == []
    assert found["images"] == []
    tables = {entry["table"] for entry in found["solve_statistics"]}
    assert "calsources.p2" in tables
    assert not {table for table in tables if "precal" in table}
    assert found["fluxes"]["1445+09900002_0"]["flux_density_jy"] == pytest.approx(2.53, abs=0.05)


def test_without_flux_scale_second_bandpass_and_final_gains_the_first_tables_are_applied(gatecal, copy, workspace):
    off = [f"{step}.enabled=false" for step in ("fluxscale", "bandpass2", "finalgains", "image", "plots")]
    ran = gatecal("demo", "--workspace", workspace, *(part for name in off for part in ("--set", name)))
    assert ran.code == 0, ran.output
    found = outcome(copy)
    assert found["fluxes"] == {}
    assert {entry["table"] for entry in found["solve_statistics"]} >= {"calsources.p1", "bpcals.B1"}
    assert {gate(copy, name)["verdict"] for name in ("fluxscale", "bandpass2", "finalgains.p2", "gain_scale")} == {
        "skipped"
    }
    assert "N5921_2" in found["products"]


def test_without_apply_nothing_is_split_or_imaged(gatecal, copy, workspace):
    ran = gatecal("demo", "--workspace", workspace, "--set", "apply.enabled=false", *QUICK)
    assert ran.code == 0, ran.output
    assert outcome(copy)["products"] == {}
    assert gate(copy, "apply")["verdict"] == gate(copy, "result")["verdict"] == "skipped"


def test_a_second_run_in_the_same_workspace_is_refused_and_names_the_first(gatecal, copy, workspace):
    command = ("demo", "--workspace", workspace, "--from", "finalgains", *QUICK)
    first = gatecal.start(*command)
    wait_for(lambda: (now := holder(copy)) is not None and now.process.pid == first.pid, first)
    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot end before the second has come
    try:
        before = (copy / "ledger.json").read_bytes()
        second = gatecal(*command)
        after = (copy / "ledger.json").read_bytes()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    output = finish(first)
    assert second.code == 2, second.output
    assert f"process {first.pid}" in second.output
    assert "in use by" in second.output
    assert before == after
    assert first.returncode == 0, output


def test_what_belongs_to_no_solve_is_not_among_the_tables(ngc5921):
    assert sorted(path.name for path in caltables(ngc5921.root)) == [
        "bpcals.B1",
        "bpcals.B2",
        "bpcals_precal.ap1",
        "bpcals_precal.p1",
        "calsources.ap1",
        "calsources.ap1_flux",
        "calsources.ap2",
        "calsources.p1",
        "calsources.p2",
    ]
