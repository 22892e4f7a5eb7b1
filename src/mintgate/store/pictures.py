"""People's pictures, in the two sizes that are served [PRF-20]."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, select

from mintgate.store.conflicts import insert_into
from mintgate.store.tables import user_pictures
from mintgate.store.transaction import Transaction

Size = Literal["small", "large"]


class Picture(msgspec.Struct, frozen=True):
    """One size of it; `changed_at` in Unix seconds."""

    media_type: str
    data: bytes
    changed_at: float


def find(connection: Connection, instance_id: str, user_id: str, size: Size) -> Picture | None:
    table = user_pictures.c
    statement = select(table.media_type, table[size], table.changed_at).where(
        table.instance_id == instance_id, table.user_id == user_id
    )
    row = connection.execute(statement).first()
    return None if row is None else Picture(row[0], bytes(row[1]), row[2])


def changed_at(connection: Connection, instance_id: str, user_id: str) -> float | None:
    """When the person's picture was changed, Unix seconds; None without one."""
    statement = select(user_pictures.c.changed_at).where(
        user_pictures.c.instance_id == instance_id, user_pictures.c.user_id == user_id
    )
    return connection.execute(statement).scalar_one_or_none()


def put(
    tx: Transaction, instance_id: str, user_id: str, *, media_type: str, small: bytes, large: bytes
) -> None:
    """Keep a picture, in place of the one that there was."""
    values = {"media_type": media_type, "small": small, "large": large, "changed_at": tx.now}
    statement = insert_into(tx, user_pictures).values(
        instance_id=instance_id, user_id=user_id, **values
    )
    tx.connection.execute(
        statement.on_conflict_do_update(index_elements=["instance_id", "user_id"], set_=values)
    )


def remove(tx: Transaction, instance_id: str, user_id: str) -> bool:
    """Whether there was one."""
    statement = delete(user_pictures).where(
        user_pictures.c.instance_id == instance_id, user_pictures.c.user_id == user_id
    )
    return tx.connection.execute(statement).rowcount == 1
