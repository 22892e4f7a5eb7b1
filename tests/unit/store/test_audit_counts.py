"""Sums of the audit log by the hour, on both engines."""

from __future__ import annotations

import asyncio

from mintgate.store import AuditEvent, Database, audit_counts, schema
from mintgate.store.audit_counts import Count

INSTANCE = "11111111-1111-1111-1111-111111111111"
NOON = 1_790_000_000.0 // 3600 * 3600


def event(name: str, at: float, **more: object) -> AuditEvent:
    return AuditEvent(instance_id=INSTANCE, at=at, event=name, **more)  # type: ignore[arg-type]


EVENTS = [
    event("token.issued", NOON, details={"grant_type": "client_credentials"}),
    event("token.issued", NOON + 1, details={"grant_type": "client_credentials"}),
    event("token.issued", NOON + 3600, details={"grant_type": "authorization_code"}),
    event("token.refreshed", NOON + 3601, details={"grant_type": "refresh_token"}),
    event("token.refreshed_within_grace", NOON + 3602),
    event("reference_token.created", NOON + 3, details={"kind": "PAT"}),
    event("token.refused", NOON, cause="invalid_client: no such secret"),
    event("api.refused", NOON, cause="invalid_token: expired", details={"count": 7}),
    event("token.revoked", NOON),
]
HOUR = int(NOON // 3600)
SUMS = {
    (HOUR, "token.issued", "client_credentials"): 2,
    (HOUR, "token.issued", "PAT"): 1,
    (HOUR, "token.refused", "invalid_client"): 1,
    (HOUR, "api.refused", "invalid_token"): 7,
    (HOUR + 1, "token.issued", "authorization_code"): 1,
    (HOUR + 1, "token.issued", "refresh_token"): 2,
}


def write(database: Database) -> None:
    with database.begin() as tx:
        for one in EVENTS:
            tx.record(one)


def found(database: Database, since: int = HOUR, step: int = 1) -> dict[tuple[int, str, str], int]:
    counts, is_whole = database.read_now(
        lambda connection: audit_counts.counts(connection, INSTANCE, since, step)
    )
    assert is_whole
    return {(one.hour, one.event, one.kind): one.events for one in counts}


def test_what_is_counted_and_what_is_not_yet(database_url: str) -> None:
    """The same before it is in the sums, after, and in between; several may count at once."""
    clock = [NOON + 4000]
    database = Database(database_url, lambda: clock[0])
    schema.upgrade(database)
    try:
        write(database)
        assert found(database) == SUMS

        async def count() -> None:
            await asyncio.gather(*(audit_counts.keep_counts(database, INSTANCE) for _ in range(3)))

        asyncio.run(count())
        assert found(database) == SUMS
        write(database)  # half in the sums, half not
        assert found(database) == {key: 2 * number for key, number in SUMS.items()}
        asyncio.run(count())
        assert found(database) == {key: 2 * number for key, number in SUMS.items()}
        of_days = found(database, HOUR - HOUR % 24, 24)
        assert sum(of_days.values()) == 2 * sum(SUMS.values())
        assert {hour % 24 for hour, _, _ in of_days} == {0}
        assert found(database, HOUR + 2) == {}
        with database.begin() as tx:
            late = NOON + 3600 * (audit_counts.KEPT_HOURS + 2)
            assert audit_counts.purge(tx, INSTANCE, late) == len(SUMS)
        assert found(database) == {}
    finally:
        database.close()


def test_parts_of_a_long_log(database_url: str) -> None:
    """What is more than one reading is counted in several, and told of meanwhile."""
    database = Database(database_url, lambda: NOON)
    schema.upgrade(database)
    try:
        number = audit_counts.PART * 2 + 10
        with database.begin() as tx:
            for _ in range(number):
                tx.record(EVENTS[0])
        counts, is_whole = database.read_now(
            lambda connection: audit_counts.counts(connection, INSTANCE, HOUR, 1)
        )
        assert counts == [Count(HOUR, "token.issued", "client_credentials", audit_counts.PART)]
        assert not is_whole
        asyncio.run(audit_counts.keep_counts(database, INSTANCE))
        assert found(database) == {(HOUR, "token.issued", "client_credentials"): number}
    finally:
        database.close()
