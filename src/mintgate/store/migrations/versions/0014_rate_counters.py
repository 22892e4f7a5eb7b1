"""Counts of requests, shared by processes for rate limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_counters",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("bucket", sa.String(64), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "bucket", "minute", name="pk_rate_counters"),
    )
    op.create_index("ix_rate_counters_minute", "rate_counters", ["instance_id", "minute"])


def downgrade() -> None:
    op.drop_table("rate_counters")
