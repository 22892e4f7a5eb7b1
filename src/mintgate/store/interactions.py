"""Interactions: authorization requests that wait for a person."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from mintgate.store.prepared import Prepared
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import interactions as table
from mintgate.store.transaction import Transaction


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization request while its sign-in or consent page is open.

    `authenticated_sid` is the session that a sign-in within this interaction made or confirmed;
    `chosen_sid` the one that the person chose to go on with; `consented_by` the user who agreed.
    """

    id_hash: str
    parameters: dict[str, str]
    created_at: float
    expires_at: float
    authenticated_sid: str | None = None
    chosen_sid: str | None = None
    consented_by: str | None = None


_this = (table.c.instance_id == bindparam("instance")) & (table.c.id_hash == bindparam("digest"))
_OPEN = Prepared(insert(table))
_FIND = Prepared(select(table).where(_this))
_CLOSE = Prepared(delete(table).where(_this))
_NOTES = {
    name: Prepared(update(table).where(_this).values({name: bindparam("noted")}))
    for name in ("authenticated_sid", "chosen_sid", "consented_by")
}


def begin(tx: Transaction, instance_id: str, interaction: Interaction) -> None:
    _OPEN.changed(tx.connection, to_row(interaction) | {"instance_id": instance_id})


def find(connection: Connection, instance_id: str, id_hash: str) -> Interaction | None:
    row = _FIND.row(connection, {"instance": instance_id, "digest": id_hash})
    return from_row(Interaction, row) if row else None


def note_authentication(tx: Transaction, instance_id: str, id_hash: str, sid: str) -> None:
    _note(tx, instance_id, id_hash, "authenticated_sid", sid)


def note_choice(tx: Transaction, instance_id: str, id_hash: str, sid: str) -> None:
    _note(tx, instance_id, id_hash, "chosen_sid", sid)


def note_consent(tx: Transaction, instance_id: str, id_hash: str, user_id: str) -> None:
    _note(tx, instance_id, id_hash, "consented_by", user_id)


def close(tx: Transaction, instance_id: str, id_hash: str) -> bool:
    """End it; False when another request has ended it already."""
    return _CLOSE.changed(tx.connection, {"instance": instance_id, "digest": id_hash}) == 1


def _note(tx: Transaction, instance_id: str, id_hash: str, what: str, value: str) -> None:
    values = {"instance": instance_id, "digest": id_hash, "noted": value}
    _NOTES[what].changed(tx.connection, values)
