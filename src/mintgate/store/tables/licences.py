"""ERP sessions, the licence slots that they take, and who has a slot reserved."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
)

from mintgate.store.tables.common import instance_id, metadata

erp_sessions = Table(
    "erp_sessions",
    metadata,
    instance_id(),
    Column("key", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Null for a service token that does not name its user's id.
    Column("user_id", String(36)),
    Column("login", String(64), nullable=False),
    Column("login_key", String(192), nullable=False),
    Column("client_ids", JSON, nullable=False),
    Column("device", String(254)),
    Column("started_at", Double, nullable=False),
    Column("last_request_at", Double, nullable=False),
    Column("absolute_end", Double),
    Column("seat", String(8), nullable=False),
    # The only process that has touched it; null once there was another one.
    Column("toucher", String(32)),
    Column("current_requests", Integer, nullable=False),
    Column("total_requests", BigInteger, nullable=False),
    Column("uploaded", BigInteger, nullable=False),
    Column("downloaded", BigInteger, nullable=False),
    # Of a legacy login: what its id is made from with a key that is not in the database, and the
    # language that it asked for.
    Column("login_nonce", String(43)),
    Column("language", String(15)),
    Index("ix_erp_sessions_last_request", "instance_id", "last_request_at"),
    Index("ix_erp_sessions_user", "instance_id", "user_id"),
)

reserved_seats = Table(
    "reserved_seats",
    metadata,
    instance_id(),
    Column("login_key", String(192), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
)

# One row an instance, whose lock is held by whoever counts slots: see `store.licence_pools`.
licence_pools = Table("licence_pools", metadata, instance_id())
