"""Which gates stand after which step, how a run of stages goes, and what it leaves written."""

from __future__ import annotations

from pathlib import Path

import pytest

import flows.run
from flows.calibrate import recipe
from flows.conclude import build, flag_counts, markdown, products
from flows.gates import JUDGES
from flows.run import Run, artifact_key, check_row
from schemas.errors import CasaError, GateFailed
from schemas.results import ApplyRecord, FlagAct, FlagRecord, ImageRecord, ImageSummary, SplitRecord
from schemas.solutions import SolveRecord
from schemas.steps import STEPS
from tasks.step import step
from tests.unit.conftest import TARGET
from tests.unit.flows.outcomes import check, outcome, report, stopped_check

GATES = {
    "inspect": ["observation"],
    "flag": ["flag.late_on_source", "flag.end_channels", "flag.bad_times"],
    "delay": ["delay"],
    "model": ["flux_model"],
    "precal": ["precal.p1", "precal.ap1"],
    "bandpass1": ["bandpass1"],
    "gains": ["gains.p1", "gains.ap1"],
    "fluxscale": ["fluxscale"],
    "bandpass2": ["bandpass2"],
    "finalgains": ["finalgains.ap2", "finalgains.p2", "gain_scale"],
    "apply": ["apply"],
    "split": ["result"],
}


def test_every_solve_is_followed_by_its_gates():
    assert {name: [judge.name for judge in judges] for name, judges in JUDGES.items()} == GATES


class Silent:
    """A display that only keeps what it is told."""

    def __init__(self):
        self.told = []

    def began(self, step):
        self.told.append(("began", step))

    def done(self, step):
        self.told.append(("done", step.step))

    def judged(self, gate):
        self.told.append(("judged", gate.gate))


def test_the_recipe_is_the_guides_steps_in_order():
    class Noting:
        def __init__(self):
            self.names = []

        def stage(self, act, *inputs):
            self.names.append(act.name)
            return SolveRecord()

    run = Noting()
    recipe(run)
    assert tuple(run.names) == STEPS


@pytest.fixture
def run(calibration, casa, monkeypatch, tasks_without_a_server):
    monkeypatch.setattr(flows.run, "create_table_artifact", lambda **_asked: None)
    return Run(calibration, Silent())


def judged_as(monkeypatch, *reports):
    judges = tuple(type("J", (), {"name": r.gate, "step": r.step, "__call__": lambda *_, r=r: r})() for r in reports)
    monkeypatch.setattr(flows.run, "JUDGES", {"delay": judges})


@step("delay", SolveRecord)
def delays(calibration):
    return SolveRecord(skipped="made up")


def test_a_stage_gives_its_record_and_notes_time_and_verdict(run, monkeypatch):
    judged_as(monkeypatch, report("warned"))
    assert run.stage(delays) == SolveRecord(skipped="made up")
    assert [(entry.step, entry.reused) for entry in run.steps] == [("delay", False)]
    assert run.calibration.keeper.ledger.entry("delay").verdicts == {"delay": "warned"}
    assert run._progress.told == [("began", "delay"), ("done", "delay"), ("judged", "delay")]


def test_a_reused_stage_is_noted_and_judged_again(run, monkeypatch):
    judged_as(monkeypatch, report())
    run.stage(delays)
    again = Run(run.calibration, Silent())
    assert again.stage(delays) == SolveRecord(skipped="made up")
    assert [entry.reused for entry in again.steps] == [True]
    assert [gate.gate for gate in again.reports] == ["delay"]


@pytest.mark.parametrize("verdict", ["stopped", "held"])
def test_a_gate_that_stops_ends_the_run_after_all_gates_of_its_step(run, monkeypatch, verdict):
    judged_as(monkeypatch, report(verdict, reason="Cm at 80 ns"), report(gate="second"))
    with pytest.raises(GateFailed, match="gate delay: Cm at 80 ns"):
        run.stage(delays)
    assert [gate.gate for gate in run.reports] == ["delay", "second"]
    assert run.calibration.keeper.ledger.entry("delay").verdicts == {"delay": verdict, "second": "passed"}


# --- what is written --------------------------------------------------------------------------------------------------


def test_an_artifacts_key_is_lower_case_letters_digits_and_dashes():
    assert artifact_key("Night_3C277.1-gate-flag.late_on_source") == "night-3c277-1-gate-flag-late-on-source"


def test_advice_is_shown_for_failed_checks_only():
    assert check_row(stopped_check())["try"] == "look at the station's log"
    assert check_row(check())["try"] == ""
    assert check_row(check("stopped", None))["observed"] == "not measured"


def test_products_are_targets_and_images_by_name(run):
    numbers = ("peak_jy_beam", "noise_jy_beam", "dynamic_range", "beam_major_arcsec", "beam_minor_arcsec")
    image = ImageSummary(
        field=TARGET,
        image=Path("products/t.image"),
        pixels=64,
        **dict.fromkeys((*numbers, "beam_angle_deg", "cell_arcsec"), 1.0),
    )
    run.records["split"] = SplitRecord(targets={TARGET: Path("products/t.ms")})
    run.records["image"] = ImageRecord(images=(image,))
    assert products(run) == {TARGET: Path("products/t.ms"), f"{TARGET} image": Path("products/t.image")}


def test_flag_counts_run_from_before_any_flagging_to_after_apply(run):
    paths = [Path(f"records/{number}.csv") for number in range(3)]
    act = FlagAct(name="a", saved_as="b", asked="c", before=paths[0], after=paths[1], judged=True)
    run.records["inspect"] = type("Inspected", (), {"counts": paths[0]})()
    run.records["flag"] = FlagRecord(acts=(act,), flag_version="flagged")
    run.records["apply"] = ApplyRecord(before=paths[1], after=paths[2])
    assert flag_counts(run) == paths


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        (None, "warned", ""),
        (CasaError("it failed.", "gaincal", {}, ""), "crashed", "gaincal: it failed."),
        (KeyboardInterrupt(), "crashed", "KeyboardInterrupt"),
    ],
)
def test_an_outcome_can_be_built_however_early_the_run_ended(run, error, verdict, reason):
    run.reports.append(report("warned"))
    found = build(run, {}, error)
    assert found.verdict == verdict
    assert found.reason.startswith(reason)


def test_a_stopped_run_is_no_crash(run):
    run.reports.append(report("stopped"))
    assert build(run, {}, GateFailed("gate delay: Cm")).verdict == "stopped"


def test_the_page_for_prefect_shows_stages_gates_and_flux_densities():
    text = markdown(outcome())
    assert "| ingest | 1.5 |  |" in text
    assert "| delay | reused | delay: passed |" in text
    assert "| 1407+284 | 1.9026 | 0.0100 | 0.270 |" in text
    assert "| 1302+5748 | 0.4052 | 0.0020 |  |" in text
