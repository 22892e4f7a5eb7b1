"""Units of work that share a transaction: what they put off, and who is answered when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select

from mintgate.store import AuditEvent, Database, Transaction, refresh, tallies, writer
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.groups import Groups, GroupUndone, Item
from mintgate.store.refresh import Family
from mintgate.store.tables import audit_events, refresh_families, refresh_tokens

HERE = "00000000-0000-0000-0000-000000000001"
Work = Callable[[Transaction], Any]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: 1000.0)
    yield database
    database.close()


def a_family(number: int, user_id: str = "u1") -> Family:
    return Family(
        id=f"f{number}",
        application_id="a1",
        user_id=user_id,
        sid="s1",
        scopes=("read", "offline_access"),
        auth_time=900,
        amr=("pwd",),
        idp="local",
        tid=None,
        created_at=1000.0,
        expires_at=2000.0,
    )


def starts(number: int, user_id: str = "u1") -> Work:
    family = a_family(number, user_id)
    return lambda tx: refresh.start_family(tx, HERE, family, f"T{number}")


def in_one_group(database: Database, *units: tuple[Work | AuditEvent, bool]) -> list[Any]:
    """The outcomes of units that are submitted in one turn; each with whether it has a savepoint.

    The writer is kept busy first, so that all of them wait together.
    """

    async def run() -> list[Any]:
        first = database.record(AuditEvent(instance_id=HERE, at=1.0, event="first"))
        waiting = [
            database.record(unit)
            if isinstance(unit, AuditEvent)
            else asyncio.ensure_future(database.write(unit, savepoint=savepoint))
            for unit, savepoint in units
        ]
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(run())


def families(database: Database) -> dict[str, bool]:
    """Those that are stored, and whether each is revoked."""
    statement = select(refresh_families.c.id, refresh_families.c.revoked_at.is_not(None))
    rows = database.read_now(lambda c: c.execute(statement).all())
    tokens = database.read_now(lambda c: c.execute(select(refresh_tokens.c.family_id)).scalars())
    assert sorted(tokens) == sorted(row[0] for row in rows)
    return {row[0]: bool(row[1]) for row in rows}


def test_what_was_put_off_is_there_for_who_looks(database: Database) -> None:
    """[LIF-14] A revocation in the same group ends a family that was begun before it."""
    ends = lambda tx: refresh.revoke_of_user(tx, HERE, "u1", "test")  # noqa: E731
    outcomes = in_one_group(
        database, (starts(1), False), (starts(2, "u2"), False), (ends, False), (starts(3), False)
    )
    assert outcomes == [None, None, 1, None]
    assert families(database) == {"f1": True, "f2": False, "f3": False}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_rows_of_a_table_are_one_statement(database: Database) -> None:
    """SQLite inserts one after the other, which is faster there."""
    seen: list[str] = []
    original = refresh._NEW_FAMILIES.text
    refresh._NEW_FAMILIES.text = lambda dialect, count: (  # type: ignore[method-assign]
        seen.append(f"{count}") or original(dialect, count)  # type: ignore[func-returns-value]
    )
    try:
        in_one_group(database, *((starts(number), False) for number in range(20)))
    finally:
        del refresh._NEW_FAMILIES.text  # type: ignore[method-assign]
    assert seen == ["20"]
    assert len(families(database)) == 20


def fails(tx: Transaction) -> None:
    refresh.start_family(tx, HERE, a_family(9), "T9")
    raise ValueError("of its own")


@pytest.mark.parametrize("savepoint", [True, False])
def test_a_unit_that_fails_takes_nothing_of_others_along(
    database: Database, savepoint: bool
) -> None:
    outcomes = in_one_group(
        database, (starts(1), False), (fails, savepoint), (starts(2), True), (starts(3), False)
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        ValueError,
        type(None),
        type(None),
    ]
    assert families(database) == {"f1": False, "f2": False, "f3": False}


def test_a_row_that_cannot_be_stored_fails_who_put_it_off(database: Database) -> None:
    outcomes = in_one_group(database, (starts(1), False), (starts(1), False), (starts(2), False))
    assert [outcome is None for outcome in outcomes] == [True, False, True]
    assert families(database) == {"f1": False, "f2": False}


def test_all_of_a_great_group_are_answered(database: Database) -> None:
    many = 3 * writer.AT_ONCE + 1
    outcomes = in_one_group(database, *((starts(number), False) for number in range(many)))
    assert outcomes == [None] * many
    assert len(families(database)) == many


def events_stored(database: Database) -> list[str]:
    return database.read_now(lambda c: list(c.execute(select(audit_events.c.event)).scalars()))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_answer_that_does_not_come_is_no_success(database: Database) -> None:
    """Whether the rows are committed is unknown then: nobody is told so, nothing is done again."""
    broken = AuditEvent(instance_id=HERE, at=2.0, event="broken")

    async def run() -> None:
        await database.record(AuditEvent(instance_id=HERE, at=1.0, event="before"))
        connection = database._writer._carrying.connection
        assert connection is not None
        raw: Any = connection.connection.dbapi_connection
        execute = raw.execute_raw

        def lose_the_answer(*given: Any) -> Any:
            execute(*given)
            raw.close()
            return raw.execute("SELECT 1")

        raw.execute_raw = lose_the_answer
        with pytest.raises(DatabaseUnavailable):
            await database.record(broken)
        await database.record(AuditEvent(instance_id=HERE, at=3.0, event="after"))

    asyncio.run(run())
    assert sorted(events_stored(database)) == ["after", "before", "broken"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_group_whose_connection_is_lost_is_not_done_one_by_one(database: Database) -> None:
    """Each unit alone would wait for a server that is silent, and the next one behind it."""
    groups = Groups(database)
    lost = tallies.FAILED.cell("disconnected")
    before = lost[0]

    def lose(tx: Transaction) -> None:
        raw: Any = tx.direct.connection.dbapi_connection
        raw.close()
        refresh.hold(tx, HERE, "T1")

    loop = asyncio.new_event_loop()
    items = [Item(work, loop, loop.create_future(), None, savepoint=False) for work in (lose, lose)]
    with pytest.raises(GroupUndone) as undone:
        groups._transact(items)
    loop.close()
    assert undone.value.is_lost
    assert lost[0] == before + 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_audit_rows_alone_need_no_transaction(database: Database) -> None:
    """Three ways there and back would be one, two and three of them."""
    begun: list[Any] = []
    event.listen(database.engine, "begin", begun.append)
    outcomes = in_one_group(
        database, *((AuditEvent(instance_id=HERE, at=1.0, event="issued"), False),) * 5
    )
    assert outcomes == [None] * 5
    assert begun == []
    assert len(events_stored(database)) == 6


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_on_which_something_failed_is_not_used_again(database: Database) -> None:
    """It may lead to a server that only reads since it is no primary any more."""

    def pid(tx: Transaction) -> int:
        found: int = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return found

    def fail(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("SET LOCAL default_transaction_read_only = on")
        tx.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        refresh.start_family(tx, HERE, a_family(1), "T1")

    async def run() -> tuple[int, int]:
        before = await database.write(pid)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await database.write(fail)
        return before, await database.write(pid)

    before, after = asyncio.run(run())
    assert before != after


class Step(msgspec.Struct, frozen=True):
    """One unit: it starts a family, ends those of a user, counts them, or fails half way."""

    does: str
    number: int
    user_id: str
    savepoint: bool

    def work(self, tx: Transaction) -> Any:
        if self.does in {"starts", "fails"}:
            family = a_family(self.number, self.user_id)
            refresh.start_family(tx, HERE, family, f"T{self.number}")
        if self.does == "fails":
            raise ValueError("of its own")
        if self.does == "ends":
            return refresh.revoke_of_user(tx, HERE, self.user_id, "test")
        if self.does == "counts":
            return len(tx.connection.execute(select(refresh_families.c.id)).all())
        return None


steps = st.builds(
    Step,
    st.sampled_from(["starts", "starts", "starts", "ends", "counts", "fails"]),
    st.integers(1, 5),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from([False, False, False, True]),
)


def one_after_the_other(taken: list[Step]) -> tuple[list[Any], dict[str, bool]]:
    """The outcomes, and the families with whether each is revoked, if no unit met another one."""
    stored: dict[str, tuple[str, bool]] = {}
    outcomes: list[Any] = []
    for step in taken:
        name, result = f"f{step.number}", None
        if step.does == "fails" or (step.does == "starts" and name in stored):
            # A family that is there already breaks a rule of the database.
            result = "refused"
        elif step.does == "starts":
            stored[name] = step.user_id, False
        elif step.does == "ends":
            mine = [n for n, (user, ended) in stored.items() if user == step.user_id and not ended]
            stored |= dict.fromkeys(mine, (step.user_id, True))
            result = len(mine)
        else:
            result = len(stored)
        outcomes.append(result)
    return outcomes, {n: ended for n, (_, ended) in stored.items()}


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=st.lists(steps, min_size=4, max_size=8))
def test_a_group_is_as_one_after_the_other(database: Database, taken: list[Step]) -> None:
    with database.begin() as tx:
        for table in (refresh_families, refresh_tokens):
            tx.connection.execute(delete(table))
    outcomes = in_one_group(database, *((step.work, step.savepoint) for step in taken))
    told = ["refused" if isinstance(found, Exception) else found for found in outcomes]
    assert (told, families(database)) == one_after_the_other(taken)
