"""Remembered consents, taken back [EXT-2]."""

from __future__ import annotations

from sqlalchemy import delete

from mintgate.store import refresh
from mintgate.store.tables import consents
from mintgate.store.transaction import Transaction


def withdraw(tx: Transaction, instance_id: str, user_id: str, application_id: str) -> int | None:
    """Forget the consent and end the refresh tokens that stand on it.

    Returns:
        How many families ended; None when there was no consent.
    """
    result = tx.connection.execute(
        delete(consents).where(
            consents.c.instance_id == instance_id,
            consents.c.user_id == user_id,
            consents.c.application_id == application_id,
        )
    )
    if not result.rowcount:
        return None
    return refresh.revoke_of_consent(tx, instance_id, user_id, application_id, "consent_withdrawn")
