"""Counts that processes share."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table

from mintgate.store.tables.common import instance_id, metadata

# Requests by minute, of what a rate limit counts [API-17]; `bucket` is a digest of its name.
rate_counters = Table(
    "rate_counters",
    metadata,
    instance_id(),
    Column("bucket", String(64), primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Index("ix_rate_counters_minute", "instance_id", "minute"),
)

# Audit events by hour since 1970, for charts: nobody counts a million rows while a page waits.
audit_counts = Table(
    "audit_counts",
    metadata,
    instance_id(),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("event", String(48), primary_key=True),
    Column("kind", String(48), primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# How far each writer's part of the log is counted.
audit_counted = Table(
    "audit_counted",
    metadata,
    instance_id(),
    Column("writer_id", String(16), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
