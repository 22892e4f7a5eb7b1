"""An index for removing what was revoked so long ago that no token of then is left."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_revoked_before_time", "revoked_before", ["instance_id", "not_before"])


def downgrade() -> None:
    op.drop_index("ix_revoked_before_time", "revoked_before")
