"""Single claims, `acr` and the chosen account of an authorization request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ASKED_FOR = ("acr", "id_token_claims", "userinfo_claims")


def upgrade() -> None:
    op.add_column("interactions", sa.Column("chosen_sid", sa.String(32)))
    for table in ("authorization_codes", "refresh_families"):
        op.add_column(table, sa.Column("acr", sa.String(64)))
        for name in _ASKED_FOR[1:]:
            op.add_column(table, sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "userinfo_requests",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("jti", sa.String(32), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "jti", name="pk_userinfo_requests"),
    )
    op.create_index(
        "ix_userinfo_requests_expiry", "userinfo_requests", ["instance_id", "expires_at"]
    )


def downgrade() -> None:
    op.drop_table("userinfo_requests")
    for table in ("authorization_codes", "refresh_families"):
        with op.batch_alter_table(table) as batch:
            for name in _ASKED_FOR:
                batch.drop_column(name)
    with op.batch_alter_table("interactions") as batch:
        batch.drop_column("chosen_sid")
