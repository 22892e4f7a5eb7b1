"""Audit events counted by the hour, for the dashboard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_counts",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(48), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance_id", "hour", "event", "kind", name=op.f("pk_audit_counts")
        ),
    )
    op.create_table(
        "audit_counted",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("writer_id", sa.String(16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "writer_id", name=op.f("pk_audit_counted")),
    )


def downgrade() -> None:
    op.drop_table("audit_counted")
    op.drop_table("audit_counts")
