"""How an instance shows itself to people: its name, its colour, its logo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instances", sa.Column("display_name", sa.String(128)))
    op.add_column("instances", sa.Column("accent_colour", sa.String(7)))
    op.add_column("instances", sa.Column("logo", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("instances") as batch:
        batch.drop_column("logo")
        batch.drop_column("accent_colour")
        batch.drop_column("display_name")
