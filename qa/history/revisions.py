"""The version of a history's tables: which it has, which this gatecal wants, and the way from one to the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")
"""Alembic's environment."""

VERSION_TABLE = "gatecal_history_version"
"""Alembic's own table, under a name of ours: the database may be another program's too, with an ``alembic_version``."""


def configuration() -> Config:
    """Return Alembic's configuration, made here instead of read from a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str | None:
    """Return the revision that this gatecal's tables have."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def present(connection: Connection) -> str | None:
    """Return the revision of a database; None for one without tables."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the tables to a revision, inside the connection's transaction.

    Raises
    ------
    alembic.util.CommandError
        The database's revision is unknown here: a newer gatecal made it.
    """
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
