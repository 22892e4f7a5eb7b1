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
    false,
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
    Column("signing_algorithm", String(16), nullable=False, server_default="RS256"),
    Column("max_reference_token_days", Integer),
    Column("audit_retention_days", Integer),
    Column("allow_private_logout_targets", Boolean, nullable=False, server_default=false()),
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
    # What verifiers elsewhere are told; `subject` is for the followers of this database.
    Column("data", JSON, nullable=False, server_default="{}"),
    Column("at", Double, nullable=False),
    Index("ix_state_feed_at", "instance_id", "at"),
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
    # For display only [SGN-10]; what decides is in sign_in_tries.
    Column("access_failed_count", Integer, nullable=False, server_default="0"),
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

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    _instance_id(),
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
    _instance_id(),
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
    _instance_id(),
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
    _instance_id(),
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
    # What was asked for one by one [EXT-15].
    Column("acr", String(64)),
    Column("id_token_claims", JSON, nullable=False, server_default="[]"),
    Column("userinfo_claims", JSON, nullable=False, server_default="[]"),
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

userinfo_requests = Table(
    "userinfo_requests",
    metadata,
    _instance_id(),
    Column("jti", String(32), primary_key=True),
    Column("claims", JSON, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_userinfo_requests_expiry", "instance_id", "expires_at"),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    _instance_id(),
    Column("jti", String(32), primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("ix_revoked_tokens_expiry", "instance_id", "expires_at"),
)

revoked_before = Table(
    "revoked_before",
    metadata,
    _instance_id(),
    Column("subject", String(36), primary_key=True),  # the id of a user or an application
    Column("not_before", BigInteger, nullable=False),
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
    # When its owner is to be told next that it ends; null when nothing is left to tell.
    Column("remind_at", Double),
    UniqueConstraint("instance_id", "id"),
    UniqueConstraint("instance_id", "jti"),
    Index("ix_reference_tokens_user", "instance_id", "user_id"),
    Index("ix_reference_tokens_application", "instance_id", "application_id"),
    Index("ix_reference_tokens_remind", "instance_id", "remind_at"),
)

audit_events = Table(
    "audit_events",
    metadata,
    _instance_id(),
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
# Only rows that name a user are in them: tokens of services cost nothing here.
for _name in ("actor_id", "subject_id"):
    Index(
        f"ix_audit_events_{_name}",
        audit_events.c.instance_id,
        audit_events.c[_name],
        sqlite_where=audit_events.c[_name].is_not(None),
        postgresql_where=audit_events.c[_name].is_not(None),
    )

audit_keys = Table(
    "audit_keys",
    metadata,
    _instance_id(),
    Column("public_key", String(43), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    _instance_id(),
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
    _instance_id(),
    Column("checkpoint", BigInteger, primary_key=True),
    Column("writer_id", String(16), primary_key=True),
    Column("is_cut", Boolean, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_heads_writer", "instance_id", "writer_id", "sequence"),
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
