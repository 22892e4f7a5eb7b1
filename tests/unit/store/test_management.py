"""What the automation API stands on, on both engines: parts of lists, stored answers, locks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mintgate.apis.management.answers import Answer
from mintgate.apis.management.repetition import Repetition
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation.problems import Conflict, KeyReused, PreconditionFailed
from mintgate.contract.automation.records import ApplicationChanges
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.identity.administration import applications as operations
from mintgate.identity.administration.call import Acting, Call, etag_of
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    applications,
    audit,
    housekeeping,
    idempotency,
    instances,
    listings,
    refresh,
    schema,
    sessions,
    users,
)
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.keyset import BadPlace
from mintgate.store.refresh import Family
from mintgate.store.sessions import IdentitySession

ORION = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")
LYRA = Instance(id="b" * 36, name="lyra", database="LYRA", base_url="https://lyra.example")
HERE, NOW = ORION.id, 1_790_000_000.0
OPERATOR = User(id="", login="op", name={}, user_type=UserType.SYSTEM, is_admin=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: NOW)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
    yield database
    database.close()


def add_application(tx: Transaction, number: int, instance_id: str = HERE) -> None:
    application = TrustedApplication(
        id=f"app{number}", name={"en": "A"}, application_uri=f"App/{number:03}"
    )
    applications.add(tx, instance_id, application)


def family(number: int, created_at: float, user_id: str = "u1") -> Family:
    return Family(
        id=f"f{number}",
        application_id="app1",
        user_id=user_id,
        sid="S" * 32,
        scopes=("read",),
        auth_time=1,
        amr=("pwd",),
        idp="local",
        tid=None,
        created_at=created_at,
        expires_at=NOW + 100,
    )


def test_parts_of_a_list_join_to_the_whole(database: Database) -> None:
    """Also where several rows have the same time."""
    with database.begin() as tx:
        for number in range(7):
            add_application(tx, number)
            refresh.start_family(tx, HERE, family(number, NOW + number // 3), f"hash{number}")
        add_application(tx, 99, LYRA.id)
        refresh.consume(tx, HERE, "hash3")

    def read(connection: Any) -> None:
        seen, after = [], None
        while True:
            part = listings.applications_part(connection, HERE, after, 3, None)
            seen += [application.id for application in part.rows]
            after = part.following
            if after is None:
                break
        assert seen == [f"app{number}" for number in range(7)]
        ids, after = [], None
        while True:
            part = listings.families_part(connection, HERE, after, 2, user_id="u1")
            ids += [listed.family.id for listed in part.rows]
            after = part.following
            if after is None:
                break
        assert ids == ["f6", "f3", "f4", "f5", "f0", "f1", "f2"]
        (used,) = [
            listed
            for listed in listings.families_part(connection, HERE, None, 9).rows
            if listed.last_used_at
        ]
        assert (used.family.id, used.last_used_at) == ("f3", NOW)
        for bad in ([], ["x", "y"], [1.0], [10**30, "y"], [1.0, "\0"]):
            with pytest.raises(BadPlace):
                listings.families_part(connection, HERE, bad, 2)

    database.read_now(read)


def test_audit_events_by_time_and_kind(database: Database) -> None:
    with database.begin() as tx:
        for number in range(6):
            event = "a.b" if number % 2 else "c.d"
            tx.record(AuditEvent(instance_id=HERE, at=NOW + number // 2, event=event, actor="x"))

    def read(connection: Any) -> None:
        def times(**how: Any) -> list[float]:
            return [
                r["at"] - NOW for r in listings.audit_part(connection, HERE, None, 9, **how).rows
            ]

        assert times() == [2, 2, 1, 1, 0, 0]
        assert times(since=NOW + 1) == [2, 2, 1, 1]
        assert times(until=NOW + 1) == [0, 0]
        assert times(event="a.b") == [2, 1, 0]
        assert times(actor="nobody") == []
        assert len(audit.latest(connection, HERE)) == 6

    database.read_now(read)


def test_sessions_and_owners(database: Database) -> None:
    with database.begin() as tx:
        users.add(
            tx,
            HERE,
            User(
                id="u1",
                login="Mira",
                name={"en": "M"},
                user_type=UserType.INTERNAL,
                email="m@x.example",
            ),
        )
        for number, ends in enumerate((NOW - 1, NOW + 1)):
            session = IdentitySession(
                sid=f"{number}" * 32,
                cookie_hash=f"c{number}",
                user_id="u1",
                auth_time=1,
                amr=("pwd",),
                idp="local",
                tid=None,
                created_at=NOW - 5,
                expires_at=ends,
            )
            sessions.put(tx, HERE, session)

    def read(connection: Any) -> None:
        part = listings.sessions_part(connection, HERE, NOW, None, 9, user_id="u1")
        assert [session.sid for session in part.rows] == ["1" * 32]
        assert sessions.by_sid(connection, HERE, "1" * 32) is not None
        assert sessions.by_sid(connection, LYRA.id, "1" * 32) is None
        owners = users.owners(connection, HERE, "MIRA", "M@X.example")
        assert owners == (frozenset({"u1"}), frozenset({"u1"}))
        assert users.owners(connection, HERE, "other", None) == (frozenset(), frozenset())

    database.read_now(read)


def test_answers_are_sealed_and_given_again(database: Database) -> None:
    kek, key = KeyEncryptionKey(bytes(32)), Repetition("k" * 64, b"request")
    made: list[int] = []

    def work() -> Answer:
        made.append(1)
        return Answer(201, {"ETag": '"x"'}, b'{"value":"enrt_secret"}')

    with database.begin() as tx:
        first = key.once(tx, HERE, kek, work)
    with database.begin() as tx:
        assert key.once(tx, HERE, kek, work) == (first[0], True)
        assert b"secret" not in (idempotency.find(tx.connection, HERE, "k" * 64, NOW) or b"")
        with pytest.raises(KeyReused):
            Repetition("k" * 64, b"another").once(tx, HERE, kek, work)
        with pytest.raises(Conflict):
            key.once(tx, HERE, KeyEncryptionKey(b"1" * 32), work)
        assert idempotency.find(tx.connection, LYRA.id, "k" * 64, NOW) is None
        assert idempotency.find(tx.connection, HERE, "k" * 64, NOW + 24 * 3600) is None
        assert housekeeping.sweep(tx, HERE, NOW + 24 * 3600 + 1)["idempotency_keys"] == 1
    assert made == [1]


def test_one_key_is_worked_on_once_by_many(database: Database) -> None:
    """Each thread is a process here: it has its own connection."""
    kek, key = KeyEncryptionKey(bytes(32)), Repetition("k" * 64, b"request")
    made: list[int] = []

    def attempt(number: int) -> bool:
        def work() -> Answer:
            made.append(number)
            return Answer(201, {}, b"{}")

        with database.begin() as tx:
            return key.once(tx, HERE, kek, work)[1]

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(attempt, range(5))) == [False, True, True, True, True]
    assert len(made) == 1


def test_one_of_many_changes_of_the_same_state_wins(database: Database) -> None:
    """RFC 9110 §13.1.1: If-Match holds between processes."""
    with database.begin() as tx:
        add_application(tx, 1)

    def call(tx: Transaction, **values: Any) -> Call:
        return Call(
            connection=tx.connection,
            instance=ORION,
            now=tx.now,
            acting=Acting(user=OPERATOR, name="op"),
            key_encryption_key=lambda: KeyEncryptionKey(bytes(32)),
            tx=tx,
            path={"application_id": "app1"},
            **values,
        )

    with database.begin() as tx:
        seen = frozenset({etag_of(operations.get(call(tx)))})

    def change(number: int) -> bool:
        try:
            with database.begin() as tx:
                body = ApplicationChanges(notes=str(number))
                operations.change(call(tx, body=body, if_match=seen))
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(change, range(5))) == [False] * 4 + [True]
