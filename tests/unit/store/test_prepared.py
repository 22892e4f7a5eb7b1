"""Statements that go past SQLAlchemy give and take what it would, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, case, event, insert, select, update
from sqlalchemy.exc import IntegrityError

from mintgate.store import Database, schema
from mintgate.store.conflicts import insert_at
from mintgate.store.prepared import Prepared
from mintgate.store.tables import sign_in_proofs, user_devices
from tests.world import sqlite_url

TABLE = sign_in_proofs
PROOF = {
    "instance_id": "i" * 36,
    "proof_hash": "a" * 64,
    "interaction_hash": "b" * 64,
    "user_id": "u" * 36,
    "password_digest": "p" * 64,
    "remember": True,
    "expires_at": 1000.25,
    "amr": ["pwd", "otp"],
}
OTHER = PROOF | {"proof_hash": "c" * 64, "remember": False, "amr": None}
_ADD = Prepared(insert(TABLE))
_ALL = Prepared(select(TABLE).order_by(TABLE.c.proof_hash))
_NAMED = Prepared(
    select(
        TABLE.c.proof_hash.label("name"),
        case((TABLE.c.expires_at > 999.5, "later"), else_="sooner").label("ends"),
    ).where(TABLE.c.remember == bindparam("remember"), TABLE.c.interaction_hash == "b" * 64)
)
_CHANGE = Prepared(
    update(TABLE).where(TABLE.c.proof_hash == bindparam("proof")).values(remember=False, amr=["x"])
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql")())
    else:
        url = sqlite_url(tmp_path_factory.mktemp("prepared"))
    opened = Database(url)
    schema.upgrade(opened)
    with opened.begin() as tx:
        assert [_ADD.changed(tx.connection, row) for row in (PROOF, OTHER)] == [1, 1]
    yield opened
    opened.close()


def by_sqlalchemy(database: Database) -> list[dict[str, Any]]:
    asked = select(TABLE).order_by(TABLE.c.proof_hash)
    return database.read_now(lambda c: [dict(row) for row in c.execute(asked).mappings()])


def test_values_and_rows_are_as_they_are_with_sqlalchemy(database: Database) -> None:
    rows = database.read_now(lambda c: _ALL.rows(c, {}))
    assert rows == [PROOF, OTHER] == by_sqlalchemy(database)
    assert [row["remember"] for row in rows] == [True, False]
    assert all(type(row["remember"]) is bool for row in rows)


def test_labels_constants_and_values_that_it_does_not_name(database: Database) -> None:
    values = {"remember": True, "somebody": "else"}
    assert database.read_now(lambda c: _NAMED.row(c, values)) == {"name": "a" * 64, "ends": "later"}
    assert database.read_now(lambda c: _NAMED.first(c, values)) is not None
    with database.begin() as tx:
        tx.connection.execute(update(TABLE).values(interaction_hash="d" * 64))
        assert _NAMED.row(tx.connection, values) is None
        tx.connection.rollback()


def test_a_change_writes_constants_as_their_types(database: Database) -> None:
    with database.begin() as tx:
        assert _CHANGE.changed(tx.connection, {"proof": "nobody's"}) == 0
        assert _CHANGE.changed(tx.connection, {"proof": "a" * 64}) == 1
        changed = _ALL.rows(tx.connection, {})[0]
        tx.connection.rollback()
    assert changed == PROOF | {"remember": False, "amr": ["x"]}


def test_what_breaks_a_rule_is_raised_as_sqlalchemy_raises_it(database: Database) -> None:
    with database.engine.connect() as connection, pytest.raises(IntegrityError):
        _ADD.changed(connection, PROOF)


def test_a_statement_of_each_engine(database: Database) -> None:
    """An upsert is made for the engine that it is run on, once."""
    made: list[str] = []

    def statement(engine: str) -> Any:
        made.append(engine)
        upsert = insert_at(engine, user_devices)
        key = ["instance_id", "user_id", "device_hash"]
        return upsert.on_conflict_do_update(
            index_elements=key, set_={"info": upsert.excluded.info}
        ).returning(user_devices.c.id, user_devices.c.info)

    upsert = Prepared(statement)
    device = {"instance_id": "i" * 36, "user_id": "u" * 36, "device_hash": "d" * 64}
    device |= {"created_at": 1.0, "last_sign_in_at": 2.0, "removed_at": None}
    with database.begin() as tx:
        for info in ("first", "second"):
            row = device | {"id": info.ljust(36), "info": info}
            told = upsert.row(tx.connection, row)
            assert told == {"id": "first".ljust(36), "info": info}
        tx.connection.rollback()
    assert made == [database.engine.dialect.name]


def test_reads_begin_a_transaction_by_themselves(database: Database) -> None:
    """What goes past SQLAlchemy keeps to a transaction's limits, too; on SQLite, to one moment."""
    begun: list[Connection] = []
    note = begun.append
    event.listen(database.engine, "begin", note)

    def read(connection: Connection) -> list[bool]:
        seen = []
        for _ in range(2):
            seen.append(_ALL.rows(connection, {})[0]["remember"])
            if connection.dialect.name == "sqlite":  # PostgreSQL's statements see what is committed
                with database.begin() as tx:
                    tx.connection.execute(update(TABLE).values(remember=False))
        return seen

    try:
        assert database.read_now(read) == [True, True]
        assert database.report_now(lambda c: c.in_transaction())
        assert len(begun) >= 2
    finally:
        event.remove(database.engine, "begin", note)
        with database.begin() as tx:
            tx.connection.execute(
                update(TABLE).where(TABLE.c.proof_hash == "a" * 64).values(remember=True)
            )
