"""Second factors: one-time codes, recovery codes, passkeys, and sign-ins that await one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

RULES = ("second_factor_internal", "second_factor_community")
TABLES = ("sign_in_proofs", "passkey_challenges", "passkeys", "recovery_codes", "second_factors")


def upgrade() -> None:
    for rule in RULES:
        op.add_column(
            "instances",
            sa.Column(rule, sa.String(16), nullable=False, server_default="allowed"),
        )
    op.add_column(
        "users",
        sa.Column("two_factor_enabled", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "second_factors",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("user_handle", sa.String(86), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary()),
        sa.Column("totp_since", sa.Double()),
        sa.Column("totp_last_step", sa.BigInteger()),
        sa.Column("pending_secret", sa.LargeBinary()),
        sa.Column("pending_until", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "user_id", name="pk_second_factors"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "user_id", "code_hash", name="pk_recovery_codes"),
    )
    op.create_table(
        "passkeys",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("credential_hash", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_used_at", sa.Double()),
        sa.PrimaryKeyConstraint("instance_id", "id", name="pk_passkeys"),
        sa.UniqueConstraint(
            "instance_id", "credential_hash", name="uq_passkeys_instance_id_credential_hash"
        ),
    )
    op.create_index("ix_passkeys_user", "passkeys", ["instance_id", "user_id"])
    op.create_table(
        "passkey_challenges",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("challenge_hash", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("bound_to", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "challenge_hash", name="pk_passkey_challenges"),
    )
    op.create_index(
        "ix_passkey_challenges_expiry", "passkey_challenges", ["instance_id", "expires_at"]
    )
    op.create_table(
        "sign_in_proofs",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("proof_hash", sa.String(64), nullable=False),
        sa.Column("interaction_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("password_digest", sa.String(64), nullable=False),
        sa.Column("remember", sa.Boolean(), nullable=False),
        sa.Column("amr", sa.JSON()),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "proof_hash", name="pk_sign_in_proofs"),
    )
    op.create_index("ix_sign_in_proofs_expiry", "sign_in_proofs", ["instance_id", "expires_at"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    with op.batch_alter_table("users") as batch:
        batch.drop_column("two_factor_enabled")
    with op.batch_alter_table("instances") as batch:
        for rule in RULES:
            batch.drop_column(rule)
