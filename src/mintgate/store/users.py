"""Users. The password hash is read by its own function and is in no struct."""

from __future__ import annotations

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from mintgate.contract.feed import ChangedUser
from mintgate.contract.users import User
from mintgate.store import (
    codes,
    instances,
    legacy_sessions,
    mailed_links,
    mails,
    pictures,
    reference_tokens,
    refresh,
    reserved_seats,
    revocations,
    second_factors,
    sessions,
    sign_in_proofs,
    totp_offers,
    user_devices,
)
from mintgate.store.prepared import Prepared
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import users
from mintgate.store.transaction import Transaction
from mintgate.store.user_changes import tell


def _key(text: str) -> str:
    return text.casefold()


def _of(instance_id: str, user_id: str) -> ColumnElement[bool]:
    return (users.c.instance_id == instance_id) & (users.c.id == user_id)


_INSTANCE: BindParameter[str] = bindparam("instance")
_KEY: BindParameter[str] = bindparam("key")
_this_user = (users.c.instance_id == _INSTANCE) & (users.c.id == bindparam("user"))
_BY_ID = Prepared(select(users).where(_this_user))
_FOR_SIGN_IN = Prepared(
    select(users).where(
        users.c.instance_id == _INSTANCE, or_(users.c.login_key == _KEY, users.c.email_key == _KEY)
    )
)
_HOLD_PASSWORD_HASH = Prepared(
    # FOR SHARE is PostgreSQL's; SQLite, which is given nothing of it, has one writer anyway.
    select(users.c.password_hash).where(_this_user).with_for_update(read=True)
)
_FORGET_FAILED_SIGN_INS = Prepared(
    update(users).where(_this_user, users.c.access_failed_count != 0).values(access_failed_count=0)
)


def by_id(connection: Connection, instance_id: str, user_id: str) -> User | None:
    row = _BY_ID.row(connection, {"instance": instance_id, "user": user_id})
    return from_row(User, row) if row else None


def by_login(connection: Connection, instance_id: str, login: str) -> User | None:
    row = (
        connection.execute(
            select(users).where(
                users.c.instance_id == instance_id, users.c.login_key == _key(login)
            )
        )
        .mappings()
        .first()
    )
    return from_row(User, row) if row else None


def for_sign_in(
    connection: Connection, instance_id: str, login_or_email: str
) -> tuple[User, str | None] | None:
    """The user with this login, else with this email [USR-2], and the stored password hash."""
    key = _key(login_or_email)
    rows = _FOR_SIGN_IN.rows(connection, {"instance": instance_id, "key": key})
    # A login that looks like another user's email wins over that email.
    row = min(rows, key=lambda row: row["login_key"] != key, default=None)
    return (from_row(User, row), row["password_hash"]) if row else None


def all_of(connection: Connection, instance_id: str) -> list[User]:
    rows = connection.execute(
        select(users).where(users.c.instance_id == instance_id).order_by(users.c.login_key)
    ).mappings()
    return [from_row(User, row) for row in rows]


def reachable_admins(connection: Connection, instance_id: str, limit: int) -> list[User]:
    """Up to `limit` active administrators whose address is confirmed, those of longest standing."""
    rows = connection.execute(
        select(users)
        .where(
            users.c.instance_id == instance_id,
            users.c.is_admin,
            users.c.active,
            users.c.email_confirmed,
            users.c.email.is_not(None),
        )
        .order_by(users.c.created_at, users.c.id)
        .limit(limit)
    ).mappings()
    return [from_row(User, row) for row in rows]


