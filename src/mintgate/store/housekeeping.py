"""Removing what has ended by itself. Audit events are never touched here."""

from __future__ import annotations

from mintgate.store import (
    codes,
    feed,
    idempotency,
    refresh,
    revocations,
    session_applications,
    sessions,
    sign_in_tries,
    userinfo_requests,
)
from mintgate.store.transaction import Transaction

KEPT_AFTER_END = 24 * 3600.0
"""Seconds. A used code outlives the access token that it gave, so that a replay takes it back."""
FEED_KEPT = 7 * 24 * 3600.0


def sweep(tx: Transaction, instance_id: str, now: float) -> dict[str, int]:
    """Remove some rows of one instance that can decide nothing any more.

    Returns:
        How many of each kind; while one of them is a whole `BATCH`, more may be waiting.
    """
    before = now - KEPT_AFTER_END
    return {
        "codes": codes.purge(tx, instance_id, before),
        "sessions": sessions.purge(tx, instance_id, now),
        "session_applications": session_applications.purge(tx, instance_id, now),
        "refresh_families": refresh.purge(tx, instance_id, before),
        "userinfo_requests": userinfo_requests.purge(tx, instance_id, before),
        "revoked_tokens": revocations.purge(tx, instance_id, before),
        "idempotency_keys": idempotency.purge(tx, instance_id, now),
        "sign_in_tries": sign_in_tries.purge(tx, instance_id, now),
        "feed_entries": feed.purge(tx.connection, instance_id, now - FEED_KEPT),
    }
