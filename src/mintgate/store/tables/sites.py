"""What the instance's own sites keep: who is signed in to them, and people's pictures."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, String, Table

from mintgate.store.tables.common import instance_id, metadata

# A site session ends with the sign-in of its `sid`: a row without one counts for nothing.
site_sessions = Table(
    "site_sessions",
    metadata,
    instance_id(),
    Column("cookie_hash", String(64), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("sid", String(32), nullable=False),
    Column("user_id", String(36), nullable=False),
    # What was typed on a page before it asked for a new sign-in; never a secret.
    Column("draft", JSON),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_site_sessions_sid", "instance_id", "sid"),
    Index("ix_site_sessions_user", "instance_id", "user_id"),
    Index("ix_site_sessions_expiry", "instance_id", "expires_at"),
)
