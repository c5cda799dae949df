"""Alembic runs this for every migration; the connection, and its transaction, come from `qa.history.database`."""

from __future__ import annotations

from alembic import context

from qa.history.models import Base
from qa.history.revisions import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