def owners(
    connection: Connection, instance_id: str, login: str, email: str | None
) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of those who have this login, and of those who have this address."""
    of_instance = select(users.c.id).where(users.c.instance_id == instance_id)
    by_login = connection.execute(of_instance.where(users.c.login_key == _key(login))).scalars()
    if email is None:
        return frozenset(by_login), frozenset()
    by_email = connection.execute(of_instance.where(users.c.email_key == _key(email))).scalars()
    return frozenset(by_login), frozenset(by_email)


def password_hash(connection: Connection, instance_id: str, user_id: str) -> str | None:
    statement = select(users.c.password_hash).where(_of(instance_id, user_id))
    return connection.execute(statement).scalar_one_or_none()


def hold_password_hash(tx: Transaction, instance_id: str, user_id: str) -> str | None:
    """The same; who changes it waits until this is committed, and so sees what is written now."""
    row = _HOLD_PASSWORD_HASH.first(tx.connection, {"instance": instance_id, "user": user_id})
    return row[0] if row is not None else None


def hold(tx: Transaction, instance_id: str, user_id: str) -> User | None:
    """The user as it is until this is committed: whoever changes it waits.

    The lock of the instance comes first: who administers users takes it before their rows, and a
    change of the user needs it at its end, for the state feed.
    """
    instances.lock(tx, instance_id)
    statement = select(users).where(_of(instance_id, user_id)).with_for_update()
    row = tx.connection.execute(statement).mappings().first()  # SQLite has one writer anyway
    return from_row(User, row) if row else None


def add(tx: Transaction, instance_id: str, user: User, hashed_password: str | None = None) -> None:
    tx.connection.execute(
        insert(users).values(
            **_columns(user),
            instance_id=instance_id,
            password_hash=hashed_password,
            created_at=tx.now,
        )
    )
    tell(tx, instance_id, user.id)


def change(tx: Transaction, instance_id: str, user: User) -> None:
    before = by_id(tx.connection, instance_id, user.id)
    tx.connection.execute(update(users).where(_of(instance_id, user.id)).values(**_columns(user)))
    if before is not None and before.login != user.login:
        reserved_seats.rename(tx, instance_id, before.login, user.login)
    if before is not None and before.email != user.email:
        # What went to the address of before is not for whoever reads mail there now.
        mailed_links.end_of_user(tx, instance_id, user.id, tuple(mailed_links.Purpose))
    tell(tx, instance_id, user.id)
    if not user.active or user.is_locked(tx.now):
        legacy_sessions.end_of_user(tx, instance_id, user.id)


def set_password(tx: Transaction, instance_id: str, user_id: str, hashed: str) -> None:
    """Change the password: refresh tokens, open codes and sign-ins of the user end [USR-22].

    So do mailed links and legacy sessions, and the feed tells that a password once checked may not
    hold any more.

    With a sign-in left, a stolen cookie would get a new refresh token after the reset.
    """
    tx.connection.execute(
        update(users).where(_of(instance_id, user_id)).values(password_hash=hashed)
    )
    _end_everything(tx, instance_id, user_id, "password_changed")
    tell(tx, instance_id, user_id)


def upgrade_password_hash(
    tx: Transaction, instance_id: str, user_id: str, before: str, hashed: str
) -> bool:
    """Store the same password in a better format [EXT-1]; nothing is revoked.

    False when the stored hash is not `before` any more: the password was changed meanwhile, and
    the change stands.
    """
    result = tx.connection.execute(
        update(users)
        .where(_of(instance_id, user_id), users.c.password_hash == before)
        .values(password_hash=hashed)
    )
    return result.rowcount == 1


def note_failed_sign_in(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Count a wrong password for display [USR-8]; it locks nothing [SGN-10]."""
    tx.connection.execute(
        update(users)
        .where(_of(instance_id, user_id))
        .values(access_failed_count=users.c.access_failed_count + 1)
    )


def forget_failed_sign_ins(tx: Transaction, instance_id: str, user_id: str) -> None:
    values = {"instance": instance_id, "user": user_id}
    _FORGET_FAILED_SIGN_INS.changed(tx.connection, values)


def _end_everything(tx: Transaction, instance_id: str, user_id: str, because: str) -> None:
    # In this order, as each waits for those who make the next: a session is held by whoever issues
    # a code in it, a code by whoever redeems it for a refresh family.
    mailed_links.end_of_user(tx, instance_id, user_id)
    sessions.wait_for_codes(tx, instance_id, user_id)
    codes.end_of_user(tx, instance_id, user_id)
    refresh.revoke_of_user(tx, instance_id, user_id, because)
    sessions.end_of_user(tx, instance_id, user_id)
    legacy_sessions.end_of_user(tx, instance_id, user_id)
    # Who began to set up a factor with what was proved before must not end it now [USR-8].
    sign_in_proofs.end_of_user(tx, instance_id, user_id)
    totp_offers.end_of_user(tx, instance_id, user_id)


def revoke_everything(tx: Transaction, instance_id: str, user_id: str, by: str) -> bool:
    """End every token and sign-in of a user that exists now [LIF-18]; False without such a user.

    Access tokens end by a not-before time, which verifiers compare with their `iat`; personal
    tokens, refresh tokens, open codes and sign-ins end themselves.
    """
    if by_id(tx.connection, instance_id, user_id) is None:
        return False
    _end_everything(tx, instance_id, user_id, "everything_revoked")
    reference_tokens.revoke_of_user(tx, instance_id, user_id, by)
    revocations.add_before(tx, instance_id, user_id)
    tell(tx, instance_id, user_id)
    return True


def remove(tx: Transaction, instance_id: str, user_id: str) -> None:
    mails.remove_of_user(tx, instance_id, user_id)
    mailed_links.end_of_user(tx, instance_id, user_id, tuple(mailed_links.Purpose))
    _end_everything(tx, instance_id, user_id, "user_removed")
    reference_tokens.revoke_of_user(tx, instance_id, user_id, None)
    second_factors.remove_rows(tx, instance_id, user_id)
    pictures.remove(tx, instance_id, user_id)
    user_devices.remove_rows(tx, instance_id, user_id)
    user = by_id(tx.connection, instance_id, user_id)
    if user is not None:
        reserved_seats.remove(tx, instance_id, user.login)
    tx.connection.execute(delete(users).where(_of(instance_id, user_id)))
    tx.changed(instance_id, user_id, ChangedUser(sub_id=user_id, active=None))


def _columns(user: User) -> dict[str, object]:
    return {
        **to_row(user),
        "login_key": _key(user.login),
        "email_key": _key(user.email) if user.email else None,
    }
