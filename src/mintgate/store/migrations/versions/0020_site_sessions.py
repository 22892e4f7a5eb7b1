"""Who is signed in to the sites of the instance itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_sessions",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("cookie_hash", sa.String(64), nullable=False),
        sa.Column("application_id", sa.String(36), nullable=False),
        sa.Column("sid", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("draft", sa.JSON()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "cookie_hash", name=op.f("pk_site_sessions")),
    )
    for name, column in (("sid", "sid"), ("user", "user_id"), ("expiry", "expires_at")):
        op.create_index(f"ix_site_sessions_{name}", "site_sessions", ["instance_id", column])


def downgrade() -> None:
    op.drop_table("site_sessions")
