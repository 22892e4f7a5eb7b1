"""Legacy logins: what the id of a session is made from, and who may use HTTP Basic."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column(
            "allow_basic_auth_for_all_users",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
    op.add_column("erp_sessions", sa.Column("login_nonce", sa.String(43)))
    op.add_column("erp_sessions", sa.Column("language", sa.String(15)))


def downgrade() -> None:
    with op.batch_alter_table("erp_sessions") as batch:
        batch.drop_column("language")
        batch.drop_column("login_nonce")
    with op.batch_alter_table("instances") as batch:
        batch.drop_column("allow_basic_auth_for_all_users")
