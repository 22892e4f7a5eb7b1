"""What Profile shows: people's pictures, and where and when a sign-in was used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_pictures",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("small", sa.LargeBinary(), nullable=False),
        sa.Column("large", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "user_id", name=op.f("pk_user_pictures")),
    )
    op.add_column("identity_sessions", sa.Column("last_used_at", sa.Double()))
    op.add_column("identity_sessions", sa.Column("address", sa.String(64)))
    op.add_column("identity_sessions", sa.Column("user_agent", sa.String(256)))


def downgrade() -> None:
    for name in ("user_agent", "address", "last_used_at"):
        op.drop_column("identity_sessions", name)
    op.drop_table("user_pictures")
