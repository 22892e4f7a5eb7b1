"""Which applications a sign-in was used for, so that they can be told of its end [EXT-3]."""

from __future__ import annotations

import msgspec
from sqlalchemy import ClauseElement, Connection, delete, select

from mintgate.contract import lifetimes
from mintgate.store.conflicts import insert_at
from mintgate.store.prepared import Prepared
from mintgate.store.purging import delete_some
from mintgate.store.tables import applications, session_applications, users
from mintgate.store.transaction import Transaction

KEPT = max(lifetimes.REMEMBERED_SESSION, lifetimes.REFRESH_TOKEN_CONFIDENTIAL)
"""Seconds after the last code; by then neither the session nor a refresh token of it lives."""


class Told(msgspec.Struct, frozen=True):
    """An application that is to be told; `sub` is the user's login, while the user is known."""

    application_id: str
    sub: str | None
    back_channel_url: str | None
    front_channel_url: str | None


def _noting(engine: str) -> ClauseElement:
    statement = insert_at(engine, session_applications)
    return statement.on_conflict_do_update(
        index_elements=["instance_id", "sid", "application_id"],
        set_={"expires_at": statement.excluded.expires_at},
    )


_NOTE = Prepared(_noting)


def note(
    tx: Transaction, instance_id: str, *, sid: str, application_id: str, user_id: str, at: float
) -> None:
    """The application has got a code in this session."""
    row = {
        "instance_id": instance_id,
        "sid": sid,
        "application_id": application_id,
        "user_id": user_id,
        "expires_at": at + KEPT,
    }
    _NOTE.changed(tx.connection, row)


def take(tx: Transaction, instance_id: str, sid: str) -> list[Told]:
    """Forget the session's applications; returns those that want to be told, by their URI.

    Two that end the same session get each application once: the row is given to who deletes it.
    """
    rows = tx.connection.execute(
        delete(session_applications)
        .where(session_applications.c.instance_id == instance_id, session_applications.c.sid == sid)
        .returning(session_applications.c.application_id, session_applications.c.user_id)
    ).all()
    if not rows:
        return []
    sub = tx.connection.execute(
        select(users.c.login).where(
            users.c.instance_id == instance_id, users.c.id == rows[0].user_id
        )
    ).scalar_one_or_none()
    column = applications.c
    found = tx.connection.execute(
        select(column.id, column.back_channel_logout_url, column.front_channel_logout_url)
        .where(
            column.instance_id == instance_id,
            column.id.in_([row.application_id for row in rows]),
            column.is_enabled,
            column.back_channel_logout_url.is_not(None)
            | column.front_channel_logout_url.is_not(None),
        )
        .order_by(column.application_uri_key)
    )
    return [Told(row[0], sub, row[1], row[2]) for row in found]


def take_all(tx: Transaction, instance_id: str) -> list[tuple[str, Told]]:
    """The same for every session; with their `sid`."""
    noted, column = session_applications.c, applications.c
    found = tx.connection.execute(
        select(
            noted.sid,
            column.id,
            users.c.login,
            column.back_channel_logout_url,
            column.front_channel_logout_url,
        )
        .join(
            applications,
            (column.instance_id == noted.instance_id) & (column.id == noted.application_id),
        )
        .outerjoin(
            users, (users.c.instance_id == noted.instance_id) & (users.c.id == noted.user_id)
        )
        .where(
            noted.instance_id == instance_id,
            column.is_enabled,
            column.back_channel_logout_url.is_not(None)
            | column.front_channel_logout_url.is_not(None),
        )
        .order_by(noted.sid, column.application_uri_key)
    ).all()
    tx.connection.execute(delete(session_applications).where(noted.instance_id == instance_id))
    return [(row[0], Told(*row[1:])) for row in found]


def sids_of_user(connection: Connection, instance_id: str, user_id: str) -> set[str]:
    """The sessions of a user in which an application got a code."""
    rows = connection.execute(
        select(session_applications.c.sid).where(
            session_applications.c.instance_id == instance_id,
            session_applications.c.user_id == user_id,
        )
    )
    return set(rows.scalars())


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some rows of sessions of which nothing lives any more; returns how many."""
    ended = (session_applications.c.instance_id == instance_id) & (
        session_applications.c.expires_at < before
    )
    return delete_some(
        tx.connection, session_applications, ended, first=session_applications.c.expires_at
    )
