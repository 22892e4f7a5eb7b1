"""Counts of wrong password tries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_tries",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("bucket", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("login", sa.String(64)),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "bucket", name="pk_sign_in_tries"),
    )
    op.create_index("ix_sign_in_tries_login", "sign_in_tries", ["instance_id", "login"])
    op.create_index("ix_sign_in_tries_expiry", "sign_in_tries", ["instance_id", "ends_at"])
    op.add_column(
        "users",
        sa.Column("access_failed_count", sa.Integer(), nullable=False, server_default="0"),
    )


def downgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.drop_column("access_failed_count")
    op.drop_table("sign_in_tries")
