"""Requests that rate limits count, added up over all processes [API-17].

Processes add in batches and in the background; see `mintgate.gate.shared_counters`. A row is named
by a digest, so that no address and no login stands here.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import select

from mintgate.store.conflicts import insert_into
from mintgate.store.purging import delete_some
from mintgate.store.tables import rate_counters
from mintgate.store.transaction import Transaction

LANE = "rate-counters"
"""What locks these rows waits for other processes, and issuing tokens must not wait with it."""
KEPT_MINUTES = 3
"""The minute that counts, the one before, and one for clocks that differ."""
_columns = rate_counters.c


class Addition(msgspec.Struct, frozen=True, order=True):
    """Requests of one minute; the number of the minute is counted from 1970."""

    bucket: str
    minute: int
    requests: int


def add(
    tx: Transaction, instance_id: str, additions: Iterable[Addition]
) -> dict[tuple[str, int], int]:
    """Add requests up.

    Returns:
        The sums of all processes, of these buckets in these minutes and in those just before.
    """
    # In one order everywhere: two processes that lock the same rows must not lock them crosswise.
    ordered = sorted(additions)
    if not ordered:
        return {}
    insert = insert_into(tx, rate_counters)
    statement = insert.on_conflict_do_update(
        index_elements=[_columns.instance_id, _columns.bucket, _columns.minute],
        set_={"requests": _columns.requests + insert.excluded.requests},
    )
    rows = [{"instance_id": instance_id, **msgspec.structs.asdict(one)} for one in ordered]
    tx.connection.execute(statement, rows)
    first = min(one.minute for one in ordered) - 1
    found = tx.connection.execute(
        select(_columns.bucket, _columns.minute, _columns.requests).where(
            _columns.instance_id == instance_id,
            _columns.bucket.in_({one.bucket for one in ordered}),
            _columns.minute >= first,
        )
    )
    return {(row.bucket, row.minute): row.requests for row in found}


def purge(tx: Transaction, instance_id: str, now: float) -> int:
    """Remove some minutes that count for nothing any more; returns how many."""
    old = (_columns.instance_id == instance_id) & (_columns.minute < _oldest(now))
    return delete_some(tx.connection, rate_counters, old, first=_columns.minute)


def _oldest(now: float) -> int:
    return int(now // 60) - KEPT_MINUTES + 1
