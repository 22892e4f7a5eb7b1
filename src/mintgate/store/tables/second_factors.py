"""What proves a person besides the password, and sign-ins that are half proved."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from mintgate.store.tables.common import instance_id, metadata

# One row for a person with a second factor, or with one that was begun.
second_factors = Table(
    "second_factors",
    metadata,
    instance_id(),
    Column("user_id", String(36), primary_key=True),
    # What authenticators know the person by: random, so that it tells nobody who it is.
    Column("user_handle", String(86), nullable=False),
    Column("totp_secret", LargeBinary),
    Column("totp_since", Double),
    Column("totp_last_step", BigInteger),
    # Of the release before; `totp_offers` stands in their place.
    Column("pending_secret", LargeBinary),
    Column("pending_until", Double),
)

# A secret that no code has been shown for yet, for the one sign-in where it is shown.
totp_offers = Table(
    "totp_offers",
    metadata,
    instance_id(),
    Column("user_id", String(36), primary_key=True),
    Column("bound_to", String(64), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_totp_offers_expiry", "instance_id", "expires_at"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    instance_id(),
    Column("user_id", String(36), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
)

passkeys = Table(
    "passkeys",
    metadata,
    instance_id(),
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("credential_hash", String(64), nullable=False),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("name", String(64), nullable=False),
    # Whether the key may be copied to other devices, and whether it is.
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    UniqueConstraint("instance_id", "credential_hash"),
    Index("ix_passkeys_user", "instance_id", "user_id"),
)

passkey_challenges = Table(
    "passkey_challenges",
    metadata,
    instance_id(),
    Column("challenge_hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("bound_to", String(64), nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_passkey_challenges_expiry", "instance_id", "expires_at"),
)

# A right password whose second factor is awaited; the cookie's value is stored as a digest.
sign_in_proofs = Table(
    "sign_in_proofs",
    metadata,
    instance_id(),
    Column("proof_hash", String(64), primary_key=True),
    Column("interaction_hash", String(64), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("password_digest", String(64), nullable=False),
    Column("remember", Boolean, nullable=False),
    # The methods of the whole sign-in, as soon as all is proved.
    Column("amr", JSON(none_as_null=True)),
    Column("expires_at", Double, nullable=False),
    Index("ix_sign_in_proofs_expiry", "instance_id", "expires_at"),
    Index("ix_sign_in_proofs_user", "instance_id", "user_id"),
)
