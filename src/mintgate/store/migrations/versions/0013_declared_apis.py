"""How declared APIs are guarded, and which of them an application may call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apis", sa.Column("policy", sa.JSON()))
    op.add_column("apis", sa.Column("limits", sa.JSON()))
    op.add_column("apis", sa.Column("basic_client", sa.String(254)))
    op.add_column("applications", sa.Column("audiences", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("applications") as batch:
        batch.drop_column("audiences")
    with op.batch_alter_table("apis") as batch:
        batch.drop_column("basic_client")
        batch.drop_column("limits")
        batch.drop_column("policy")
