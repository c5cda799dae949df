"""Plots beside the calibration: when copies are made, what becomes of failures, what a rerun keeps."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flows.plots import Plotter, read_index
from schemas.errors import CasaTimeout
from schemas.results import TrialRecord
from schemas.solutions import SolveRecord
from tests.unit.conftest import BANDPASS1, DELAYS, GAINS

COPY, DRAW = "tasks.plotms_copies:copy_rows", "tasks.plotms_casa:draw"


def drawn(drawings, folder, halt):
    for drawing in drawings:
        (Path(folder) / f"{drawing['name']}.png").write_bytes(b"picture")
    return ["" for _ in drawings]


@pytest.fixture
def casa(casa):
    casa.returns |= {COPY: 10, DRAW: drawn}
    return casa


def plots_of(calibration):
    return {plot.name: plot for plot in read_index(calibration.workspace.plots / "plotms.json")}


def test_the_plots_of_a_step_are_drawn_and_indexed(calibration, casa):
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
    found = plots_of(calibration)
    assert {name: plot.file for name, plot in found.items()} == {
        "phase_gains": Path("plots/phase_gains.png"),
        "amplitude_gains": Path("plots/amplitude_gains.png"),
    }


def test_the_index_is_in_the_order_of_the_steps(calibration, casa):
    with Plotter(calibration) as plots:
        for step, record in (("delay", DELAYS), ("bandpass1", BANDPASS1), ("gains", GAINS)):
            plots.after(step, calibration, record, reused=False)
    steps = [plot.step for plot in plots_of(calibration).values()]
    assert steps == ["delay"] * 4 + ["bandpass1"] * 2 + ["gains"] * 2


def test_the_next_step_waits_for_the_copy_and_not_for_the_plots(calibration, casa):
    go_on, copied = threading.Event(), []
    casa.returns[COPY] = lambda **_asked: copied.append("copied")
    casa.returns[DRAW] = lambda drawings, **asked: go_on.wait(10) and drawn(drawings, **asked)
    with Plotter(calibration) as plots:
        plots.after("inspect", calibration, SolveRecord(), reused=False)
        plots.before("flag")
        assert copied == ["copied"]
        assert plots_of(calibration) == {}
        go_on.set()
    assert plots_of(calibration)["uv_coverage"].file is not None


def test_one_copy_of_the_raw_data_serves_all_its_plots(calibration, casa):
    with Plotter(calibration) as plots:
        plots.after("inspect", calibration, SolveRecord(), reused=False)
        plots.after("delay", calibration, DELAYS, reused=False)
    assert [asked["out"].rpartition("/")[2] for asked in casa.asked(COPY)] == ["raw.ms"]


def test_the_copies_are_gone_afterwards(calibration, casa):
    with Plotter(calibration) as plots:
        plots.after("inspect", calibration, SolveRecord(), reused=False)
    assert sorted(path.name for path in calibration.workspace.plots.iterdir()) == ["plotms.json", "uv_coverage.png"]


def test_a_plot_that_fails_is_noted_with_its_reason(calibration, casa):
    def one_fails(drawings, folder, halt):
        drawn(drawings[1:], folder, halt)
        return ["no data", *("" for _ in drawings[1:])]

    casa.returns[DRAW] = one_fails
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
    found = plots_of(calibration)
    assert (found["phase_gains"].file, found["phase_gains"].failed) == (None, "no data")
    assert found["amplitude_gains"].failed == ""


def test_a_copy_that_fails_costs_the_plots_from_it_and_no_others(calibration, casa):
    casa.returns[COPY] = OSError("disk full")
    with Plotter(calibration) as plots:
        plots.after("delay", calibration, DELAYS, reused=False)
        plots.before("model")
    found = plots_of(calibration)
    assert "disk full" in found["raw_phase_time"].failed
    assert found["delays"].file is not None


def test_pictures_made_before_a_lot_ran_out_of_time_stand(calibration, casa):
    def slow(drawings, folder, halt):
        drawn(drawings[:1], folder, halt)
        raise CasaTimeout("it ran longer than its limit", "draw", {}, "")

    casa.returns[DRAW] = slow
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
    found = plots_of(calibration)
    assert found["phase_gains"].file is not None
    assert "ran longer" in found["amplitude_gains"].failed


def test_plots_that_cannot_be_planned_do_not_stop_the_run(calibration, casa, monkeypatch):
    monkeypatch.setattr("flows.plots.visibility_drawings", lambda *_asked: 1 / 0)
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
        plots.before("fluxscale")
    assert plots_of(calibration) == {}


def test_a_stopped_run_still_gets_its_plots(calibration, casa):
    def stopped():
        with Plotter(calibration) as plots:
            plots.after("gains", calibration, GAINS, reused=False)
            raise RuntimeError("a gate")

    with pytest.raises(RuntimeError):
        stopped()
    assert plots_of(calibration)["phase_gains"].file is not None


def test_an_interrupted_run_ends_at_once_and_notes_what_is_missing(calibration, casa):
    go_on = threading.Event()
    casa.returns[DRAW] = lambda drawings, **_asked: go_on.wait(10) and ["" for _ in drawings]

    def interrupted():
        with Plotter(calibration) as plots:
            plots.after("gains", calibration, GAINS, reused=False)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    found = plots_of(calibration)
    go_on.set()
    assert {plot.failed for plot in found.values()} == {"the run ended before it was drawn"}


def test_the_run_waits_at_its_end_no_longer_than_asked(make_calibration, casa):
    go_on = threading.Event()
    casa.returns[DRAW] = lambda drawings, **_asked: go_on.wait(10) and ["" for _ in drawings]
    calibration = make_calibration(overrides={"plots.finish_s": 0.05})
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
    found = plots_of(calibration)
    go_on.set()
    assert {plot.failed for plot in found.values()} == {"the run ended before it was drawn"}


# --- reruns -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(calibration, casa):
    with Plotter(calibration) as plots:
        for step, record in (("delay", DELAYS), ("trial", TrialRecord()), ("gains", GAINS)):
            plots.after(step, calibration, record, reused=False)
    casa.calls.clear()
    return calibration


def test_a_reused_step_keeps_its_plots(finished, casa):
    with Plotter(finished) as plots:
        plots.after("delay", finished, DELAYS, reused=True)
        plots.after("gains", finished, GAINS, reused=True)
    assert casa.calls == []
    assert plots_of(finished)["delays"].file is not None


def test_a_step_that_runs_again_has_its_plots_drawn_again_and_those_after_it_are_gone(finished, casa):
    with Plotter(finished) as plots:
        plots.after("trial", finished, TrialRecord(), reused=False)
    drawn_again = [drawing["name"] for asked in casa.asked(DRAW) for drawing in asked["drawings"]]
    assert drawn_again == ["phase_frequency_raw", "phase_frequency_corrected", "trial_phase", "trial_amplitude"]
    assert {plot.step for plot in plots_of(finished).values()} == {"delay", "trial"}
    assert not (finished.workspace.plots / "phase_gains.png").exists()


def test_a_step_that_crashed_leaves_no_earlier_plots_of_itself_or_later_ones(finished, casa):
    def crashed():
        with Plotter(finished) as plots:
            plots.after("delay", finished, DELAYS, reused=True)
            plots.before("trial")
            raise RuntimeError("gaincal")

    with pytest.raises(RuntimeError):
        crashed()
    assert {plot.step for plot in plots_of(finished).values()} == {"delay"}


def test_a_missing_picture_of_a_reused_step_is_drawn(finished, casa):
    (finished.workspace.plots / "phase_gains.png").unlink()
    with Plotter(finished) as plots:
        plots.after("gains", finished, GAINS, reused=True)
    assert [d["name"] for asked in casa.asked(DRAW) for d in asked["drawings"]] == ["phase_gains"]


def test_what_a_reused_trial_showed_cannot_be_drawn_later(finished, casa):
    (finished.workspace.plots / "trial_phase.png").unlink()
    with Plotter(finished) as plots:
        plots.after("trial", finished, TrialRecord(), reused=True)
    assert casa.asked(DRAW) == []
    assert "run again from trial" in plots_of(finished)["trial_phase"].failed


def test_switched_off_nothing_is_drawn(make_calibration, casa):
    calibration = make_calibration(overrides={"plots.enabled": False})
    with Plotter(calibration) as plots:
        plots.after("gains", calibration, GAINS, reused=False)
    assert casa.calls == []
    assert list(calibration.workspace.plots.iterdir()) == []
