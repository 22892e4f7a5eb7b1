"""First light."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "apis",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "name", name=op.f("pk_apis")),
    )
    op.create_table(
        "application_authorizations",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("context_user", sa.String(length=36), nullable=False),
        sa.Column("granting_user", sa.String(length=36), nullable=True),
        sa.Column("grant_time_utc", sa.BigInteger(), nullable=False),
        sa.Column("valid_from_utc", sa.BigInteger(), nullable=True),
        sa.Column("valid_until_utc", sa.BigInteger(), nullable=True),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "id", name=op.f("pk_application_authorizations")),
        sa.UniqueConstraint(
            "instance_id",
            "application_id",
            "context_user",
            name="uq_application_authorizations_user",
        ),
    )
    op.create_table(
        "applications",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("application_uri", sa.String(length=254), nullable=False),
        sa.Column("application_uri_key", sa.String(length=254), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("client_type", sa.String(length=16), nullable=False),
        sa.Column("application_secret_hash", sa.String(length=250), nullable=True),
        sa.Column("impersonate_login_url", sa.String(length=500), nullable=True),
        sa.Column("impersonate_logout_url", sa.String(length=500), nullable=True),
        sa.Column("impersonate_as_internal_user_allowed", sa.Boolean(), nullable=False),
        sa.Column("impersonate_as_community_user_allowed", sa.Boolean(), nullable=False),
        sa.Column("system_user_allowed", sa.Boolean(), nullable=False),
        sa.Column("system_user", sa.String(length=36), nullable=True, quote=True),
        sa.Column("system_user_login_url", sa.String(length=254), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("reference_tokens", sa.String(length=32), nullable=False),
        sa.Column("basic_authentication_allowed", sa.Boolean(), nullable=False),
        sa.Column("require_consent", sa.Boolean(), nullable=False),
        sa.Column("creation_time_utc", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "id", name=op.f("pk_applications")),
        sa.UniqueConstraint(
            "instance_id",
            "application_uri_key",
            name=op.f("uq_applications_instance_id_application_uri_key"),
        ),
    )
    op.create_table(
        "audit_events",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("writer_id", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(length=48), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=True),
        sa.Column("application", sa.String(length=254), nullable=True),
        sa.Column("session", sa.String(length=32), nullable=True),
        sa.Column("jti", sa.String(length=32), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint(
            "instance_id", "writer_id", "sequence", name=op.f("pk_audit_events")
        ),
    )
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.create_index("ix_audit_events_at", ["instance_id", "at"], unique=False)

    op.create_table(
        "authorization_codes",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("user_type", sa.String(length=32), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=True),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("state_hash", sa.String(length=43), nullable=True),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("idp", sa.String(length=64), nullable=False),
        sa.Column("tid", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("consumed_at", sa.Double(), nullable=True),
        sa.Column("jti", sa.String(length=32), nullable=True),
        sa.Column("token_expires_at", sa.Double(), nullable=True),
        sa.Column("family_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "code_hash", name=op.f("pk_authorization_codes")),
    )
    with op.batch_alter_table("authorization_codes", schema=None) as batch_op:
        batch_op.create_index("ix_authorization_codes_user", ["instance_id", "user_id"])
        batch_op.create_index("ix_authorization_codes_sid", ["instance_id", "sid"])
        batch_op.create_index(
            "ix_authorization_codes_expiry", ["instance_id", "expires_at"], unique=False
        )

    op.create_table(
        "consents",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("given_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance_id", "user_id", "application_id", name=op.f("pk_consents")
        ),
    )
    op.create_table(
        "identity_sessions",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("cookie_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("idp", sa.String(length=64), nullable=False),
        sa.Column("tid", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "sid", name=op.f("pk_identity_sessions")),
        sa.UniqueConstraint(
            "instance_id", "cookie_hash", name=op.f("uq_identity_sessions_instance_id_cookie_hash")
        ),
    )
    with op.batch_alter_table("identity_sessions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_identity_sessions_expiry", ["instance_id", "expires_at"], unique=False
        )
        batch_op.create_index("ix_identity_sessions_user", ["instance_id", "user_id"], unique=False)

    op.create_table(
        "instances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("base_url", sa.String(length=254), nullable=False),
        sa.Column("licences", sa.Integer(), nullable=False),
        sa.Column("access_token_lifetime", sa.Integer(), nullable=False),
        sa.Column("public_refresh_tokens", sa.Boolean(), nullable=False),
        sa.Column("refresh_grace_seconds", sa.Integer(), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
        sa.UniqueConstraint("base_url", name=op.f("uq_instances_base_url")),
        sa.UniqueConstraint("name", name=op.f("uq_instances_name")),
    )
    op.create_table(
        "interactions",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("authenticated_sid", sa.String(length=32), nullable=True),
        sa.Column("consented_by", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "id_hash", name=op.f("pk_interactions")),
    )
    with op.batch_alter_table("interactions", schema=None) as batch_op:
        batch_op.create_index("ix_interactions_expiry", ["instance_id", "expires_at"], unique=False)

    op.create_table(
        "refresh_families",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("application_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("idp", sa.String(length=64), nullable=False),
        sa.Column("tid", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("revoked_because", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "id", name=op.f("pk_refresh_families")),
    )
    with op.batch_alter_table("refresh_families", schema=None) as batch_op:
        batch_op.create_index(
            "ix_refresh_families_application", ["instance_id", "application_id"], unique=False
        )
        batch_op.create_index(
            "ix_refresh_families_expiry", ["instance_id", "expires_at"], unique=False
        )
        batch_op.create_index("ix_refresh_families_sid", ["instance_id", "sid"], unique=False)
        batch_op.create_index("ix_refresh_families_user", ["instance_id", "user_id"], unique=False)

    op.create_table(
        "refresh_tokens",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=False),
        sa.Column("parent_hash", sa.String(length=64), nullable=True),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("consumed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("instance_id", "token_hash", name=op.f("pk_refresh_tokens")),
    )
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.create_index(
            "ix_refresh_tokens_family", ["instance_id", "family_id"], unique=False
        )
        batch_op.create_index(
            "ix_refresh_tokens_parent", ["instance_id", "parent_hash"], unique=False
        )

    op.create_table(
        "revoked_tokens",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("jti", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "jti", name=op.f("pk_revoked_tokens")),
    )
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.create_index(
            "ix_revoked_tokens_expiry", ["instance_id", "expires_at"], unique=False
        )

    op.create_table(
        "signing_keys",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("kid", sa.String(length=32), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("active_from", sa.Double(), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "state_feed",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=254), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "position", name=op.f("pk_state_feed")),
    )
    op.create_table(
        "users",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("login_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("user_type", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_key", sa.String(length=254), nullable=True),
        sa.Column("email_confirmed", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("default_language", sa.String(length=15), nullable=True),
        sa.Column("phone_number", sa.String(length=64), nullable=True),
        sa.Column("basic_authentication_allowed", sa.Boolean(), nullable=False),
        sa.Column("locked_until", sa.Double(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint(
            "instance_id", "email_key", name=op.f("uq_users_instance_id_email_key")
        ),
        sa.UniqueConstraint(
            "instance_id", "login_key", name=op.f("uq_users_instance_id_login_key")
        ),
    )


def downgrade() -> None:
    op.drop_table("users")
    op.drop_table("state_feed")
    op.drop_table("signing_keys")
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_revoked_tokens_expiry")

    op.drop_table("revoked_tokens")
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_refresh_tokens_parent")
        batch_op.drop_index("ix_refresh_tokens_family")

    op.drop_table("refresh_tokens")
    with op.batch_alter_table("refresh_families", schema=None) as batch_op:
        batch_op.drop_index("ix_refresh_families_user")
        batch_op.drop_index("ix_refresh_families_sid")
        batch_op.drop_index("ix_refresh_families_expiry")
        batch_op.drop_index("ix_refresh_families_application")

    op.drop_table("refresh_families")
    with op.batch_alter_table("interactions", schema=None) as batch_op:
        batch_op.drop_index("ix_interactions_expiry")

    op.drop_table("interactions")
    op.drop_table("instances")
    with op.batch_alter_table("identity_sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_identity_sessions_user")
        batch_op.drop_index("ix_identity_sessions_expiry")

    op.drop_table("identity_sessions")
    op.drop_table("consents")
    with op.batch_alter_table("authorization_codes", schema=None) as batch_op:
        batch_op.drop_index("ix_authorization_codes_expiry")

    op.drop_table("authorization_codes")
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_events_at")

    op.drop_table("audit_events")
    op.drop_table("applications")
    op.drop_table("application_authorizations")
    op.drop_table("apis")
