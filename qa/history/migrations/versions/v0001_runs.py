"""The tables of the first version: runs, checks, flux densities, delays, solution counts, images."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gatecal_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observation", sa.String(), nullable=False),
        sa.Column("flow_run", sa.String(), nullable=False, comment="Prefect's id; empty outside of Prefect"),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("verdict", sa.String(), nullable=False, comment="passed, warned, stopped, held or crashed"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("input_fingerprint", sa.String(), nullable=False),
        sa.Column("telescope", sa.String(), nullable=True),
        sa.Column("night", sa.Date(), nullable=True, comment="UTC date of the first scan"),
        sa.Column("refant", sa.String(), nullable=True),
        sa.Column(
            "comparable",
            sa.Boolean(),
            nullable=False,
            comment="the flux-scale gate did not stop it: later nights compare with it",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_run")),
        sa.UniqueConstraint("observation", "started", "flow_run", name=op.f("uq_gatecal_run_observation")),
    )
    op.create_table(
        "gatecal_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("worst_place", sa.String(), nullable=False),
        sa.Column("observed", sa.Double(), nullable=True, comment="the worst number [unit]"),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("bound", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["gatecal_run.id"], name=op.f("fk_gatecal_check_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_check")),
    )
    op.create_index(op.f("ix_gatecal_check_run_id"), "gatecal_check", ["run_id"], unique=False)
    op.create_table(
        "gatecal_delay",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("antenna", sa.String(), nullable=False),
        sa.Column("spw", sa.Integer(), nullable=False),
        sa.Column("centre_hz", sa.Double(), nullable=True, comment="of the spw [Hz]"),
        sa.Column("bandwidth_hz", sa.Double(), nullable=True, comment="of the spw [Hz]"),
        sa.Column("polarisation", sa.String(), nullable=False),
        sa.Column("median_ns", sa.Double(), nullable=True, comment="over time, relative to the reference antenna [ns]"),
        sa.Column(
            "scatter_ns", sa.Double(), nullable=True, comment="1.4826 x median absolute deviation over time [ns]"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["gatecal_run.id"], name=op.f("fk_gatecal_delay_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_delay")),
    )
    op.create_index(op.f("ix_gatecal_delay_run_id"), "gatecal_delay", ["run_id"], unique=False)
    op.create_table(
        "gatecal_flux",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("phase_reference", sa.Boolean(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=True, comment="J2000 [deg]"),
        sa.Column("dec_deg", sa.Double(), nullable=True, comment="J2000 [deg]"),
        sa.Column("flux_density_jy", sa.Double(), nullable=True, comment="at the reference frequency [Jy]"),
        sa.Column("error_jy", sa.Double(), nullable=True, comment="[Jy]"),
        sa.Column("spectral_index", sa.Double(), nullable=True, comment="S ~ frequency^index"),
        sa.Column("spectral_index_error", sa.Double(), nullable=True),
        sa.Column("reference_hz", sa.Double(), nullable=True, comment="[Hz]"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["gatecal_run.id"], name=op.f("fk_gatecal_flux_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_flux")),
    )
    op.create_index(op.f("ix_gatecal_flux_run_id"), "gatecal_flux", ["run_id"], unique=False)
    op.create_table(
        "gatecal_image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("target", sa.Boolean(), nullable=False),
        sa.Column("peak_jy_beam", sa.Double(), nullable=True, comment="[Jy/beam]"),
        sa.Column("noise_jy_beam", sa.Double(), nullable=True, comment="1.4826 x median absolute deviation [Jy/beam]"),
        sa.Column("beam_major_arcsec", sa.Double(), nullable=True, comment="[arcsec]"),
        sa.Column("beam_minor_arcsec", sa.Double(), nullable=True, comment="[arcsec]"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["gatecal_run.id"], name=op.f("fk_gatecal_image_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_image")),
    )
    op.create_index(op.f("ix_gatecal_image_run_id"), "gatecal_image", ["run_id"], unique=False)
    op.create_table(
        "gatecal_solve",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("caltable", sa.String(), nullable=False),
        sa.Column("antenna", sa.String(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("attempted", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["gatecal_run.id"], name=op.f("fk_gatecal_solve_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gatecal_solve")),
    )
    op.create_index(op.f("ix_gatecal_solve_run_id"), "gatecal_solve", ["run_id"], unique=False)


def downgrade() -> None:
    """Remove the tables; not used by gatecal."""
    for table in ("solve", "image", "flux", "delay", "check", "run"):
        op.drop_table(f"gatecal_{table}")
