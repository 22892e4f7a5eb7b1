"""What the instance's own sites keep: who is signed in to them, and people's pictures."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, LargeBinary, String, Table

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
    Column("draft", JSON(none_as_null=True)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_site_sessions_sid", "instance_id", "sid"),
    Index("ix_site_sessions_user", "instance_id", "user_id"),
    Index("ix_site_sessions_expiry", "instance_id", "expires_at"),
)

# Drawn anew from what a person uploaded, in the two sizes that are served [PRF-20].
user_pictures = Table(
    "user_pictures",
    metadata,
    instance_id(),
    Column("user_id", String(36), primary_key=True),
    Column("media_type", String(32), nullable=False),
    Column("small", LargeBinary, nullable=False),
    Column("large", LargeBinary, nullable=False),
    Column("changed_at", Double, nullable=False),
)
