"""The way to a token through a browser: tries, sign-ins, consents, codes, ends of sign-ins."""

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
    Text,
    UniqueConstraint,
)

from mintgate.store.tables.common import instance_id, metadata

identity_sessions = Table(
    "identity_sessions",
    metadata,
    instance_id(),
    Column("sid", String(32), primary_key=True),
    Column("cookie_hash", String(64), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("idp", String(64), nullable=False),
    Column("tid", String(64)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    # Where and when this browser last used it; for the person to recognise it.
    Column("last_used_at", Double),
    Column("address", String(64)),
    Column("user_agent", String(256)),
    # The device of `user_devices` where it was made.
    Column("device_hash", String(64)),
    UniqueConstraint("instance_id", "cookie_hash"),
    Index("ix_identity_sessions_user_time", "instance_id", "user_id", "created_at"),
    Index("ix_identity_sessions_expiry", "instance_id", "expires_at"),
    Index("ix_identity_sessions_time", "instance_id", "created_at"),
)

# Where a person signed in [PRF-8]: the name of the device is in its cookie [SGN-6], and here its
# digest. A device that was removed stays, so that the cookie from before counts no more.
user_devices = Table(
    "user_devices",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("device_hash", String(64), nullable=False),
    Column("info", String(256)),
    Column("created_at", Double, nullable=False),
    Column("last_sign_in_at", Double, nullable=False),
    Column("removed_at", Double),
    UniqueConstraint("instance_id", "user_id", "device_hash"),
    Index("ix_user_devices_last_sign_in", "instance_id", "last_sign_in_at"),
)

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    instance_id(),
    Column("bucket", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("login", String(64)),
    Column("tries", Integer, nullable=False),
    Column("ends_at", Double, nullable=False),
    Index("ix_sign_in_tries_login", "instance_id", "login"),
    Index("ix_sign_in_tries_expiry", "instance_id", "ends_at"),
)

interactions = Table(
    "interactions",
    metadata,
    instance_id(),
    Column("id_hash", String(64), primary_key=True),
    Column("parameters", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("authenticated_sid", String(32)),
    Column("chosen_sid", String(32)),
    Column("consented_by", String(36)),
    Index("ix_interactions_expiry", "instance_id", "expires_at"),
)

consents = Table(
    "consents",
    metadata,
    instance_id(),
    Column("user_id", String(36), primary_key=True),
    Column("application_id", String(36), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("given_at", Double, nullable=False),
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    instance_id(),
    Column("code_hash", String(64), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("user_type", String(32), nullable=False),
    Column("sid", String(32), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("code_challenge", String(128)),
    Column("nonce", Text),
    Column("state_hash", String(43)),
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
    Column("consumed_at", Double),
    # What the redemption gave, so that a second one can take it back [TKN-47].
    Column("jti", String(32)),
    Column("token_expires_at", Double),
    Column("family_id", String(36)),
    Index("ix_authorization_codes_user", "instance_id", "user_id"),
    Index("ix_authorization_codes_sid", "instance_id", "sid"),
    Index("ix_authorization_codes_expiry", "instance_id", "expires_at"),
)

# Which applications a sign-in was used for; a row outlives the session, as refresh tokens do.
session_applications = Table(
    "session_applications",
    metadata,
    instance_id(),
    Column("sid", String(32), primary_key=True),
    Column("application_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_session_applications_user", "instance_id", "user_id"),
    Index("ix_session_applications_expiry", "instance_id", "expires_at"),
)

# Ends of sessions that an application is still to be told of [EXT-3]. Whoever claims a row moves
# `due_at` to the end of the lease.
logout_notices = Table(
    "logout_notices",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("sid", String(32), nullable=False),
    Column("sub", String(64)),
    Column("created_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("claimed_by", String(32)),
    Index("ix_logout_notices_due", "instance_id", "due_at"),
)
