"""The key that signs checkpoints: Ed25519, sealed like a signing key of tokens.

A public half that is only stored could be anybody's who can write the table. One is believed when
its private half opens under the key-encryption key, for nobody else can have sealed it, or when
the operator has pinned it. So the key-encryption key can be changed (`store.sealing`), and what
was signed before stays verifiable.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, insert, select

from mintgate.store import instances
from mintgate.store.audit.event import AuditEvent
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.sealing import audit_key_name, require_opens
from mintgate.store.tables import audit_keys
from mintgate.store.transaction import Transaction


class AuditKey:
    """A private key and the name under which its signatures are checked."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = _text(private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


def signing_key(tx: Transaction, instance_id: str, kek: KeyEncryptionKey) -> AuditKey:
    """The instance's key; it is made when there is none.

    Raises:
        KeyEncryptionProblem: there are keys, and none of them opens.
    """
    found, problems = _opened(tx.connection, instance_id, kek)
    if found:
        return found[-1]
    if problems:
        raise KeyEncryptionProblem(
            "the key of the audit log was sealed with another key-encryption key"
        )
    instances.lock(tx, instance_id)  # see `sealing.reseal`
    require_opens(tx.connection, kek)
    private = Ed25519PrivateKey.generate()
    key = AuditKey(private)
    tx.connection.execute(
        insert(audit_keys).values(
            instance_id=instance_id,
            public_key=key.public_key,
            created_at=tx.now,
            private_key=kek.seal(
                private.private_bytes_raw(), audit_key_name(instance_id, key.public_key)
            ),
        )
    )
    tx.record(
        AuditEvent(
            instance_id=instance_id,
            at=tx.now,
            event="audit.key_added",
            details={"public_key": key.public_key},
        )
    )
    return key


def trusted(
    connection: Connection, instance_id: str, kek: KeyEncryptionKey
) -> tuple[frozenset[str], list[str]]:
    """Public keys whose private half opens under `kek`, and those in the table that are not so."""
    found, problems = _opened(connection, instance_id, kek)
    return frozenset(key.public_key for key in found), problems


def is_signed(public_key: str, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is one of `public_key` (32 bytes in base64url) over `data`."""
    try:
        raw = urlsafe_b64decode(public_key + "=")
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _opened(
    connection: Connection, instance_id: str, kek: KeyEncryptionKey
) -> tuple[list[AuditKey], list[str]]:
    rows = connection.execute(
        select(audit_keys)
        .where(audit_keys.c.instance_id == instance_id)
        .order_by(audit_keys.c.created_at, audit_keys.c.public_key)
    )
    found: list[AuditKey] = []
    problems: list[str] = []
    for row in rows:
        key = _open(row.private_key, instance_id, row.public_key, kek)
        if key is None:
            problems.append(row.public_key)
        else:
            found.append(key)
    return found, problems


def _open(
    sealed: bytes, instance_id: str, public_key: str, kek: KeyEncryptionKey
) -> AuditKey | None:
    try:
        raw = kek.open(bytes(sealed), audit_key_name(instance_id, public_key))
        key = AuditKey(Ed25519PrivateKey.from_private_bytes(raw))
    except (KeyEncryptionProblem, ValueError):
        return None
    return key if key.public_key == public_key else None


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
