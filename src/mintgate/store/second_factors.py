"""What people have enrolled besides the password: authenticator apps, and the sum of it all.

Whoever adds or removes a factor takes `lock` first and ends with `changed`, so that two who remove
the last two factors do not both find another one left.
"""

from __future__ import annotations

import secrets

import msgspec
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from mintgate.contract.second_factors import Factors
from mintgate.contract.users import UserType
from mintgate.store import instances, legacy_sessions, totp_offers
from mintgate.store.conflicts import insert_into
from mintgate.store.prepared import Prepared
from mintgate.store.tables import passkeys, recovery_codes, second_factors, users
from mintgate.store.transaction import Transaction
from mintgate.store.user_changes import tell

_columns = second_factors.c


class People(msgspec.Struct, frozen=True):
    """How many who may sign in have a second factor, of one type of users."""

    all: int
    with_factor: int
    administrators: int
    administrators_with_factor: int


class StoredTotp(msgspec.Struct, frozen=True):
    """An authenticator app's secret, sealed.

    Args:
        since: when it was set up, Unix seconds; another one has another time.
        last_step: the time step of the code that was used last (RFC 6238 §4.2).
    """

    sealed: bytes
    since: float
    last_step: int

    def __repr__(self) -> str:
        return f"StoredTotp(since {self.since})"


def _counting(_engine: str) -> ClauseElement:
    """How many of each kind: apps, passkeys, recovery codes."""
    here: BindParameter[str] = bindparam("instance")
    who: BindParameter[str] = bindparam("user")
    counted = [
        select(func.count()).where(_of(second_factors, here, who), _has_totp()),
        select(func.count()).where(_of(passkeys, here, who)),
        select(func.count()).where(
            _of(recovery_codes, here, who), recovery_codes.c.used_at.is_(None)
        ),
    ]
    return select(*(c.scalar_subquery() for c in counted))


_COUNT = Prepared(_counting)


def of(connection: Connection, instance_id: str, user_id: str) -> Factors:
    """What this person has enrolled."""
    row = _COUNT.first(connection, {"instance": instance_id, "user": user_id})
    assert row is not None  # noqa: S101 - told to the type checker: counts are always there
    apps, passkeys_count, codes = row
    return Factors(apps > 0, passkeys_count, codes)


def is_enabled(connection: Connection, instance_id: str, user_id: str) -> bool:
    """Whether this person has any; one look at one row."""
    statement = select(users.c.two_factor_enabled).where(
        users.c.instance_id == instance_id, users.c.id == user_id
    )
    return bool(connection.execute(statement).scalar_one_or_none())


def people(connection: Connection, instance_id: str, user_type: UserType, now: float) -> People:
    """Of those who are active and not locked out at `now` (Unix seconds)."""
    column = users.c
    row = connection.execute(
        select(
            func.count(),
            *(
                func.coalesce(func.sum(case((which, 1), else_=0)), 0)
                for which in (
                    column.two_factor_enabled,
                    column.is_admin,
                    column.is_admin & column.two_factor_enabled,
                )
            ),
        ).where(
            column.instance_id == instance_id,
            column.user_type == user_type.value,
            column.active,
            or_(column.locked_until.is_(None), column.locked_until <= now),
        )
    ).one()
    return People(*row)


def lock(tx: Transaction, instance_id: str) -> None:
    """Wait for others that change somebody's factors, and keep them waiting.

    The lock of the instance, before any row of a user: whoever administers users takes it first,
    too, and so does the state feed at the end.
    """
    instances.lock(tx, instance_id)


def user_handle(tx: Transaction, instance_id: str, user_id: str) -> str:
    """What authenticators know the person by, base64url of 64 random bytes (WebAuthn §14.6.1)."""
    made = secrets.token_urlsafe(64)
    insert = insert_into(tx, second_factors).values(
        instance_id=instance_id, user_id=user_id, user_handle=made
    )
    tx.connection.execute(insert.on_conflict_do_nothing())
    statement = select(_columns.user_handle).where(_of(second_factors, instance_id, user_id))
    return str(tx.connection.execute(statement).scalar_one())


