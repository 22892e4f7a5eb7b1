"""Users in parts: everybody by login, or those who are searched for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Text, cast, or_, select

from mintgate.contract.users import User
from mintgate.store.keyset import Part, Place, is_after, part_of
from mintgate.store.rows import from_row
from mintgate.store.tables import users

LOOKS_THROUGH = 20_000
"""Users whose names one part looks at: who is searched for may be rare among millions."""
_ORDER = [(users.c.login_key, False)]
_KEYS = (users.c.login_key, users.c.email_key)


def users_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    login: str | None,
    search: str | None = None,
    looks_through: int = LOOKS_THROUGH,
) -> Part:
    """By login; by address when that is what is searched for.

    Args:
        search: in any case: how a login begins; if none does, how an address begins; else what is
            anywhere in a login, an address or a name.
        looks_through: so many users are looked at for the last; a part may be empty, and
            `following` goes on behind them.
    """
    if search is None:
        same = [] if login is None else [users.c.login_key == login.casefold()]
        return _users(part_of(connection, users, instance_id, same, _ORDER, after, limit))
    wanted = search.casefold()
    for key in _KEYS:
        conditions = _begins_with(key, wanted)
        # The same for every part, so that a place is always one in the same list.
        if _is_there(connection, instance_id, conditions):
            order = [(key, False)]
            found = part_of(connection, users, instance_id, conditions, order, after, limit)
            return _users(found)
    return _with_part(connection, instance_id, after, limit, search, looks_through)


def _is_there(
    connection: Connection, instance_id: str, conditions: list[ColumnElement[bool]]
) -> bool:
    wanted = select(users.c.id).where(users.c.instance_id == instance_id, *conditions).limit(1)
    return connection.execute(wanted).first() is not None


def _begins_with(key: Column[Any], text: str) -> list[ColumnElement[bool]]:
    # An index begins and ends where such texts can be.
    ends = chr(0x10FFFF)
    return [key >= text, key < text + ends, key.startswith(text, autoescape=True)]


def _with_part(
    connection: Connection,
    instance_id: str,
    after: Place | None,
    limit: int,
    search: str,
    looks_through: int,
) -> Part:
    conditions = [users.c.instance_id == instance_id]
    if after is not None:
        conditions.append(is_after(_ORDER, after))
    in_order = select(users.c.login_key).where(*conditions).order_by(users.c.login_key)
    last = connection.execute(in_order.offset(looks_through - 1).limit(1)).scalar_one_or_none()
    if last is not None:
        conditions.append(users.c.login_key <= last)
    statement = select(users).where(*conditions, _may_have(search)).order_by(users.c.login_key)
    wanted, rows = search.casefold(), list[RowMapping]()
    for row in connection.execute(statement).mappings():
        if any(wanted in text.casefold() for text in _texts_of(row)):
            if len(rows) == limit:
                return _users(Part(rows, [rows[-1]["login_key"]]))
            rows.append(row)
    return _users(Part(rows, None if last is None else [last]))


def _may_have(search: str) -> ColumnElement[bool]:
    """True for everybody who has the text, and for some others.

    Names are stored as JSON with escapes, in which a database knows no case but that of ASCII.
    """
    names = cast(users.c.name, Text)
    spellings = {search, search.lower(), search.upper(), search.title(), search.casefold()}
    return or_(
        *(key.contains(search.casefold(), autoescape=True) for key in _KEYS),
        *(names.icontains(json.dumps(one)[1:-1], autoescape=True) for one in spellings),
    )


def _texts_of(row: RowMapping) -> Iterator[str]:
    yield row["login_key"]
    yield row["email_key"] or ""
    yield from row["name"].values()


def _users(part: Part) -> Part:
    return Part([from_row(User, row) for row in part.rows], part.following)
