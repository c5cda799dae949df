"""The history in a run: written at its end, asked by its gates, and never what ends it."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pandas as pd
import pytest

from flows import history
from flows.gates import JUDGES
from schemas.plots import PlotIndex
from schemas.solutions import FluxscaleFit, FluxscaleRecord, SolutionTable, SolveRecord
from tests.unit.qa.history.nights import FIRST, REFERENCE, outcome_on, summary_on, write_nights
from tests.unit.qa.solution_tables import fit

TONIGHT = FIRST + timedelta(days=30)
REFUSED = "postgresql://observer:hush@127.0.0.1:9/history"


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("GATECAL_HISTORY_URL", raising=False)


@pytest.fixture
def workspaces(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def tonight(make_calibration):
    return make_calibration(summary=summary_on(TONIGHT))


@pytest.fixture
def notes(monkeypatch):
    """What is noted in the log."""
    found = []
    logger = type("Logger", (), {"warning": lambda _, text, *values: found.append(text % values), "info": print})
    monkeypatch.setattr(history, "_log", logger)
    return found


def count(workspaces) -> int:
    connection = sqlite3.connect(workspaces / "history.sqlite")
    try:
        return connection.execute("SELECT count(*) FROM gatecal_run").fetchone()[0]
    finally:
        connection.close()


def leave(workspaces, outcome):
    root = workspaces / outcome.observation
    root.mkdir(parents=True, exist_ok=True)
    (root / "outcome.json").write_text(outcome.model_dump_json())
    return root


def scaled(jansky=0.4) -> FluxscaleRecord:
    own: FluxscaleFit = fit(REFERENCE, jansky).evolve(flux_density_jy=jansky)
    return FluxscaleRecord(caltable="caltables/scaled", fits=(own,))


def test_a_run_is_written_beside_the_workspaces(workspaces):
    leave(workspaces, outcome_on(FIRST))
    history.record_run(outcome_on(FIRST), summary_on(FIRST), workspaces)
    assert count(workspaces) == 1


def test_a_setting_names_another_database(workspaces, monkeypatch, tmp_path):
    monkeypatch.setenv("GATECAL_HISTORY_URL", f"sqlite:///{tmp_path}/elsewhere.sqlite")
    history.record_run(outcome_on(FIRST), summary_on(FIRST), workspaces)
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not (workspaces / "history.sqlite").exists()


def test_a_folder_with_odd_characters_has_a_history_too(tmp_path):
    folder = tmp_path / "50% of #1? [a]@b"
    folder.mkdir()
    history.record_run(outcome_on(FIRST), summary_on(FIRST), folder)
    assert count(folder) == 1


def test_a_database_that_does_not_answer_is_noted_without_its_password(workspaces, monkeypatch, notes):
    monkeypatch.setenv("GATECAL_HISTORY_URL", REFUSED)
    history.record_run(outcome_on(FIRST), summary_on(FIRST), workspaces)
    (note,) = notes
    assert "the next run writes it there" in note
    assert "hush" not in note
    assert "hush" not in repr(history.HistorySettings())


def test_what_could_not_be_written_is_caught_up_by_the_next_run(workspaces, monkeypatch, notes):
    leave(workspaces, outcome_on(FIRST))
    monkeypatch.setenv("GATECAL_HISTORY_URL", REFUSED)
    history.record_run(outcome_on(FIRST), summary_on(FIRST), workspaces)
    monkeypatch.delenv("GATECAL_HISTORY_URL")
    assert notes
    history.record_run(outcome_on(TONIGHT), summary_on(TONIGHT), workspaces)
    assert count(workspaces) == 2


def test_whatever_goes_wrong_is_noted_and_not_raised(workspaces, monkeypatch, notes):
    monkeypatch.setattr("qa.history.writing.write_run", lambda *_: 1 / 0)
    history.record_run(outcome_on(FIRST), summary_on(FIRST), workspaces)
    assert "ZeroDivisionError" in notes[0]


def test_a_fresh_folder_has_no_earlier_nights_and_asking_makes_none(tonight, workspaces):
    assert history.fluxes_before(tonight, scaled()).empty
    assert history.delays_before(tonight).empty
    assert not (workspaces / "history.sqlite").exists()


def test_a_database_that_does_not_answer_gives_no_earlier_nights(tonight, monkeypatch, notes):
    monkeypatch.setenv("GATECAL_HISTORY_URL", REFUSED)
    assert list(history.delays_before(tonight)) == ["antenna", "spw", "polarisation", "night", "delay_ns"]
    assert list(history.fluxes_before(tonight, scaled())) == ["field", "night", "flux_density_jy"]
    assert len(notes) == 2


def gate(name, calibration, records):
    return next(judge for judge in JUDGES[name] if judge.name == name)(calibration, records)


def of_metric(report, metric):
    return {check.severity: check for check in report.checks if check.metric == metric}


@pytest.fixture
def nights(workspaces):
    return write_nights(history._open(workspaces), 6)


def test_the_flux_scale_gate_compares_with_the_earlier_nights_of_the_workspaces(tonight, nights):
    found = of_metric(gate("fluxscale", tonight, {"fluxscale": scaled(0.5)}), "flux_history")
    assert (found["warn"].verdict, found["stop"].verdict) == ("warned", "passed")
    assert found["warn"].observed == pytest.approx(0.25)
    assert "night 2026-10-31 against the median of 6 nights" in found["warn"].reason


def test_the_delay_gate_compares_with_the_earlier_nights_of_the_workspaces(tonight, nights):
    earlier = history.delays_before(tonight)
    rows = earlier[earlier["night"].eq(str(nights[0]))].drop(columns="night").assign(scan=1, field=REFERENCE)
    rows = pd.concat([rows.assign(time_s=float(time), flagged=False) for time in (1, 2)])
    rows.loc[rows["antenna"].eq("Cm"), "delay_ns"] += 6.0
    statistics = pd.DataFrame(columns=["spw", "antenna", "polarisation", "expected", "attempted", "succeeded"])
    table = SolutionTable(
        name="all.K",
        kind="K",
        caltable="caltables/all.K",
        rows=tonight.workspace.save_frame("all.K", rows),
        statistics=tonight.workspace.save_frame("all.K.statistics", statistics),
    )
    found = of_metric(gate("delay", tonight, {"delay": SolveRecord(tables=(table,))}), "delay_history")
    assert found["warn"].verdict == "warned"
    assert {failure.place.antenna for failure in found["warn"].failures} == {"Cm"}


def test_trends_are_drawn_for_the_report(workspaces):
    write_nights(history._open(workspaces), 2)
    root = leave(workspaces, outcome_on(FIRST))
    assert {plot.step for plot in history.draw_history(root).plots} == {"delay", "fluxscale", "gains", "image"}


def test_trends_that_cannot_be_drawn_leave_none_of_an_earlier_run(workspaces, monkeypatch, notes):
    write_nights(history._open(workspaces), 2)
    root = leave(workspaces, outcome_on(FIRST))
    history.draw_history(root)
    monkeypatch.setenv("GATECAL_HISTORY_URL", REFUSED)
    assert history.draw_history(root) == PlotIndex()
    assert PlotIndex.model_validate_json((root / "plots" / "history.json").read_text()) == PlotIndex()
    assert notes
