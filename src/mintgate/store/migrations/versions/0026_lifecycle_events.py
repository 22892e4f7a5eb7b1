"""What applications are told of their install and uninstall, and the key that signs it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "marketplace_keys",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("kid", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "kid", name="pk_marketplace_keys"),
    )
    op.create_table(
        "lifecycle_events",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("application_id", sa.String(36), nullable=False),
        sa.Column("application_uri", sa.String(254), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON()),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("token_id", sa.String(36)),
        sa.Column("sealed_credentials", sa.LargeBinary()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(300)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("claimed_by", sa.String(32)),
        sa.Column("gives_up_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("expires_at", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "id", name="pk_lifecycle_events"),
    )
    for name, columns in (
        ("due", ["due_at"]),
        ("application", ["application_id", "created_at"]),
        ("created", ["created_at"]),
        ("expiry", ["expires_at"]),
    ):
        name = f"ix_lifecycle_events_{name}"
        op.create_index(name, "lifecycle_events", ["instance_id", *columns])


def downgrade() -> None:
    op.drop_table("lifecycle_events")
    op.drop_table("marketplace_keys")
