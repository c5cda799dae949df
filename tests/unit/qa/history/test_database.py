"""The history's database: made by migrations, whole or unchanged, and quiet about its password."""

import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from qa.history import database as opening
from qa.history.database import Database, open_history
from qa.history.models import Base
from qa.history.revisions import VERSION_TABLE
from qa.history.writing import write_run
from schemas.history import HistoryUnavailable
from tests.unit.qa.history.nights import FIRST, open_in, outcome_on, summary_on, write_nights

ROOT = Path(__file__).parents[4]


def rows(folder: Path, sql: str) -> list[tuple]:
    connection = sqlite3.connect(folder / "history.sqlite")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_migrations_make_the_very_tables_of_the_models(tmp_path):
    open_in(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path}/history.sqlite", poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_of_the_first_version_is_brought_up_to_date_with_its_rows(tmp_path):
    Database(make_url(f"sqlite:///{tmp_path}/history.sqlite")).upgrade("0001")
    connection = sqlite3.connect(tmp_path / "history.sqlite")
    connection.execute(
        "INSERT INTO gatecal_run (observation, flow_run, started, finished, verdict, reason, profile,"
        " input_fingerprint, telescope, night, refant, comparable) VALUES ('old', '', '2026-01-01 06:00:00.000000',"
        " '2026-01-01 06:10:00.000000', 'passed', '', 'emerlin', 'f', 'e-MERLIN', '2025-12-31', 'Mk2', 1)"
    )
    connection.commit()
    connection.close()
    write_run(open_in(tmp_path), outcome_on(FIRST), summary_on(FIRST))
    asked = "SELECT observation, night, gatecal_version FROM gatecal_run ORDER BY id"
    assert rows(tmp_path, asked) == [
        ("old", "2025-12-31", None),
        ("night-2026-10-01", "2026-10-01", "0.1.0"),
    ]


def test_a_database_of_a_newer_gatecal_is_left_alone(tmp_path):
    open_in(tmp_path)
    connection = sqlite3.connect(tmp_path / "history.sqlite")
    connection.execute("UPDATE gatecal_history_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(HistoryUnavailable, match="newer gatecal"):
        open_in(tmp_path)


def test_processes_that_open_a_fresh_database_at_once_all_get_one(tmp_path):
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from qa.history.database import open_history
        open_history("sqlite:///{tmp_path}/history.sqlite")
        """
    )
    started = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    problems = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 2, problems
    assert rows(tmp_path, "SELECT version_num FROM gatecal_history_version") == [("0002",)]


def test_threads_that_open_a_fresh_database_at_once_all_get_one(tmp_path):
    failures = []

    def open_it():
        try:
            open_in(tmp_path)
        except HistoryUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_sqlite_keeps_a_write_ahead_log(tmp_path):
    open_in(tmp_path)
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_a_locked_database_is_unavailable_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "WAIT_S", 0.2)
    database = open_in(tmp_path)
    other = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(HistoryUnavailable, match="locked"):
            write_run(database, outcome_on(FIRST), summary_on(FIRST))
    finally:
        other.close()


def test_reading_goes_on_while_another_writes(tmp_path, database):
    write_nights(database, 1)
    other = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM gatecal_run")
    try:
        assert rows(tmp_path, "SELECT count(*) FROM gatecal_run") == [(1,)]
    finally:
        other.close()


def test_a_kill_in_mid_write_leaves_what_was_there(tmp_path):
    write_nights(open_in(tmp_path), 1)
    script = textwrap.dedent(
        f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from qa.history.writing import run_of
        from tests.unit.qa.history.nights import *
        night = FIRST + timedelta(days=1)
        with open_in(Path({str(tmp_path)!r})).writing() as session:
            session.add(run_of(outcome_on(night), summary_on(night)))
            session.flush()
            print("half written", flush=True)
            time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "half written"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    database = open_in(tmp_path)
    assert rows(tmp_path, "SELECT observation FROM gatecal_run") == [("night-2026-10-01",)]
    assert rows(tmp_path, "SELECT count(*) FROM gatecal_delay WHERE run_id <> 1") == [(0,)]
    assert write_nights(database, 1, first=FIRST.replace(day=2))


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "history.sqlite").write_text("notes of the night " * 100)
    with pytest.raises(HistoryUnavailable, match="not a database"):
        open_in(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://observer:hush@127.0.0.1:9/history",
        "postgresql://observer@127.0.0.1:9/history?password=hush",
        "oracle://observer:hush@127.0.0.1/history",
        "no url, hush",
    ],
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(url):
    with pytest.raises(HistoryUnavailable) as caught:
        open_history(url)
    assert "hush" not in str(caught.value)
