"""Whether an instance tells applications: it does while it has a key to sign with [EVT-7]."""

from __future__ import annotations

from mintgate.jose import SigningKey
from mintgate.store import AuditEvent, Transaction, lifecycle_events, marketplace_keys
from mintgate.store.key_encryption import KeyEncryptionKey


def enable(
    tx: Transaction,
    instance_id: str,
    key_encryption_key: KeyEncryptionKey,
    key: SigningKey,
    actor: str,
) -> None:
    """Tell applications from now on, signed with this RSA key and no other.

    Raises:
        KeyEncryptionProblem: other things were sealed with another key-encryption key.
    """
    marketplace_keys.put(tx, instance_id, key_encryption_key, key)
    tx.record(
        AuditEvent(
            instance_id=instance_id,
            at=tx.now,
            event="marketplace.enabled",
            actor=actor,
            details={"kid": key.kid},
        )
    )


def disable(tx: Transaction, instance_id: str, actor: str) -> bool:
    """Tell nobody any more, not even what waits; False when it was so before."""
    if not marketplace_keys.remove(tx, instance_id):
        return False
    given_up = lifecycle_events.give_up_all(tx, instance_id, "the marketplace was switched off")
    tx.record(
        AuditEvent(
            instance_id=instance_id,
            at=tx.now,
            event="marketplace.disabled",
            actor=actor,
            details={"given_up": given_up},
        )
    )
    return True
