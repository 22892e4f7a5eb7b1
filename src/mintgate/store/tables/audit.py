"""The audit log: events, chained by their hashes, and the checkpoints that sign them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, LargeBinary, String, Table, Text

from mintgate.store.tables.common import instance_id, metadata

audit_events = Table(
    "audit_events",
    metadata,
    instance_id(),
    Column("writer_id", String(16), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", String(48), nullable=False),
    Column("actor_id", String(36)),
    Column("subject_id", String(36)),
    Column("application", String(254)),
    Column("session", String(32)),
    Column("jti", String(32)),
    Column("cause", Text),
    # Texts, as the hash covers them letter by letter.
    Column("details", Text),
    Column("actor_digest", LargeBinary),
    Column("personal_digest", LargeBinary),
    Column("hash", LargeBinary, nullable=False),
    # Not in the hash but by their salted digest: erasing them leaves the chain whole.
    Column("actor", String(64)),
    Column("address", String(64)),
    Column("actor_salt", LargeBinary),
    Column("personal", Text),
    Column("personal_salt", LargeBinary),
    Index("ix_audit_events_at", "instance_id", "at"),
)
# Only rows that name a user are in them: tokens of services cost nothing here. In the order of
# time, for a person's history is read from its end.
for _name in ("actor_id", "subject_id"):
    Index(
        f"ix_audit_events_{_name.removesuffix('_id')}_time",
        audit_events.c.instance_id,
        audit_events.c[_name],
        audit_events.c.at,
        sqlite_where=audit_events.c[_name].is_not(None),
        postgresql_where=audit_events.c[_name].is_not(None),
    )

audit_keys = Table(
    "audit_keys",
    metadata,
    instance_id(),
    Column("public_key", String(43), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    instance_id(),
    Column("number", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("rows", BigInteger, nullable=False, quote=True),
    Column("heads_digest", LargeBinary, nullable=False),
    Column("removed_through", BigInteger, nullable=False),
    Column("removed_hash", LargeBinary),
    Column("public_key", String(43), nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    instance_id(),
    Column("checkpoint", BigInteger, primary_key=True),
    Column("writer_id", String(16), primary_key=True),
    Column("is_cut", Boolean, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_heads_writer", "instance_id", "writer_id", "sequence"),
)
