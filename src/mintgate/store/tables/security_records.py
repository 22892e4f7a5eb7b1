"""Users, trusted applications and authorizations: what administrators keep."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from mintgate.store.tables.common import by_code_points, instance_id, metadata

users = Table(
    "users",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("login_key", by_code_points(64), nullable=False),
    Column("name", JSON, nullable=False),
    Column("user_type", String(32), nullable=False),
    Column("email", String(254)),
    Column("email_key", by_code_points(254)),
    Column("email_confirmed", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("default_language", String(15)),
    Column("phone_number", String(64)),
    Column("basic_authentication_allowed", Boolean, nullable=False),
    Column("locked_until", Double),
    # For display only [SGN-10]; what decides is in sign_in_tries.
    Column("access_failed_count", Integer, nullable=False, server_default="0"),
    # The sum of second_factors and passkeys, so that one look tells [LEG-6].
    Column("two_factor_enabled", Boolean, nullable=False, server_default=false()),
    Column("password_hash", Text),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("instance_id", "login_key"),
    UniqueConstraint("instance_id", "email_key"),
)

applications = Table(
    "applications",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("name", JSON, nullable=False),
    Column("application_uri", String(254), nullable=False),
    Column("application_uri_key", String(254), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("client_type", String(16), nullable=False),
    Column("application_secret_hash", String(250)),
    Column("application_secret_made_utc", BigInteger),
    Column("application_secret_end_utc", BigInteger),
    Column("application_secret_remind_at", Double),
    Column("second_secret_hash", String(250)),
    Column("second_secret_made_utc", BigInteger),
    Column("second_secret_end_utc", BigInteger),
    Column("second_secret_remind_at", Double),
    Column("impersonate_login_url", String(500)),
    Column("impersonate_logout_url", String(500)),
    Column("impersonate_as_internal_user_allowed", Boolean, nullable=False),
    Column("impersonate_as_community_user_allowed", Boolean, nullable=False),
    Column("system_user_allowed", Boolean, nullable=False),
    Column("system_user", String(36), quote=True),  # a reserved word of PostgreSQL
    Column("system_user_login_url", String(254)),
    Column("scope", Text),
    Column("audiences", Text),
    Column("reference_tokens", String(32), nullable=False),
    Column("basic_authentication_allowed", Boolean, nullable=False),
    Column("require_consent", Boolean, nullable=False),
    Column("back_channel_logout_url", String(500)),
    Column("front_channel_logout_url", String(500)),
    Column("creation_time_utc", BigInteger, nullable=False),
    Column("notes", Text),
    UniqueConstraint("instance_id", "application_uri_key"),
)

application_authorizations = Table(
    "application_authorizations",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("context_user", String(36), nullable=False),
    Column("granting_user", String(36)),
    Column("grant_time_utc", BigInteger, nullable=False),
    Column("valid_from_utc", BigInteger),
    Column("valid_until_utc", BigInteger),
    Column("is_revoked", Boolean, nullable=False),
    Column("notes", Text),
    UniqueConstraint(
        "instance_id",
        "application_id",
        "context_user",
        name="uq_application_authorizations_user",
    ),
)
