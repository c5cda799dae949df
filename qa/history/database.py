"""Opens the history's database: SQLite or PostgreSQL, its tables brought up to date under a lock."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from qa.history import revisions
from schemas.history import HistoryUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

WAIT_S = 10
"""How long to wait for a lock or a server before the history is given up for this time [s]: no run hangs on it."""

UPGRADE_LOCK = 0x67617465
"""PostgreSQL's advisory lock that only one upgrade holds ("gate" in ASCII)."""

_upgrading = threading.Lock()
"""Alembic's environment is one per process."""


class Database:
    """The history.

    Parameters
    ----------
    url
        SQLAlchemy's URL.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = _engine(url)
        # The same connections, whose transactions take the write lock at once: one that begins by reading could not
        # wait for it later (SQLite's SQLITE_BUSY_SNAPSHOT).
        self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")

    def __str__(self) -> str:
        """Where it is, without user, password and options."""
        where = f"//{self._url.host}/" if self._url.host else ""
        return f"{self._url.get_backend_name()}:{where}{self._url.database or ''}"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session to read with.

        Raises
        ------
        HistoryUnavailable
            Anything the database raised in the body.
        """
        with self._explained(), Session(self._engine) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session whose changes are kept whole when the body ends, or not at all.

        Raises
        ------
        HistoryUnavailable
            Anything the database raised in the body.
        """
        with self._explained(), Session(self._writer) as session, session.begin():
            yield session

    def upgrade(self, to: str = "head") -> None:
        """Bring the tables to this gatecal's version; one process at a time does it, the others wait.

        Raises
        ------
        HistoryUnavailable
            The database does not answer, or is of a newer gatecal.
        """
        with _upgrading, self._explained():
            with self._engine.connect() as connection:
                if to == "head" and revisions.present(connection) == revisions.newest():
                    return
            with self._writer.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
                revisions.upgrade(connection, to)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except CommandError as error:
            msg = f"{self} was made by a newer gatecal ({error})"
            raise HistoryUnavailable(msg) from None
        except (SQLAlchemyError, OSError) as error:
            raise HistoryUnavailable(f"{self}: {_sentence(error, self._url)}") from None


def open_history(url: str | URL) -> Database:
    """Open the history; its tables are made or brought up to date.

    Parameters
    ----------
    url
        SQLAlchemy's URL: ``sqlite:////folder/history.sqlite`` or ``postgresql://user:password@host/database``.

    Raises
    ------
    HistoryUnavailable
        The URL is wrong, the database does not answer, or is of a newer gatecal. The message holds no password.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        database = Database(parsed)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        # Not the error's words: they may hold the URL.
        msg = f"the history's URL is not one SQLAlchemy can open ({type(error).__name__}); correct GATECAL_HISTORY_URL"
        raise HistoryUnavailable(msg) from None
    database.upgrade()
    return database


def _engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    limits: dict[str, Any] = {"timeout": WAIT_S} if sqlite else {"connect_timeout": WAIT_S}
    # A connection per use: runs are hours apart, and nothing is left open in a process that is killed.
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=limits)
    if sqlite:
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        event.listen(engine, "begin", _limit_waiting)
    return engine


def _sqlite_connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's own
    # Python's own handling of transactions leaves out statements that make tables; SQLAlchemy's does not.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # It stays with the file. Where another process is just setting it, or the file system cannot, it works without.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _limit_waiting(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_S}s'")


def _sentence(error: BaseException, url: URL) -> str:
    """Return the first line of what went wrong, without the password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    secrets = [str(url.password or ""), *(str(url.query.get(name, "")) for name in ("password", "passfile"))]
    for secret in filter(None, secrets):
        line = line.replace(secret, "***")
    return line
