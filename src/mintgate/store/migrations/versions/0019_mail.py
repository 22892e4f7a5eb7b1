"""Letters that are to be sent, and links for one use that were mailed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("sealed_content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("claimed_by", sa.String(32)),
        sa.PrimaryKeyConstraint("instance_id", "id", name="pk_mails"),
    )
    op.create_index("ix_mails_due", "mails", ["instance_id", "due_at"])
    op.create_index("ix_mails_user", "mails", ["instance_id", "user_id"])
    op.create_table(
        "mailed_links",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("link_hash", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("proves_email", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "link_hash", name="pk_mailed_links"),
    )
    op.create_index("ix_mailed_links_user", "mailed_links", ["instance_id", "user_id"])
    op.create_index("ix_mailed_links_expiry", "mailed_links", ["instance_id", "expires_at"])


def downgrade() -> None:
    op.drop_table("mailed_links")
    op.drop_table("mails")
