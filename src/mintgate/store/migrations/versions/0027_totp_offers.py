"""Secrets of authenticator apps that are being set up, each for one sign-in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "totp_offers",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("bound_to", sa.String(64), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "user_id", "bound_to", name="pk_totp_offers"),
    )
    op.create_index("ix_totp_offers_expiry", "totp_offers", ["instance_id", "expires_at"])
    # All of a user end with a new password.
    op.create_index("ix_sign_in_proofs_user", "sign_in_proofs", ["instance_id", "user_id"])
    # Until now one secret was shown wherever the person was signed in. Whoever has such a page
    # open starts again, also at a server of the release before.
    op.execute("UPDATE second_factors SET pending_secret = NULL, pending_until = NULL")


def downgrade() -> None:
    op.drop_index("ix_sign_in_proofs_user", "sign_in_proofs")
    op.drop_table("totp_offers")
