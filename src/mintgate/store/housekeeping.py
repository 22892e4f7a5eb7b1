"""Removing what has ended by itself. Audit events are never touched here."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from mintgate.contract import lifetimes
from mintgate.store import (
    audit_counts,
    codes,
    feed,
    idempotency,
    lifecycle_events,
    mailed_links,
    mails,
    passkeys,
    rate_counters,
    refresh,
    revocations,
    session_applications,
    sessions,
    sign_in_proofs,
    sign_in_tries,
    site_sessions,
    totp_offers,
    user_devices,
    userinfo_requests,
)
from mintgate.store.purging import BATCH
from mintgate.store.tables import (
    authorization_codes,
    idempotency_keys,
    identity_sessions,
    interactions,
    passkey_challenges,
    refresh_families,
    revoked_tokens,
    state_feed,
)
from mintgate.store.tables import lifecycle_events as lifecycle_events_table
from mintgate.store.tables import mailed_links as mailed_links_table
from mintgate.store.tables import mails as mails_table
from mintgate.store.tables import session_applications as session_applications_table
from mintgate.store.tables import sign_in_proofs as sign_in_proofs_table
from mintgate.store.tables import sign_in_tries as sign_in_tries_table
from mintgate.store.tables import site_sessions as site_sessions_table
from mintgate.store.tables import totp_offers as totp_offers_table
from mintgate.store.tables import user_devices as user_devices_table
from mintgate.store.tables import userinfo_requests as userinfo_requests_table
from mintgate.store.transaction import Transaction

KEPT_AFTER_END = 24 * 3600.0
"""Seconds. A used code outlives the access token that it gave, so that a replay takes it back."""
FEED_KEPT = 7 * 24 * 3600.0
MAIL_KEPT = 3600.0
"""Seconds. Whoever sends mail gives up by itself, and says why."""


def sweep(tx: Transaction, instance_id: str, now: float) -> dict[str, int]:
    """Remove some rows of one instance that can decide nothing any more.

    Returns:
        How many of each kind it came to; more may be waiting when they are a whole `BATCH`.
    """
    before = now - KEPT_AFTER_END
    kinds: dict[str, Callable[[], int]] = {
        "codes": lambda: codes.purge(tx, instance_id, before),
        "sessions": lambda: sessions.purge(tx, instance_id, now),
        "site_sessions": lambda: site_sessions.purge(tx, instance_id, now),
        "session_applications": lambda: session_applications.purge(tx, instance_id, now),
        "refresh_families": lambda: refresh.purge(tx, instance_id, before),
        "userinfo_requests": lambda: userinfo_requests.purge(tx, instance_id, before),
        "idempotency_keys": lambda: idempotency.purge(tx, instance_id, now),
        "sign_in_proofs": lambda: sign_in_proofs.purge(tx, instance_id, now),
        "totp_offers": lambda: totp_offers.purge(tx, instance_id, now),
        "passkey_challenges": lambda: passkeys.purge_challenges(tx, instance_id, now),
        "sign_in_tries": lambda: sign_in_tries.purge(tx, instance_id, now),
        "user_devices": lambda: user_devices.purge(tx, instance_id, now),
        "mails": lambda: mails.purge(tx, instance_id, now - MAIL_KEPT),
        "lifecycle_events": lambda: lifecycle_events.purge(tx, instance_id, now),
        "mailed_links": lambda: mailed_links.purge(tx, instance_id, before),
        "rate_counters": lambda: rate_counters.purge(tx, instance_id, now),
        "audit_counts": lambda: audit_counts.purge(tx, instance_id, now),
        # The two that may be millions come last: the others do not wait for them.
        "feed_entries": lambda: feed.purge(tx.connection, instance_id, now - FEED_KEPT),
        "revoked_tokens": lambda: revocations.purge(tx, instance_id, before),
    }
    removed: dict[str, int] = {}
    for kind, purge in kinds.items():
        removed[kind] = purge()
        if sum(removed.values()) >= BATCH:
            break  # one transaction is no longer for having several kinds to remove
    return removed


def sweep_some(tx: Transaction, instance_id: str) -> bool:
    """The same by the transaction's time; whether there may be more."""
    return sum(sweep(tx, instance_id, tx.now).values()) >= BATCH


def overdue(connection: Connection, instance_id: str, now: float) -> dict[str, int]:
    """How many rows of each kind `sweep` would have removed by `now` and are there still.

    Args:
        now: Unix seconds.
    """
    ends = (
        (authorization_codes.c.expires_at, KEPT_AFTER_END),
        (identity_sessions.c.expires_at, 0.0),
        (interactions.c.expires_at, 0.0),
        (site_sessions_table.c.expires_at, 0.0),
        (session_applications_table.c.expires_at, 0.0),
        (refresh_families.c.expires_at, KEPT_AFTER_END),
        (userinfo_requests_table.c.expires_at, KEPT_AFTER_END),
        (idempotency_keys.c.expires_at, 0.0),
        (sign_in_proofs_table.c.expires_at, 0.0),
        (totp_offers_table.c.expires_at, 0.0),
        (passkey_challenges.c.expires_at, 0.0),
        (sign_in_tries_table.c.ends_at, 0.0),
        (user_devices_table.c.last_sign_in_at, lifetimes.KNOWN_DEVICE),
        (mails_table.c.expires_at, MAIL_KEPT),
        (lifecycle_events_table.c.expires_at, 0.0),
        (mailed_links_table.c.expires_at, KEPT_AFTER_END),
        (state_feed.c.at, FEED_KEPT),
        (revoked_tokens.c.expires_at, KEPT_AFTER_END),
    )
    found: dict[str, int] = {}
    for column, kept in ends:
        table = column.table
        counted = select(func.count()).where(
            table.c.instance_id == instance_id, column < now - kept
        )
        if count := connection.execute(counted).scalar_one():
            found[table.name] = count
    return found
