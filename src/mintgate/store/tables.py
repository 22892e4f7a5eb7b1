"""Every table, as SQLAlchemy Core. Each key starts with the instance, so that rows can be sharded.

Times are Unix seconds. Texts that a person typed are kept as typed; `…_key` columns hold the
form that is compared (case folded).
"""

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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _instance_id() -> Column[str]:
    return Column("instance_id", String(36), primary_key=True)


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
    # The number of the newest entry of the state feed. Updating it serialises those who append,
    # so that numbers become visible in order on PostgreSQL too.
    Column("feed_position", BigInteger, nullable=False, server_default="0"),
)

state_feed = Table(
    "state_feed",
    metadata,
    _instance_id(),
    Column("position", BigInteger, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(254), nullable=False),
    Column("at", Double, nullable=False),
)

apis = Table(
    "apis",
    metadata,
    _instance_id(),
    Column("name", String(64), primary_key=True),
    Column("secret_hash", String(64)),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    _instance_id(),
    Column("kid", String(32), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("active_from", Double, nullable=False),
    Column("ended_at", Double),
    Column("public_jwk", JSON, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
)

users = Table(
    "users",
    metadata,
    _instance_id(),
    Column("id", String(36), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("login_key", String(64), nullable=False),
    Column("name", JSON, nullable=False),
    Column("user_type", String(32), nullable=False),
    Column("email", String(254)),
    Column("email_key", String(254)),
    Column("email_confirmed", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("default_language", String(15)),
    Column("phone_number", String(64)),
    Column("basic_authentication_allowed", Boolean, nullable=False),
    Column("locked_until", Double),
    Column("password_hash", Text),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("instance_id", "login_key"),
    UniqueConstraint("instance_id", "email_key"),
)

applications = Table(
    "applications",
    metadata,
    _instance_id(),
    Column("id", String(36), primary_key=True),
    Column("name", JSON, nullable=False),
    Column("application_uri", String(254), nullable=False),
    Column("application_uri_key", String(254), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("client_type", String(16), nullable=False),
    Column("application_secret_hash", String(250)),
    Column("impersonate_login_url", String(500)),
    Column("impersonate_logout_url", String(500)),
    Column("impersonate_as_internal_user_allowed", Boolean, nullable=False),
    Column("impersonate_as_community_user_allowed", Boolean, nullable=False),
    Column("system_user_allowed", Boolean, nullable=False),
    Column("system_user", String(36), quote=True),  # a reserved word of PostgreSQL
    Column("system_user_login_url", String(254)),
    Column("scope", Text),
    Column("reference_tokens", String(32), nullable=False),
    Column("basic_authentication_allowed", Boolean, nullable=False),
    Column("require_consent", Boolean, nullable=False),
    Column("creation_time_utc", BigInteger, nullable=False),
    Column("notes", Text),
    UniqueConstraint("instance_id", "application_uri_key"),
)

application_authorizations = Table(
    "application_authorizations",
    metadata,
    _instance_id(),
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

identity_sessions = Table(
    "identity_sessions",
    metadata,
    _instance_id(),
    Column("sid", String(32), primary_key=True),
    Column("cookie_hash", String(64), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("idp", String(64), nullable=False),
    Column("tid", String(64)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    UniqueConstraint("instance_id", "cookie_hash"),
    Index("ix_identity_sessions_user", "instance_id", "user_id"),
    Index("ix_identity_sessions_expiry", "instance_id", "expires_at"),
)

interactions = Table(
    "interactions",
    metadata,
    _instance_id(),
    Column("id_hash", String(64), primary_key=True),
    Column("parameters", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("authenticated_sid", String(32)),
    Column("consented_by", String(36)),
    Index("ix_interactions_expiry", "instance_id", "expires_at"),
)

consents = Table(
    "consents",
    metadata,
    _instance_id(),
    Column("user_id", String(36), primary_key=True),
    Column("application_id", String(36), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("given_at", Double, nullable=False),
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    _instance_id(),
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

refresh_families = Table(
    "refresh_families",
    metadata,
    _instance_id(),
    Column("id", String(36), primary_key=True),
    Column("application_id", String(36), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("sid", String(32), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("amr", JSON, nullable=False),
    Column("idp", String(64), nullable=False),
    Column("tid", String(64)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_because", String(32)),
    Index("ix_refresh_families_user", "instance_id", "user_id"),
    Index("ix_refresh_families_application", "instance_id", "application_id"),
    Index("ix_refresh_families_sid", "instance_id", "sid"),
    Index("ix_refresh_families_expiry", "instance_id", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    _instance_id(),
    Column("token_hash", String(64), primary_key=True),
    Column("family_id", String(36), nullable=False),
    Column("parent_hash", String(64)),
    Column("issued_at", Double, nullable=False),
    Column("consumed_at", Double),
    Index("ix_refresh_tokens_family", "instance_id", "family_id"),
    Index("ix_refresh_tokens_parent", "instance_id", "parent_hash"),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    _instance_id(),
    Column("jti", String(32), primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("ix_revoked_tokens_expiry", "instance_id", "expires_at"),
)

reference_tokens = Table(
    "reference_tokens",
    metadata,
    _instance_id(),
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
    UniqueConstraint("instance_id", "id"),
    UniqueConstraint("instance_id", "jti"),
    Index("ix_reference_tokens_user", "instance_id", "user_id"),
    Index("ix_reference_tokens_application", "instance_id", "application_id"),
)

audit_events = Table(
    "audit_events",
    metadata,
    _instance_id(),
    Column("writer_id", String(16), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", String(48), nullable=False),
    Column("actor", String(64)),
    Column("application", String(254)),
    Column("session", String(32)),
    Column("jti", String(32)),
    Column("address", String(64)),
    Column("cause", Text),
    Column("details", JSON),
    Index("ix_audit_events_at", "instance_id", "at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _instance_id(),
    Column("key_hash", String(64), primary_key=True),
    Column("sealed_answer", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_idempotency_keys_expiry", "instance_id", "expires_at"),
)

# The data that the built-in APIs serve: see `records`.
