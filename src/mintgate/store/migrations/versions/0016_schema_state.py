"""Which programs may run on a schema, and whether a database is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Programs before this one know no such statement, and nothing of restored databases.
oldest_program = "0016"


def upgrade() -> None:
    op.create_table(
        "schema_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("oldest_program", sa.String(32), nullable=False),
        sa.Column("unfinished", sa.String(16)),
        sa.Column("run", sa.String(32)),
        sa.Column("since", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_schema_state"),
    )
    op.execute("INSERT INTO schema_state (id, oldest_program) VALUES (1, '0016')")


def downgrade() -> None:
    op.drop_table("schema_state")
