"""Letters that are still to be sent, and the links that were mailed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, LargeBinary, String, Table

from mintgate.store.tables.common import instance_id, metadata

# What is in a letter, and to which address it goes, is sealed: a link in it lets its reader in.
# Whoever claims a row moves `due_at` to the end of the lease.
mails = Table(
    "mails",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("sealed_content", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("claimed_by", String(32)),
    Index("ix_mails_due", "instance_id", "due_at"),
    Index("ix_mails_user", "instance_id", "user_id"),
)

mailed_links = Table(
    "mailed_links",
    metadata,
    instance_id(),
    Column("link_hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("email", String(254)),
    # Whether who has the link can read mail to that address; a link shown to somebody else cannot
    # prove it.
    Column("proves_email", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Index("ix_mailed_links_user", "instance_id", "user_id"),
    Index("ix_mailed_links_expiry", "instance_id", "expires_at"),
)
