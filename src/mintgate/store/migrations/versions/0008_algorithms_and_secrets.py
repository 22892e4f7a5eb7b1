"""Signing algorithm, two secrets with their ends, and when to remind of an end."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SECRETS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("application_secret_made_utc", sa.BigInteger()),
    ("application_secret_end_utc", sa.BigInteger()),
    ("application_secret_remind_at", sa.Double()),
    ("second_secret_hash", sa.String(250)),
    ("second_secret_made_utc", sa.BigInteger()),
    ("second_secret_end_utc", sa.BigInteger()),
    ("second_secret_remind_at", sa.Double()),
)
THIRTY_DAYS = 30 * 24 * 3600


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column("signing_algorithm", sa.String(16), nullable=False, server_default="RS256"),
    )
    op.add_column("instances", sa.Column("max_reference_token_days", sa.Integer()))
    for name, kind in SECRETS:
        op.add_column("applications", sa.Column(name, kind))
    op.add_column("reference_tokens", sa.Column("remind_at", sa.Double()))
    op.execute(
        f"UPDATE reference_tokens SET remind_at = expires_at - {THIRTY_DAYS} "  # noqa: S608 - a number
        "WHERE revoked_at IS NULL"
    )
    op.create_index("ix_reference_tokens_remind", "reference_tokens", ["instance_id", "remind_at"])


def downgrade() -> None:
    op.drop_index("ix_reference_tokens_remind", "reference_tokens")
    with op.batch_alter_table("reference_tokens") as batch:
        batch.drop_column("remind_at")
    with op.batch_alter_table("applications") as batch:
        for name, _ in SECRETS:
            batch.drop_column(name)
    with op.batch_alter_table("instances") as batch:
        batch.drop_column("max_reference_token_days")
        batch.drop_column("signing_algorithm")
