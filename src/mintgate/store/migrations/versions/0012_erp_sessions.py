"""ERP sessions with their licence slots, and reserved seats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erp_sessions",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(36)),
        sa.Column("login", sa.String(64), nullable=False),
        sa.Column("login_key", sa.String(192), nullable=False),
        sa.Column("client_ids", sa.JSON(), nullable=False),
        sa.Column("device", sa.String(254)),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("last_request_at", sa.Double(), nullable=False),
        sa.Column("absolute_end", sa.Double()),
        sa.Column("seat", sa.String(8), nullable=False),
        sa.Column("toucher", sa.String(32)),
        sa.Column("current_requests", sa.Integer(), nullable=False),
        sa.Column("total_requests", sa.BigInteger(), nullable=False),
        sa.Column("uploaded", sa.BigInteger(), nullable=False),
        sa.Column("downloaded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "key", name="pk_erp_sessions"),
    )
    op.create_index(
        "ix_erp_sessions_last_request", "erp_sessions", ["instance_id", "last_request_at"]
    )
    op.create_index("ix_erp_sessions_user", "erp_sessions", ["instance_id", "user_id"])
    op.create_table(
        "reserved_seats",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("login_key", sa.String(192), nullable=False),
        sa.Column("login", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "login_key", name="pk_reserved_seats"),
    )
    op.create_table(
        "licence_pools",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name="pk_licence_pools"),
    )


def downgrade() -> None:
    op.drop_table("licence_pools")
    op.drop_table("reserved_seats")
    op.drop_table("erp_sessions")
