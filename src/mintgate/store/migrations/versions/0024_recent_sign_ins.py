"""How recent sign-ins must be, and the devices where people sign in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column("fresh_sign_in_seconds", sa.Integer(), nullable=False, server_default="600"),
    )
    op.create_table(
        "user_devices",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("device_hash", sa.String(64), nullable=False),
        sa.Column("info", sa.String(256)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_sign_in_at", sa.Double(), nullable=False),
        sa.Column("removed_at", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "id", name=op.f("pk_user_devices")),
        sa.UniqueConstraint(
            "instance_id",
            "user_id",
            "device_hash",
            name=op.f("uq_user_devices_instance_id_user_id_device_hash"),
        ),
    )
    op.create_index(
        "ix_user_devices_last_sign_in", "user_devices", ["instance_id", "last_sign_in_at"]
    )
    op.add_column("identity_sessions", sa.Column("device_hash", sa.String(64)))


def downgrade() -> None:
    op.drop_column("identity_sessions", "device_hash")
    op.drop_table("user_devices")
    with op.batch_alter_table("instances") as batch:
        batch.drop_column("fresh_sign_in_seconds")
