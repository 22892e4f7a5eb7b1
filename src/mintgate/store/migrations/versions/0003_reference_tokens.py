"""Reference tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reference_tokens",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("token_key", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(3), nullable=False),
        sa.Column("application_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36)),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("description", sa.String(128)),
        sa.Column("jti", sa.String(32), nullable=False),
        sa.Column("sid", sa.String(32)),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("last_used_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("revoked_by", sa.String(64)),
        sa.PrimaryKeyConstraint("instance_id", "token_key", name="pk_reference_tokens"),
        sa.UniqueConstraint("instance_id", "id", name="uq_reference_tokens_instance_id_id"),
        sa.UniqueConstraint("instance_id", "jti", name="uq_reference_tokens_instance_id_jti"),
    )
    op.create_index("ix_reference_tokens_user", "reference_tokens", ["instance_id", "user_id"])
    op.create_index(
        "ix_reference_tokens_application", "reference_tokens", ["instance_id", "application_id"]
    )


def downgrade() -> None:
    op.drop_table("reference_tokens")
