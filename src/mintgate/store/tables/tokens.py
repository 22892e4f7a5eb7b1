"""What was issued and lives on, and what was ended before its time."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Double, Index, String, Table, UniqueConstraint

from mintgate.store.tables.common import instance_id, metadata

refresh_families = Table(
    "refresh_families",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("sid", String(32), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("idp", String(64), nullable=False),
    Column("tid", String(64)),
    # What was asked for one by one [EXT-15].
    Column("acr", String(64)),
    Column("id_token_claims", JSON, nullable=False, server_default="[]"),
    Column("userinfo_claims", JSON, nullable=False, server_default="[]"),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_because", String(32)),
    Index("ix_refresh_families_user_time", "instance_id", "user_id", "created_at"),
    Index("ix_refresh_families_application_time", "instance_id", "application_id", "created_at"),
    Index("ix_refresh_families_sid", "instance_id", "sid"),
    Index("ix_refresh_families_expiry", "instance_id", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    instance_id(),
    Column("token_hash", String(64), primary_key=True),
    Column("family_id", String(36), nullable=False),
    Column("parent_hash", String(64)),
    Column("issued_at", Double, nullable=False),
    Column("consumed_at", Double),
    Index("ix_refresh_tokens_family", "instance_id", "family_id"),
    Index("ix_refresh_tokens_parent", "instance_id", "parent_hash"),
)

userinfo_requests = Table(
    "userinfo_requests",
    metadata,
    instance_id(),
    Column("jti", String(32), primary_key=True),
    Column("claims", JSON, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_userinfo_requests_expiry", "instance_id", "expires_at"),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    instance_id(),
    Column("jti", String(32), primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("ix_revoked_tokens_expiry", "instance_id", "expires_at"),
)

revoked_before = Table(
    "revoked_before",
    metadata,
    instance_id(),
    # The id of a user or an application; that of the instance, after a restore, is for every JWT.
    Column("subject", String(36), primary_key=True),
    Column("not_before", BigInteger, nullable=False),
    Index("ix_revoked_before_time", "instance_id", "not_before"),
)

reference_tokens = Table(
    "reference_tokens",
    metadata,
    instance_id(),
    Column("token_key", String(64), primary_key=True),
    Column("id", String(36), nullable=False),
    Column("kind", String(3), nullable=False),
    Column("application_id", String(36), nullable=False),
    Column("user_id", String(36)),
    Column("scopes", JSON, nullable=False),
    Column("description", String(128)),
    Column("jti", String(32), nullable=False),
    Column("sid", String(32)),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
    Column("revoked_by", String(64)),
    # When its owner is to be told next that it ends; null when nothing is left to tell.
    Column("remind_at", Double),
    UniqueConstraint("instance_id", "id"),
    UniqueConstraint("instance_id", "jti"),
    Index("ix_reference_tokens_user_time", "instance_id", "user_id", "created_at"),
    Index("ix_reference_tokens_application_time", "instance_id", "application_id", "created_at"),
    Index("ix_reference_tokens_remind", "instance_id", "remind_at"),
)
