"""A run in the history: each once, every number, and what was missed is caught up."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from qa.history.models import CalibratorFlux, Delay, GateCheck, Image, Run, Solve
from qa.history.writing import backfill, run_of, write_run
from schemas.ingestion import DataSource, IngestRecord
from schemas.ledger import Ledger, LedgerEntry
from tests.unit.qa.history.nights import FIRST, REFERENCE, TARGET, outcome_on, summary_on, write_nights

TABLES = (Run, GateCheck, CalibratorFlux, Delay, Solve, Image)


def counted(database) -> list[int]:
    with database.reading() as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in TABLES]


def only(database, table):
    with database.reading() as session:
        return session.scalars(select(table)).first()


def in_one_run(again, verdict, flow_run="one"):
    """What a run of Prefect came to each time that it went on."""
    found = outcome_on(FIRST, again=again, verdict=verdict)
    return found.evolve(provenance=found.provenance.evolve(flow_run=flow_run))


def leave(workspaces, outcome, summary=None, fingerprint=None):
    """What a run leaves in its workspace."""
    root = workspaces / outcome.observation
    root.mkdir(parents=True, exist_ok=True)
    (root / "outcome.json").write_text(outcome.model_dump_json())
    if summary is None:
        return
    source = DataSource(
        path=root / "night.ms",
        kind="measurement set",
        files=(),
        size_bytes=1,
        fingerprint=fingerprint or outcome.provenance.input_fingerprint,
    )
    record = IngestRecord(vis="ms/night.ms", source=source, flag_version="ingested", summary=summary)
    entry = LedgerEntry(
        step="ingest",
        key="k",
        record=record.model_dump(mode="json"),
        flag_version="ingested",
        seconds=1.0,
        finished="2026-10-02T06:00:00+00:00",
    )
    ledger = Ledger(observation=outcome.observation, source="night.ms", entries=(entry,))
    (root / "ledger.json").write_text(ledger.model_dump_json())


def test_a_run_is_written_with_all_its_numbers(database):
    assert write_run(database, outcome_on(FIRST), summary_on(FIRST))
    assert counted(database) == [1, 1, 1, 48, 2, 1]
    run = only(database, Run)
    assert (run.telescope, run.night, run.refant, run.verdict) == ("e-MERLIN", FIRST, "Mk2", "passed")
    assert run.started == datetime(2026, 10, 2, 6, tzinfo=UTC)
    solve = only(database, Solve)
    assert (solve.caltable, solve.attempted, solve.succeeded) == ("calsources.p1", 80, 72)
    flux = only(database, CalibratorFlux)
    assert (flux.field, flux.phase_reference, flux.flux_density_jy) == (REFERENCE, True, 0.4)
    assert (flux.ra_deg, flux.dec_deg) == pytest.approx((195.718605, 57.810447))
    image = only(database, Image)
    assert (image.field, image.target, image.noise_jy_beam) == (TARGET, True, 1e-3)


def test_the_night_is_that_of_the_first_scan_and_not_of_the_processing(database):
    write_run(database, outcome_on(FIRST, again=9999), summary_on(FIRST))
    assert only(database, Run).night == date(2026, 10, 1)


def test_the_same_outcome_written_twice_changes_nothing(database):
    write_nights(database, 1)
    before = counted(database)
    assert not write_run(database, outcome_on(FIRST), summary_on(FIRST))
    assert counted(database) == before


def test_the_same_outcome_written_by_another_process_meanwhile_changes_nothing(database, monkeypatch):
    write_nights(database, 1)
    before = counted(database)
    monkeypatch.setattr("sqlalchemy.orm.Session.scalar", lambda *_: None)
    assert not write_run(database, outcome_on(FIRST), summary_on(FIRST))
    monkeypatch.undo()
    assert counted(database) == before


def test_a_second_run_of_the_same_observation_is_a_run_of_its_own(database):
    write_nights(database, 1)
    assert write_run(database, outcome_on(FIRST, again=1), summary_on(FIRST))
    assert counted(database)[0] == 2


def test_a_run_that_went_on_is_one_run_with_what_it_came_to_last(database):
    for again, verdict in enumerate(("held", "crashed", "passed")):
        assert write_run(database, in_one_run(again, verdict), summary_on(FIRST))
    assert counted(database) == [1, 1, 1, 48, 2, 1]
    assert only(database, Run).verdict == "passed"


def test_what_a_run_had_come_to_before_does_not_come_back(database):
    write_run(database, in_one_run(1, "passed"), summary_on(FIRST))
    assert not write_run(database, in_one_run(0, "held"), summary_on(FIRST))
    assert only(database, Run).verdict == "passed"


def test_a_hold_that_nobody_answered_is_caught_up_as_stopped(database, tmp_path):
    write_run(database, in_one_run(0, "held"), summary_on(FIRST))
    leave(tmp_path, in_one_run(0, "stopped"))
    assert [backfill(database, tmp_path), backfill(database, tmp_path)] == [1, 0]
    assert counted(database)[0] == 1
    assert only(database, Run).verdict == "stopped"


def test_runs_outside_of_prefect_are_each_a_run(database):
    for again in range(2):
        assert write_run(database, in_one_run(again, "passed", flow_run=""), summary_on(FIRST))
    assert counted(database)[0] == 2


def test_a_number_that_is_none_or_not_finite_is_null(database):
    dead = outcome_on(FIRST).delays[0].evolve(median_ns=None, scatter_ns=None)
    run = run_of(outcome_on(FIRST, delays=(dead,)), summary_on(FIRST))
    run.fluxes[0].flux_density_jy = float("nan")
    run.images[0].noise_jy_beam = float("inf")
    with database.writing() as session:
        session.add(run)
    assert only(database, Delay).median_ns is None
    assert only(database, CalibratorFlux).flux_density_jy is None
    assert only(database, Image).noise_jy_beam is None


@pytest.mark.parametrize(
    ("verdict", "comparable"),
    [("passed", True), ("warned", True), ("skipped", True), ("stopped", False), ("held", False)],
)
def test_a_run_that_the_flux_scale_gate_stopped_is_not_compared_with(database, verdict, comparable):
    write_run(database, outcome_on(FIRST, scaled=verdict), summary_on(FIRST))
    assert only(database, Run).comparable is comparable


def test_a_run_that_never_came_to_the_flux_scale_is_not_compared_with(database):
    write_run(database, outcome_on(FIRST, verdict="crashed", gates=()), summary_on(FIRST))
    assert only(database, Run).comparable is False


def test_a_run_of_unknown_data_is_listed_without_a_night(database):
    assert write_run(database, outcome_on(FIRST), None)
    run = only(database, Run)
    assert (run.night, run.telescope) == (None, None)


def test_missing_outcomes_are_caught_up_once(database, tmp_path):
    for number in range(3):
        night = FIRST + timedelta(days=number)
        leave(tmp_path, outcome_on(night), summary_on(night))
    write_nights(database, 1)
    assert backfill(database, tmp_path) == 2
    assert backfill(database, tmp_path) == 0
    assert counted(database)[:4] == [3, 3, 3, 144]


def test_a_caught_up_run_has_the_night_that_its_ledger_knows(database, tmp_path):
    leave(tmp_path, outcome_on(FIRST), summary_on(FIRST))
    backfill(database, tmp_path)
    assert only(database, Run).night == FIRST


def test_a_ledger_of_another_input_says_nothing_of_a_run(database, tmp_path):
    leave(tmp_path, outcome_on(FIRST), summary_on(FIRST), fingerprint="other data")
    backfill(database, tmp_path)
    assert only(database, Run).night is None


@pytest.mark.parametrize("text", ["", "{}", '{"observation": "x", "provenance": {"started": "soon"}}', "[1]"])
def test_an_outcome_that_cannot_be_read_is_noted_and_left_out(database, tmp_path, caplog, text):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "outcome.json").write_text(text)
    leave(tmp_path, outcome_on(FIRST), summary_on(FIRST))
    assert backfill(database, tmp_path) == 1
    assert "broken/outcome.json cannot be read" in caplog.text