def handle_of(connection: Connection, instance_id: str, user_id: str) -> str | None:
    """The handle that the person has; None before there was need for one."""
    statement = select(_columns.user_handle).where(_of(second_factors, instance_id, user_id))
    return connection.execute(statement).scalar_one_or_none()


def confirm_totp(
    tx: Transaction, instance_id: str, user_id: str, sealed: bytes, step: int, *, bound_to: str
) -> bool:
    """Make the secret that a sign-in was shown the one that counts; False when it is over.

    Whatever was begun elsewhere ends: nobody can put another app in its place who began before.

    Args:
        sealed: the secret for which a code was shown.
        step: the time step of that code, which cannot be used again.
        bound_to: see `totp_offers.put`.
    """
    if not totp_offers.take(tx, instance_id, user_id, bound_to=bound_to, sealed=sealed):
        return False
    totp_offers.end_of_user(tx, instance_id, user_id)
    user_handle(tx, instance_id, user_id)
    tx.connection.execute(
        update(second_factors)
        .where(_of(second_factors, instance_id, user_id))
        .values(
            totp_secret=sealed,
            totp_since=tx.now,
            totp_last_step=step,
            pending_secret=None,
            pending_until=None,
        )
    )
    changed(tx, instance_id, user_id)
    return True


def totp(connection: Connection, instance_id: str, user_id: str) -> StoredTotp | None:
    """The person's authenticator app, if there is one."""
    statement = select(_columns.totp_secret, _columns.totp_since, _columns.totp_last_step).where(
        _of(second_factors, instance_id, user_id), _has_totp()
    )
    row = connection.execute(statement).first()
    return StoredTotp(row[0], row[1], row[2]) if row else None


def use_step(
    tx: Transaction, instance_id: str, user_id: str, stored: StoredTotp, step: int
) -> bool:
    """Use the code of a time step: once, and none of an earlier step after it (RFC 6238 §5.2).

    One statement decides, whoever else shows the same code.
    """
    result = tx.connection.execute(
        update(second_factors)
        .where(
            _of(second_factors, instance_id, user_id),
            _columns.totp_since == stored.since,
            or_(_columns.totp_last_step.is_(None), _columns.totp_last_step < step),
        )
        .values(totp_last_step=step)
    )
    return result.rowcount == 1


def remove_totp(tx: Transaction, instance_id: str, user_id: str) -> bool:
    """False when there was none."""
    result = tx.connection.execute(
        update(second_factors)
        .where(_of(second_factors, instance_id, user_id), _has_totp())
        .values(totp_secret=None, totp_since=None, totp_last_step=None)
    )
    if result.rowcount == 1:
        changed(tx, instance_id, user_id)
    return result.rowcount == 1


def reset(tx: Transaction, instance_id: str, user_id: str) -> Factors:
    """Remove everything; returns what there was."""
    before = of(tx.connection, instance_id, user_id)
    remove_rows(tx, instance_id, user_id)
    changed(tx, instance_id, user_id)
    return before


def remove_rows(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Remove everything, for a user who is removed as well."""
    totp_offers.end_of_user(tx, instance_id, user_id)
    for table in (passkeys, recovery_codes, second_factors):
        tx.connection.execute(delete(table).where(_of(table, instance_id, user_id)))


def changed(tx: Transaction, instance_id: str, user_id: str) -> None:
    """After any change: recovery codes go with the last factor, legacy sessions with the first."""
    factors = of(tx.connection, instance_id, user_id)
    if not factors.has_any:
        tx.connection.execute(
            delete(recovery_codes).where(_of(recovery_codes, instance_id, user_id))
        )
    result = tx.connection.execute(
        update(users)
        .where(
            users.c.instance_id == instance_id,
            users.c.id == user_id,
            users.c.two_factor_enabled != factors.has_any,
        )
        .values(two_factor_enabled=factors.has_any)
    )
    if result.rowcount and factors.has_any:
        legacy_sessions.end_of_user(tx, instance_id, user_id)  # [LEG-6]
    tell(tx, instance_id, user_id)


def _of(
    table: Table, instance_id: str | BindParameter[str], user_id: str | BindParameter[str]
) -> ColumnElement[bool]:
    return (table.c.instance_id == instance_id) & (table.c.user_id == user_id)


def _has_totp() -> ColumnElement[bool]:
    return _columns.totp_secret.is_not(None)
