"""Counts of wrong passwords and client secrets, shared by every process over one database [SGN-6].

A count is one row, named by a digest: no login stands here in clear, as what was typed into that
field may have been a password. Whether there is a user of that login makes no difference to a row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    Double,
    bindparam,
    case,
    delete,
    or_,
    select,
)

from mintgate.store.conflicts import insert_at, insert_into
from mintgate.store.prepared import Prepared
from mintgate.store.purging import delete_some
from mintgate.store.tables import sign_in_tries
from mintgate.store.transaction import Transaction

_columns = sign_in_tries.c


class Limit(msgspec.Struct, frozen=True):
    """So many tries, counted for `window` seconds from the first; then a wait of `wait` seconds."""

    tries: int
    window: float
    wait: float


class Count(msgspec.Struct, frozen=True):
    """What is counted together.

    Args:
        key: names the row, 64 hex digits.
        kind: what it counts, for display: at most 16 characters.
        login: a digest of the login, None where tries are counted over all logins.
    """

    key: str
    kind: str
    limit: Limit
    login: str | None = None


class Tries(msgspec.Struct, frozen=True):
    """A stored count; it is forgotten, or the wait is over, at `ends_at` (Unix seconds)."""

    kind: str
    tries: int
    ends_at: float


_INSTANCE: BindParameter[str] = bindparam("instance")
_NOW: BindParameter[float] = bindparam("now", type_=Double())


@functools.cache
def _looking_at(number: int) -> Prepared:
    """At so many counts: a list of any length would be another statement each time."""
    keys: list[BindParameter[str]] = [bindparam(f"key_{at}") for at in range(number)]
    return Prepared(
        select(_columns.bucket, _columns.tries).where(
            _columns.instance_id == _INSTANCE, _columns.bucket.in_(keys), _columns.ends_at > _NOW
        )
    )


def _adding_one(engine: str) -> ClauseElement:
    is_over = _columns.ends_at <= _NOW
    limit: BindParameter[int] = bindparam("limit", type_=_columns.tries.type)
    until: BindParameter[float] = bindparam("until", type_=Double())
    insert = insert_at(engine, sign_in_tries)
    return insert.on_conflict_do_update(
        index_elements=[_columns.instance_id, _columns.bucket],
        set_={
            "tries": case((is_over, 1), else_=_columns.tries + 1),
            "ends_at": case(
                (is_over, insert.excluded.ends_at),
                (_columns.tries + 1 >= limit, until),
                else_=_columns.ends_at,
            ),
        },
        where=or_(is_over, _columns.tries < limit),
    ).returning(_columns.tries)


_ADD_ONE = Prepared(_adding_one)
_FORGET = Prepared(
    delete(sign_in_tries).where(
        _columns.instance_id == _INSTANCE, _columns.bucket == bindparam("key")
    )
)


def any_is_full(
    connection: Connection, instance_id: str, counts: Iterable[Count], now: float
) -> Count | None:
    """The first count whose wait is not over at `now` (Unix seconds). A look, not a decision."""
    by_key = {count.key: count for count in counts}
    if not by_key:
        return None
    keys = {f"key_{at}": key for at, key in enumerate(by_key)}
    rows = _looking_at(len(keys)).rows(connection, {"instance": instance_id, "now": now} | keys)
    tried = {row["bucket"]: row["tries"] for row in rows}
    return next((c for c in by_key.values() if tried.get(c.key, 0) >= c.limit.tries), None)


def add_one(tx: Transaction, instance_id: str, count: Count) -> bool:
    """Count one try, unless the count is full; False when it is, and nothing is changed then.

    One statement decides, so that tries which race in several processes get no more than the
    limit between them. The last try that is allowed begins the wait.
    """
    limit, now = count.limit, tx.now
    values = {
        "instance_id": instance_id,
        "bucket": count.key,
        "kind": count.kind,
        "login": count.login,
        "tries": 1,
        "ends_at": now + (limit.window if limit.tries > 1 else limit.wait),
        "limit": limit.tries,
        "until": now + limit.wait,
        "now": now,
    }
    return _ADD_ONE.first(tx.connection, values) is not None


def forget(tx: Transaction, instance_id: str, count: Count) -> None:
    """Start this count anew: the right password was given."""
    _FORGET.changed(tx.connection, {"instance": instance_id, "key": count.key})


def of_logins(
    connection: Connection, instance_id: str, logins: Iterable[str], now: float
) -> list[Tries]:
    """The counts of these logins (digests) that hold at `now`, the longest first."""
    rows = connection.execute(
        select(_columns.kind, _columns.tries, _columns.ends_at)
        .where(
            _columns.instance_id == instance_id,
            _columns.login.in_(list(logins)),
            _columns.ends_at > now,
        )
        .order_by(_columns.ends_at.desc(), _columns.bucket)
    )
    return [Tries(row.kind, row.tries, row.ends_at) for row in rows]


def of_keys(
    connection: Connection, instance_id: str, keys: Iterable[str], now: float
) -> dict[str, Tries]:
    """The counts of these names that hold at `now` (Unix seconds)."""
    rows = connection.execute(
        select(_columns.bucket, _columns.kind, _columns.tries, _columns.ends_at).where(
            _columns.instance_id == instance_id,
            _columns.bucket.in_(list(keys)),
            _columns.ends_at > now,
        )
    )
    return {row.bucket: Tries(row.kind, row.tries, row.ends_at) for row in rows}


def remember(tx: Transaction, instance_id: str, kind: str, until: Mapping[str, float]) -> None:
    """Remember names, each until a time (Unix seconds), beside the counts and as long as they."""
    insert = insert_into(tx, sign_in_tries)
    statement = insert.on_conflict_do_update(
        index_elements=[_columns.instance_id, _columns.bucket],
        set_={"ends_at": insert.excluded.ends_at},
    )
    rows = [
        {"instance_id": instance_id, "bucket": key, "kind": kind, "tries": 0, "ends_at": ends_at}
        for key, ends_at in sorted(until.items())
    ]
    if rows:
        tx.connection.execute(statement, rows)


def remembered(connection: Connection, instance_id: str, key: str, now: float) -> float:
    """Until when a name is remembered (Unix seconds); 0 when it is not."""
    found = of_keys(connection, instance_id, [key], now).get(key)
    return found.ends_at if found is not None else 0.0


def forget_logins(tx: Transaction, instance_id: str, logins: Iterable[str]) -> int:
    """Start every count of these logins (digests) anew; returns how many there were."""
    return tx.connection.execute(
        delete(sign_in_tries).where(
            _columns.instance_id == instance_id, _columns.login.in_(list(logins))
        )
    ).rowcount


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some counts that ended before `before`; returns how many."""
    ended = (_columns.instance_id == instance_id) & (_columns.ends_at < before)
    return delete_some(tx.connection, sign_in_tries, ended, first=_columns.ends_at)
