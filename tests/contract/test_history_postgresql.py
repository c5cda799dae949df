"""The history on a real PostgreSQL server, started for these tests on loopback."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, make_url, select, text

from qa.history import database as opening
from qa.history.comparison import earlier_delays, earlier_fluxes
from qa.history.database import Database, open_history
from qa.history.models import Base, Run
from qa.history.revisions import VERSION_TABLE
from qa.history.trends import draw_trends
from qa.history.writing import run_of, write_run
from schemas.history import HistoryUnavailable
from tests.contract.postgresql import engine_of, make_database, postgresql
from tests.unit.qa.history.nights import (
    FIRST,
    outcome_on,
    source,
    summary_on,
    this_night,
    windows,
    write_nights,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server():
    """The address of a running server."""
    with postgresql() as address:
        yield address


@pytest.fixture
def url(server, request) -> str:
    """The URL of a fresh database."""
    return make_database(server, f"history_{abs(hash(request.node.name))}")


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Run))


def test_migrations_make_the_very_tables_of_the_models(url):
    open_history(url)
    with engine_of(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []


def test_nights_are_written_once_and_compared_with(url, tmp_path):
    database = open_history(url)
    nights = write_nights(database, 6)
    assert not write_run(database, outcome_on(FIRST), summary_on(FIRST))
    assert count(database) == 6
    assert list(earlier_fluxes(database, this_night(), [source()])["night"]) == [str(night) for night in nights]
    assert len(earlier_delays(database, this_night(), windows())) == 6 * 48
    (tmp_path / "outcome.json").write_text(outcome_on(FIRST).model_dump_json())
    assert len(draw_trends(database, tmp_path).plots) == 5


def test_a_number_that_is_not_finite_is_null(url):
    database = open_history(url)
    run = run_of(outcome_on(FIRST), summary_on(FIRST))
    run.fluxes[0].flux_density_jy = float("nan")
    with database.writing() as session:
        session.add(run)
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM gatecal_flux WHERE flux_density_jy IS NULL")) == 1


def test_times_come_back_in_utc(url):
    database = open_history(url)
    write_nights(database, 1)
    with database.reading() as session:
        assert session.scalar(select(Run.started)).isoformat() == "2026-10-02T06:00:00+00:00"


def test_workers_that_start_at_once_make_one_history_and_lose_no_run(url):
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from tests.unit.qa.history.nights import *
        database = open_history({url!r})
        write_nights(database, 4, first=FIRST + timedelta(days=10 * int(sys.argv[1])))
        write_run(database, outcome_on(FIRST), summary_on(FIRST))
        """
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(number)], stderr=subprocess.PIPE, text=True)
        for number in (1, 2, 3)
    ]
    problems = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], problems
    assert count(open_history(url)) == 3 * 4 + 1


def test_a_locked_table_is_unavailable_after_a_while(url, monkeypatch):
    database = open_history(url)
    monkeypatch.setattr(opening, "WAIT_S", 1)
    with engine_of(url).begin() as other:
        other.execute(text("LOCK TABLE gatecal_run IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(HistoryUnavailable, match="lock timeout"):
            write_run(database, outcome_on(FIRST), summary_on(FIRST))


def test_a_database_that_others_use_too_keeps_their_tables(url):
    with engine_of(url).begin() as other:
        other.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
        other.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    write_nights(open_history(url), 1)
    with engine_of(url).connect() as other:
        assert other.execute(text("SELECT version_num FROM alembic_version")).scalar() == "theirs"


def test_a_first_version_is_brought_up_to_date_with_its_rows(url):
    database = Database(make_url(url).set(drivername="postgresql+psycopg"))
    database.upgrade("0001")
    with engine_of(url).begin() as old:
        old.execute(
            text(
                "INSERT INTO gatecal_run (observation, flow_run, started, finished, verdict, reason, profile,"
                " input_fingerprint, comparable) VALUES ('old', '', now(), now(), 'passed', '', 'vla', 'f', true)"
            )
        )
    database = open_history(url)
    assert write_nights(database, 1, first=FIRST + timedelta(days=1))
    assert count(database) == 2


def test_a_refused_password_is_not_told(url):
    wrong = make_url(url).set(password="hush-wrong")  # noqa: S106 - made up
    with pytest.raises(HistoryUnavailable, match="password authentication failed") as caught:
        open_history(wrong.render_as_string(hide_password=False))
    assert "hush" not in str(caught.value)
