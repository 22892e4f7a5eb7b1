"""Signing keys at rest, and the key-encryption key that seals them (AES-256-GCM)."""

from __future__ import annotations

import os
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select, update

from mintgate.contract.identifiers import new_hex128
from mintgate.contract.key_life import KeyTimes
from mintgate.jose import SigningKey
from mintgate.store.tables import signing_keys
from mintgate.store.transaction import Transaction

NONCE_BYTES = 12
KEY_VARIABLE = "MINTGATE_KEY_ENCRYPTION_KEY"


class KeyEncryptionProblem(Exception):
    """The key-encryption key is missing, malformed or not the one that sealed the data."""


class KeyEncryptionKey:
    """Seals and opens private keys; kept apart from the database.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise KeyEncryptionProblem("the key-encryption key must have 32 bytes (base64 of them)")
        self._cipher = AESGCM(secret)

    @classmethod
    def from_text(cls, text: str) -> KeyEncryptionKey:
        try:
            return cls(b64decode(text.strip(), validate=True))
        except (Base64Error, ValueError):
            raise KeyEncryptionProblem(
                "the key-encryption key is not base64; make one with: openssl rand -base64 32"
            ) from None

    @classmethod
    def from_file(cls, path: Path, *, create: bool) -> KeyEncryptionKey:
        """Read the key file, or make one that only its owner can read.

        Raises:
            KeyEncryptionProblem: it cannot be read or written.
        """
        try:
            if create and not path.exists():
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(b64encode(secrets.token_bytes(32)).decode() + "\n")
            return cls.from_text(path.read_text())
        except OSError as error:
            raise KeyEncryptionProblem(
                f"cannot read or write the key file {path}: {error.strerror}; "
                f"name another with --key-file, or set {KEY_VARIABLE}"
            ) from error

    def seal(self, data: bytes, name: bytes) -> bytes:
        """Encrypt `data`, bound to `name` (it opens under no other name)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, name)

    def open(self, sealed: bytes, name: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name)
        except InvalidTag:
            raise KeyEncryptionProblem(
                "the signing keys were sealed with another key-encryption key; "
                f"use that one (--key-file or {KEY_VARIABLE})"
            ) from None


class StoredKey(NamedTuple):
    """A key with its times."""

    key: SigningKey
    times: KeyTimes


def create(tx: Transaction, instance_id: str, kek: KeyEncryptionKey) -> SigningKey:
    """Make a key, active at once, and store it sealed."""
    key = SigningKey.generate(new_hex128())  # [DSC-15]
    add(tx, instance_id, kek, key, tx.now)
    return key


def add(
    tx: Transaction, instance_id: str, kek: KeyEncryptionKey, key: SigningKey, active_from: float
) -> None:
    """Store a key sealed; it signs from `active_from` (Unix seconds) and is published now."""
    tx.connection.execute(
        insert(signing_keys).values(
            instance_id=instance_id,
            kid=key.kid,
            algorithm="RS256",
            created_at=tx.now,
            active_from=active_from,
            public_jwk=key.public.to_jwk(),
            private_key=kek.seal(key.to_pkcs8(), _name(instance_id, key.kid)),
        )
    )
    tx.changed(instance_id, "key", key.kid)


def times(connection: Connection, instance_id: str) -> list[KeyTimes]:
    """The times of every key, oldest first; no private key is opened."""
    rows = connection.execute(
        select(signing_keys.c.kid, signing_keys.c.active_from, signing_keys.c.ended_at)
        .where(signing_keys.c.instance_id == instance_id)
        .order_by(signing_keys.c.active_from, signing_keys.c.kid)
    )
    return [KeyTimes(row.kid, row.active_from, row.ended_at) for row in rows]


def public_jwks(connection: Connection, instance_id: str) -> list[dict[str, Any]]:
    """The public halves of the keys that have not ended; no private key is opened."""
    statement = select(signing_keys.c.public_jwk).where(
        signing_keys.c.instance_id == instance_id, signing_keys.c.ended_at.is_(None)
    )
    return list(connection.execute(statement).scalars())


def end(tx: Transaction, instance_id: str, kid: str) -> bool:
    """Declare a key compromised: what it signed is refused from now on. False when it was."""
    result = tx.connection.execute(
        update(signing_keys)
        .where(
            signing_keys.c.instance_id == instance_id,
            signing_keys.c.kid == kid,
            signing_keys.c.ended_at.is_(None),
        )
        .values(ended_at=tx.now)
    )
    if result.rowcount:
        tx.changed(instance_id, "key", kid)
    return bool(result.rowcount)


def remove(tx: Transaction, instance_id: str, kid: str) -> None:
    """Delete a key that no live token can have been signed with."""
    tx.connection.execute(
        delete(signing_keys).where(
            signing_keys.c.instance_id == instance_id, signing_keys.c.kid == kid
        )
    )
    tx.changed(instance_id, "key", kid)


def all_of(connection: Connection, instance_id: str, kek: KeyEncryptionKey) -> list[StoredKey]:
    """Every key that has not ended, oldest first.

    Raises:
        KeyEncryptionProblem: sealed with another key-encryption key.
    """
    rows = connection.execute(
        select(signing_keys)
        .where(signing_keys.c.instance_id == instance_id, signing_keys.c.ended_at.is_(None))
        .order_by(signing_keys.c.active_from, signing_keys.c.kid)
    )
    return [
        StoredKey(
            SigningKey.from_pkcs8(row.kid, kek.open(row.private_key, _name(instance_id, row.kid))),
            KeyTimes(row.kid, row.active_from),
        )
        for row in rows
    ]


def _name(instance_id: str, kid: str) -> bytes:
    return f"{instance_id}/{kid}".encode()
