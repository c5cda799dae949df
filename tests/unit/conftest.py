"""The guide's observation in small, and a CASA that makes empty tables: what tests of recipe and flow stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.ingestion import DataSource
from schemas.inspection import Roles
from schemas.observation import Observation
from schemas.profiles import parameters
from schemas.solutions import BANDPASS_COLUMNS, DELAY_COLUMNS, FLAG_COLUMNS, GAIN_COLUMNS, SolutionTable, SolveRecord
from tasks.calibration import Calibration
from tasks.casa import use_casa
from tasks.ledger import open_ledger
from tasks.workspace import Workspace
from tests.unit.fakes import FakeCasa
from tests.unit.tasks.summaries import guide_summary

FLUX, REFERENCE, TARGET = "1331+305", "1302+5748", "1252+5634"
BANDPASS = ("0319+415", "1407+284")
ROLES = Roles(flux=FLUX, bandpass=BANDPASS, phase_reference={TARGET: REFERENCE})


def nothing(columns):
    return {name: [] for name in columns}


def make_table(caltable, **_asked):
    """What gaincal and bandpass leave: a folder with a table in it."""
    Path(caltable).mkdir(exist_ok=True)
    (Path(caltable) / "table.dat").write_text("solutions")
    return {"solvestats": {}}


@pytest.fixture
def make_calibration(tmp_path):
    """Return a maker of calibrations of the guide's observation, all in one workspace."""
    data = tmp_path / "night.ms"
    source = DataSource(path=data, kind="measurement set", files=(data,), size_bytes=1, fingerprint="input")
    workspace = Workspace(tmp_path / "runs" / "night")
    workspace.create()

    def make(profile="emerlin", overrides=None, summary=None, roles=ROLES, refant=("Mk2", "Pi"), **changes):
        given = {"source": source, **changes}
        return Calibration(
            observation=Observation(name="night", data=data, profile=profile),
            parameters=parameters(profile, overrides or {}),
            workspace=workspace,
            keeper=open_ledger(workspace, "night", data),
            summary=summary or guide_summary(),
            roles=roles,
            refant=refant,
            **given,
        )

    return make


@pytest.fixture
def calibration(make_calibration):
    return make_calibration()


ONE_GOOD_GAIN = {name: [0.0] for name in GAIN_COLUMNS} | {"field": ["f"], "antenna": ["Mk2"], "flagged": [False]}
"""What gaincal left: enough for the recipe to go on."""


@pytest.fixture
def casa():
    """A CASA that answers the recipe's calls and keeps them; the MeasurementSet is not looked at."""
    readers = "tasks.tables_casa:"
    fake = FakeCasa(
        {
            **dict.fromkeys(("flagmanager", "flagdata", "clearcal", "applycal"), None),
            "gaincal": make_table,
            "bandpass": make_table,
            f"{readers}read_delays": nothing(DELAY_COLUMNS),
            f"{readers}read_gains": dict(ONE_GOOD_GAIN),
            f"{readers}read_bandpass": nothing(BANDPASS_COLUMNS),
            "tasks.inspection_casa:count_flags": nothing(FLAG_COLUMNS),
        }
    )
    with use_casa(fake):
        yield fake


@pytest.fixture
def tasks_without_a_server(monkeypatch):
    """Let Prefect run tasks, their retries and states here, without the server (20 s) that would keep their history."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.clients import NullEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    monkeypatch.setattr(SyncPrefectClient, "raise_for_api_version_mismatch", lambda _client: None)
    EventsWorker.set_client_override(NullEventsClient)
    monkeypatch.setattr("prefect.results._read_server_default_result_storage_block_id", lambda: None)
    # Nothing listens there: a call that reached for the server would fail.
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield
    EventsWorker.set_client_override(None)


def solved(*tables):
    """The record of a solve that made these tables, from (name, kind) pairs."""
    return SolveRecord(
        tables=tuple(
            SolutionTable(
                name=name,
                kind=kind,
                caltable=Path("caltables") / name,
                rows=Path("records") / f"{name}.csv",
                statistics=Path("records") / f"{name}.statistics.csv",
            )
            for name, kind in tables
        )
    )


DELAYS = solved(("all.K", "K"))
NO_DELAYS = SolveRecord(skipped="too narrow")
PRECAL = solved(("bpcals_precal.p1", "p"), ("bpcals_precal.ap1", "ap"))
BANDPASS1 = solved(("bpcals.B1", "B"))
BANDPASS2 = solved(("bpcals.B2", "B"))
GAINS = solved(("calsources.p1", "p"), ("calsources.ap1", "ap"))
FINAL = solved(("calsources.ap2", "ap"), ("calsources.p2", "p"))


def chain(*entries):
    """The gaintable, gainfield and interp of a call, from (table, gainfield) pairs as the guide lists them."""
    names = [name for name, _ in entries]
    return {
        "gaintable": names,
        "gainfield": [field for _, field in entries],
        "interp": ["linear,linear" if ".B" in name else "linear" for name in names],
    }


def shortened(asked):
    """A call without its time limit, and with paths as names: what the recipe decides, nothing else."""
    call = {**asked}
    for key in ("vis", "caltable", "fluxtable", "listfile", "outputvis", "imagename"):
        if key in call:
            call[key] = Path(call[key]).name
    if "gaintable" in call:
        call["gaintable"] = [Path(table).name for table in call["gaintable"]]
    return call
