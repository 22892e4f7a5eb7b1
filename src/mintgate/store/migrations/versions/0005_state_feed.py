"""Feed entries for verifiers elsewhere, and the not-before times that revoke everything."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was appended before has no data for verifiers; nothing has read it by HTTP yet.
    op.execute("DELETE FROM state_feed")
    op.add_column("state_feed", sa.Column("data", sa.JSON(), nullable=False, server_default="{}"))
    op.create_index("ix_state_feed_at", "state_feed", ["instance_id", "at"])
    op.create_table(
        "revoked_before",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("subject", sa.String(36), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "subject", name="pk_revoked_before"),
    )


def downgrade() -> None:
    op.drop_table("revoked_before")
    op.drop_index("ix_state_feed_at", "state_feed")
    with op.batch_alter_table("state_feed") as batch:
        batch.drop_column("data")
