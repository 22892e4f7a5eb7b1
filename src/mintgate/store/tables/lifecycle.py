"""What applications are told of their install and uninstall, and the key that signs it."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, Integer, LargeBinary, String, Table, Text

from mintgate.store.tables.common import instance_id, metadata

# An instance that has one tells applications; the newest signs [EVT-7].
marketplace_keys = Table(
    "marketplace_keys",
    metadata,
    instance_id(),
    Column("kid", String(32), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
)

# Outbox and record in one: a row that waits has `due_at`, which whoever claims it moves to the end
# of the lease. What it holds of secrets is sealed, and gone as soon as nobody tries any more.
lifecycle_events = Table(
    "lifecycle_events",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("application_uri", String(254), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("request", JSON(none_as_null=True)),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    # The reference token that is in `sealed_credentials`, to be ended when it is sent anew.
    Column("token_id", String(36)),
    Column("sealed_credentials", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("cause", String(300)),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double),
    Column("claimed_by", String(32)),
    Column("gives_up_at", Double, nullable=False),
    Column("ended_at", Double),
    # From when nobody needs the record; null while it is an application's newest.
    Column("expires_at", Double),
    Index("ix_lifecycle_events_due", "instance_id", "due_at"),
    Index("ix_lifecycle_events_application", "instance_id", "application_id", "created_at"),
    Index("ix_lifecycle_events_created", "instance_id", "created_at"),
    Index("ix_lifecycle_events_expiry", "instance_id", "expires_at"),
)
