"""The key with which an instance signs what it tells applications [EVT-6, EVT-7].

One of its own and no token key: those change every 90 days and may be of other algorithms, while
receivers keep this one; and a signature of one kind must never pass for one of the other. An
instance that has a key tells applications, one without does not.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select

from mintgate.contract.feed import ChangedInstance
from mintgate.jose import SigningKey
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.rows import from_row
from mintgate.store.sealing import marketplace_key_name, require_opens
from mintgate.store.tables import marketplace_keys
from mintgate.store.transaction import Transaction


class MarketplaceKey(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may know of it.

    Args:
        created_at: Unix seconds.
        public_key: SubjectPublicKeyInfo as PEM.
    """

    kid: str
    created_at: float
    public_key: str


def find(connection: Connection, instance_id: str) -> MarketplaceKey | None:
    """The key; None where applications are told nothing."""
    row = connection.execute(_newest(instance_id)).mappings().first()
    return from_row(MarketplaceKey, row) if row else None


def signing(connection: Connection, instance_id: str, kek: KeyEncryptionKey) -> SigningKey | None:
    """The private key.

    Raises:
        KeyEncryptionProblem: sealed with another key-encryption key.
    """
    row = connection.execute(_newest(instance_id)).mappings().first()
    if row is None:
        return None
    pkcs8 = kek.open(row["private_key"], marketplace_key_name(instance_id, row["kid"]))
    return SigningKey.from_pkcs8(row["kid"], pkcs8)


def put(tx: Transaction, instance_id: str, kek: KeyEncryptionKey, key: SigningKey) -> None:
    """Sign with this RSA key from now on, and with no other.

    Raises:
        KeyEncryptionProblem: other things were sealed with another key-encryption key.
    """
    # First, for its lock: see `sealing.reseal`.
    tx.changed(instance_id, instance_id, ChangedInstance())
    require_opens(tx.connection, kek)
    remove(tx, instance_id)
    tx.connection.execute(
        insert(marketplace_keys).values(
            instance_id=instance_id,
            kid=key.kid,
            created_at=tx.now,
            public_key=key.public.to_pem().decode(),
            private_key=kek.seal(key.to_pkcs8(), marketplace_key_name(instance_id, key.kid)),
        )
    )


def remove(tx: Transaction, instance_id: str) -> bool:
    """Sign nothing any more; False when there was no key."""
    result = tx.connection.execute(
        delete(marketplace_keys).where(marketplace_keys.c.instance_id == instance_id)
    )
    return bool(result.rowcount)


def _newest(instance_id: str) -> Select[Any]:
    return (
        select(marketplace_keys)
        .where(marketplace_keys.c.instance_id == instance_id)
        .order_by(marketplace_keys.c.created_at.desc(), marketplace_keys.c.kid)
        .limit(1)
    )
