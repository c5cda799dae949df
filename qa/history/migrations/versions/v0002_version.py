"""Which gatecal made a run, and an index to look up a telescope's nights by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column (NULL for runs before it) and the index."""
    op.add_column("gatecal_run", sa.Column("gatecal_version", sa.String(), nullable=True))
    op.create_index("ix_gatecal_run_telescope", "gatecal_run", ["telescope", "night"], unique=False)


def downgrade() -> None:
    """Remove both; not used by gatecal."""
    op.drop_index("ix_gatecal_run_telescope", "gatecal_run")
    op.drop_column("gatecal_run", "gatecal_version")
