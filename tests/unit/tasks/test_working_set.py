"""Ingest and inspect as steps: when the working MeasurementSet is made again, and what inspect settles."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks.working_set
from schemas.ingestion import IngestRecord
from schemas.ledger import MsState
from tasks.step import REUSED
from tasks.working_set import ingest_data, inspect_data
from tests.unit.conftest import FLUX, REFERENCE, TARGET
from tests.unit.tasks.summaries import guide_summary


@pytest.fixture
def ingests(monkeypatch, casa):
    """Count ingests, each of which makes a folder for a MeasurementSet."""
    made = []

    def ingest(source, root, name, params, selection, staged=None):
        (root / "ms" / f"{name}.ms").mkdir(parents=True, exist_ok=True)
        made.append((source.path, params, selection, staged))
        return IngestRecord(vis=Path("ms") / f"{name}.ms", source=source, flag_version="ingested", notes=("kept",))

    monkeypatch.setattr(tasks.working_set, "ingest", ingest)
    casa.returns["tasks.working_set_casa:readable"] = True
    return made


def test_ingest_notes_what_the_input_held_and_leaves_a_fresh_state(calibration, ingests):
    record = ingest_data.fn(calibration)
    assert record.summary == guide_summary()
    assert record.notes == ("kept",)
    assert calibration.keeper.state == MsState(flags="ingested", models="none")


def test_ingest_restores_nothing_before_it(calibration, ingests, casa):
    ingest_data.fn(calibration)
    assert casa.calls == []


def test_a_measurement_set_that_opens_is_used_again(make_calibration, ingests):
    ingest_data.fn(make_calibration())
    again = ingest_data.fn(make_calibration())
    assert again.name == REUSED
    assert len(ingests) == 1


def test_a_measurement_set_that_no_longer_opens_is_made_again(make_calibration, ingests, casa):
    ingest_data.fn(make_calibration())
    casa.returns["tasks.working_set_casa:readable"] = False
    assert isinstance(ingest_data.fn(make_calibration()), IngestRecord)
    assert len(ingests) == 2


def test_a_measurement_set_that_is_gone_is_made_again(make_calibration, ingests):
    calibration = make_calibration()
    ingest_data.fn(calibration)
    calibration.workspace.vis.rmdir()
    ingest_data.fn(make_calibration())
    assert len(ingests) == 2


def test_a_staged_import_is_handed_to_ingest(make_calibration, ingests, tmp_path):
    ingest_data.fn(make_calibration(staged=tmp_path / "staged.ms"))
    assert ingests[0][3] == tmp_path / "staged.ms"


def test_inspect_settles_roles_and_reference_antenna_from_the_working_set(calibration, casa):
    casa.returns["tasks.summary_casa:summarise"] = guide_summary().model_dump(mode="json")
    casa.returns["listobs"] = lambda listfile, **_asked: Path(listfile).write_text("listing")
    record = inspect_data.fn(calibration)
    assert record.roles.flux == FLUX
    assert record.roles.phase_reference == {TARGET: REFERENCE}
    assert record.refant == ("Mk2", "Pi", "Da", "Kn")
    assert (record.listing, record.counts) == (Path("logs/listobs.txt"), Path("records/flags.ingested.csv"))
