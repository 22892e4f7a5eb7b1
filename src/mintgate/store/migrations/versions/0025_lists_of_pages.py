"""Indexes in the order in which pages show what people and applications have.

On PostgreSQL, what users are searched by is ordered by its code points.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LISTS = (
    ("audit_events", "actor_id", "at"),
    ("audit_events", "subject_id", "at"),
    ("reference_tokens", "user_id", "created_at"),
    ("reference_tokens", "application_id", "created_at"),
    ("refresh_families", "user_id", "created_at"),
    ("refresh_families", "application_id", "created_at"),
    ("identity_sessions", "user_id", "created_at"),
)
"""Tables, whose rows are listed, and in which order: newest first."""
SIGN_INS = ("ix_identity_sessions_time", "identity_sessions", ["instance_id", "created_at"])


def upgrade() -> None:
    # While one is built on PostgreSQL, who reads does not wait, but who writes does; from the
    # first that is dropped on everybody waits. So these come last.
    for table, whose, order in LISTS:
        name = f"ix_{table}_{whose.removesuffix('_id')}_time"
        op.create_index(name, table, ["instance_id", whose, order], **_only_named(table, whose))
    op.create_index(*SIGN_INS)
    _order_users("C")
    for table, whose, _ in LISTS:
        op.drop_index(_before(table, whose), table)


def downgrade() -> None:
    for table, whose, _ in LISTS:
        op.create_index(
            _before(table, whose), table, ["instance_id", whose], **_only_named(table, whose)
        )
    _order_users("default")
    op.drop_index(SIGN_INS[0], SIGN_INS[1])
    for table, whose, _ in LISTS:
        op.drop_index(f"ix_{table}_{whose.removesuffix('_id')}_time", table)


def _before(table: str, whose: str) -> str:
    return f"ix_{table}_{whose if table == 'audit_events' else whose.removesuffix('_id')}"


def _only_named(table: str, whose: str) -> dict[str, Any]:
    """Rows of the log that name nobody are not in its indexes: tokens of services cost nothing."""
    if table != "audit_events":
        return {}
    where = sa.text(f"{whose} IS NOT NULL")
    return {"sqlite_where": where, "postgresql_where": where}


def _order_users(collation: str) -> None:
    # The rows stay as they are; their unique indexes are made anew.
    if op.get_bind().dialect.name == "postgresql":
        for name, length in (("login_key", 64), ("email_key", 254)):
            kind = f'VARCHAR({length}) COLLATE "{collation}"'
            op.execute(f"ALTER TABLE users ALTER COLUMN {name} TYPE {kind}")
