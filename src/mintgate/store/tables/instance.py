"""Instances, what belongs to each as a whole, and the feed of what changed."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
)

from mintgate.store.tables.common import instance_id, metadata

instances = Table(
    "instances",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("database", String(128), nullable=False),
    Column("base_url", String(254), nullable=False, unique=True),
    Column("licences", Integer, nullable=False),
    Column("access_token_lifetime", Integer, nullable=False),
    Column("public_refresh_tokens", Boolean, nullable=False),
    Column("refresh_grace_seconds", Integer, nullable=False),
    Column("signing_algorithm", String(16), nullable=False, server_default="RS256"),
    Column("max_reference_token_days", Integer),
    Column("audit_retention_days", Integer),
    Column("allow_private_logout_targets", Boolean, nullable=False, server_default=false()),
    Column("allow_basic_auth_for_all_users", Boolean, nullable=False, server_default=false()),
    Column("display_name", String(128)),
    Column("accent_colour", String(7)),
    Column("logo", Text),
    Column("fresh_sign_in_seconds", Integer, nullable=False, server_default="600"),
    Column("second_factor_internal", String(16), nullable=False, server_default="allowed"),
    Column("second_factor_community", String(16), nullable=False, server_default="allowed"),
    # The number of the newest entry of the state feed. Updating it serialises those who append,
    # so that numbers become visible in order on PostgreSQL too.
    Column("feed_position", BigInteger, nullable=False, server_default="0"),
)

state_feed = Table(
    "state_feed",
    metadata,
    instance_id(),
    Column("position", BigInteger, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(254), nullable=False),
    # What verifiers elsewhere are told; `subject` is for the followers of this database.
    Column("data", JSON, nullable=False, server_default="{}"),
    Column("at", Double, nullable=False),
    Index("ix_state_feed_at", "instance_id", "at"),
)

apis = Table(
    "apis",
    metadata,
    instance_id(),
    Column("name", String(64), primary_key=True),
    Column("secret_hash", String(64)),
    Column("policy", JSON(none_as_null=True)),
    Column("limits", JSON(none_as_null=True)),
    Column("basic_client", String(254)),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    instance_id(),
    Column("kid", String(32), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("active_from", Double, nullable=False),
    Column("ended_at", Double),
    Column("public_jwk", JSON, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    instance_id(),
    Column("key_hash", String(64), primary_key=True),
    Column("sealed_answer", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_idempotency_keys_expiry", "instance_id", "expires_at"),
)
