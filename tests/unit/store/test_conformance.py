"""What every database must do, once for SQLite and once for PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, event, insert, select, update
from sqlalchemy.exc import IntegrityError

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.feed import ChangedUser
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import (
    AuditEvent,
    Database,
    DatabaseUnavailable,
    Transaction,
    applications,
    audit,
    codes,
    feed,
    housekeeping,
    instances,
    interactions,
    keys,
    records,
    refresh,
    revocations,
    schema,
    sessions,
    users,
)
from mintgate.store.codes import StoredCode
from mintgate.store.follower import Follower
from mintgate.store.interactions import Interaction
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.purging import BATCH, delete_some
from mintgate.store.sessions import IdentitySession
from mintgate.store.tables import (
    application_authorizations,
    audit_events,
    authorization_codes,
    metadata,
    refresh_tokens,
    revoked_tokens,
)
from tests.world import sqlite_url

assert records  # its tables belong to the metadata

ORION = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")
LYRA = Instance(id="b" * 36, name="lyra", database="LYRA", base_url="https://lyra.example")
HERE = ORION.id
USER = User(
    id="u1",
    login="Mira.K",
    name={"en": "Mira", "bg": "Мира"},
    user_type=UserType.INTERNAL,
    email="Mira@Orion.example",
)
APPLICATION = TrustedApplication(
    id="app1",
    name={"en": "Shop"},
    application_uri="Shop.example/App",
    client_type=ClientType.PUBLIC,
    scope="read",
)
FAMILY = refresh.Family(
    id="f1",
    application_id="app1",
    user_id="u1",
    sid="S" * 32,
    scopes=("openid", "read"),
    auth_time=1,
    amr=("pwd",),
    idp="local",
    tid=None,
    created_at=1.0,
    expires_at=1e10,
)
CODE = StoredCode(
    code_hash="C" * 64,
    application_id="app1",
    user_id="u1",
    user_type="InternalUser",
    sid="S" * 32,
    redirect_uri="https://a",
    scopes=("openid",),
    code_challenge=None,
    nonce=None,
    state_hash=None,
    auth_time=1,
    amr=("pwd",),
    idp="local",
    tid=None,
    created_at=1001.0,
    expires_at=1301.0,
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: 1000.0)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
        instances.add(tx, LYRA)
    yield database
    database.close()


def write(database: Database, work: Any) -> Any:
    with database.begin() as tx:
        return work(tx)


def test_migrations_make_exactly_the_tables(database: Database) -> None:
    def difference(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert database.read_now(difference) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    schema.upgrade(database)


def test_a_newer_schema_is_refused(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("UPDATE schema_state SET oldest_program = '9999'")
    with pytest.raises(DatabaseUnavailable, match="newer mintgate"):
        schema.upgrade(database)


def test_every_table_is_keyed_by_instance() -> None:
    for table in metadata.sorted_tables:
        if table.name not in {"instances", "schema_state"}:
            assert next(iter(table.primary_key.columns)).name == "instance_id", table.name


def test_rows_of_another_instance_are_invisible(database: Database) -> None:
    """[TOP-6, TOP-7] the same application in two instances has two records"""
    write(database, lambda tx: applications.add(tx, HERE, APPLICATION))
    write(database, lambda tx: users.add(tx, HERE, USER))

    def find(connection: Connection, instance_id: str) -> list[object]:
        return [
            applications.by_uri(connection, instance_id, APPLICATION.application_uri),
            applications.by_id(connection, instance_id, "app1"),
            users.by_id(connection, instance_id, "u1"),
            users.by_login(connection, instance_id, "Mira.K"),
            users.for_sign_in(connection, instance_id, "mira.k"),
        ]

    assert all(database.read_now(lambda c: find(c, HERE)))
    assert not any(database.read_now(lambda c: find(c, LYRA.id)))
    write(database, lambda tx: applications.add(tx, LYRA.id, APPLICATION))


def test_application_round_trip(database: Database) -> None:
    write(database, lambda tx: applications.add(tx, HERE, APPLICATION))
    found = database.read_now(lambda c: applications.by_uri(c, HERE, APPLICATION.application_uri))
    assert found == msgspec.structs.replace(APPLICATION, creation_time_utc=1000)
    # [AUT-1] the client_id is exact, while [TAP-3] uniqueness ignores case
    assert database.read_now(lambda c: applications.by_uri(c, HERE, "shop.example/app")) is None
    twin = msgspec.structs.replace(APPLICATION, id="app2", application_uri="SHOP.example/app")
    with pytest.raises(IntegrityError):
        write(database, lambda tx: applications.add(tx, HERE, twin))


def test_user_round_trip_and_lookup(database: Database) -> None:
    """[USR-2, USR-3]"""
    write(database, lambda tx: users.add(tx, HERE, USER, "hash"))
    assert database.read_now(lambda c: users.by_id(c, HERE, "u1")) == USER
    for text in ("mira.k", "MIRA@ORION.EXAMPLE"):
        assert database.read_now(lambda c, t=text: users.for_sign_in(c, HERE, t)) == (USER, "hash")
    twin = msgspec.structs.replace(USER, id="u2", login="MIRA.K", email=None)
    with pytest.raises(IntegrityError):
        write(database, lambda tx: users.add(tx, HERE, twin))


def test_a_login_wins_over_the_same_text_as_an_email(database: Database) -> None:
    other = msgspec.structs.replace(USER, id="u2", login="mira@orion.example", email=None)
    write(database, lambda tx: users.add(tx, HERE, USER))
    write(database, lambda tx: users.add(tx, HERE, other))
    found = database.read_now(lambda c: users.for_sign_in(c, HERE, "mira@orion.example"))
    assert found is not None
    assert found[0].id == "u2"


def presented_for(code: StoredCode) -> dict[str, Any]:
    """What has to be presented with a code, and what it gives."""
    return {
        "application_id": code.application_id,
        "redirect_uri": code.redirect_uri,
        "code_challenge": code.code_challenge,
        "jti": "J",
        "token_expires_at": 2.0,
        "family_id": "f1",
    }


@pytest.mark.parametrize("challenge", [None, "C1"])
def test_code_is_redeemed_by_whom_it_is_for(challenge: str | None, database: Database) -> None:
    """[TKN-44..46, LIF-3, TAP-30] what does not fit changes nothing"""
    code = msgspec.structs.replace(CODE, code_challenge=challenge, expires_at=1000.5)
    ended = msgspec.structs.replace(code, code_hash="E" * 64, expires_at=1000.0)
    write(database, lambda tx: [codes.add(tx, HERE, each) for each in (code, ended)])
    good = presented_for(code)
    wrong: list[dict[str, Any]] = [
        {"application_id": "app2"},
        {"redirect_uri": "https://a/"},
        {"code_challenge": "C2"},
        {"code_challenge": None if challenge else "C1"},
    ]
    for other in wrong:
        assert write(database, lambda tx, o=other: redeemed(tx, code, good | o)) is None
    assert write(database, lambda tx: redeemed(tx, ended, good)) is None
    record = {"id": "1", "application_id": "app1", "context_user": "u1", "grant_time_utc": 1}
    record |= {"instance_id": HERE, "is_revoked": True}
    write(database, lambda tx: tx.connection.execute(insert(application_authorizations), record))
    assert write(database, lambda tx: redeemed(tx, code, good)) is None
    for values, admitted in (
        ({"is_revoked": False, "valid_from_utc": 1001}, False),
        ({"valid_from_utc": 1000, "valid_until_utc": 1000}, False),
        ({"valid_until_utc": 1001}, True),
    ):
        change = update(application_authorizations).values(**values)
        write(database, lambda tx, c=change: tx.connection.execute(c))
        found = write(database, lambda tx: redeemed(tx, code, good))
        assert (found is not None) is admitted, values
    assert found == msgspec.structs.replace(
        code, consumed_at=1000.0, jti="J", token_expires_at=2.0, family_id="f1"
    )


def redeemed(tx: Transaction, code: StoredCode, presented: dict[str, Any]) -> StoredCode | None:
    return codes.redeem(tx, HERE, code.code_hash, **presented)


def test_code_is_consumed_once(database: Database) -> None:
    """[AUT-45]"""
    write(database, lambda tx: codes.add(tx, HERE, CODE))
    assert database.read_now(lambda c: codes.find(c, HERE, CODE.code_hash)) == CODE

    def consume(tx: Transaction) -> bool:
        return codes.redeem(tx, HERE, CODE.code_hash, **presented_for(CODE)) is not None

    assert race(database, consume, 20) == 1
    used = database.read_now(lambda c: codes.find(c, HERE, CODE.code_hash))
    assert used is not None
    assert (used.consumed_at, used.jti) == (1000.0, "J")
    write(database, lambda tx: codes.note_token_end(tx, HERE, CODE.code_hash, 3.0))
    used = database.read_now(lambda c: codes.find(c, HERE, CODE.code_hash))
    assert used is not None
    assert used.token_expires_at == 3.0
    assert write(database, lambda tx: codes.purge(tx, HERE, 1302.0)) == 1


def race(database: Database, work: Any, threads: int) -> int:
    """Run `work` in many threads at once, each in its own transaction; counts True."""
    results: list[bool] = []
    barrier = threading.Barrier(threads)

    def run() -> None:
        barrier.wait()
        with database.begin() as tx:
            results.append(work(tx))

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == threads
    return sum(results)


def test_refresh_rotation(database: Database) -> None:
    """[LIF-12]"""
    write(database, lambda tx: refresh.start_family(tx, HERE, FAMILY, "T1"))
    found = database.read_now(lambda c: refresh.find(c, HERE, "T1"))
    assert found is not None
    assert (found.family, found.consumed_at, found.successor_used) == (FAMILY, None, False)
    assert race(database, lambda tx: refresh.consume(tx, HERE, "T1"), 20) == 1
    write(database, lambda tx: refresh.add_successor(tx, HERE, "f1", "T2", "T1"))
    assert write(database, lambda tx: refresh.consume(tx, HERE, "T2"))
    found = database.read_now(lambda c: refresh.find(c, HERE, "T1"))
    assert found is not None
    assert found.successor_used
    assert database.read_now(lambda c: refresh.find(c, LYRA.id, "T1")) is None
    # [EXT-4] of several successors of one token only the one that is used first lives
    write(database, lambda tx: refresh.add_successor(tx, HERE, "f1", "T3", "T1"))
    assert not write(database, lambda tx: refresh.consume(tx, HERE, "T3"))
    held = write(database, lambda tx: refresh.hold(tx, HERE, "T3"))
    assert (held.consumed_at, held.sibling_used, held.user_is_kept_out) == (None, True, False)


@pytest.mark.parametrize(
    "revoke",
    [
        lambda tx: refresh.revoke(tx, HERE, "f1", "x"),
        lambda tx: refresh.revoke_of_session(tx, HERE, "S" * 32, "x"),
        lambda tx: refresh.revoke_of_user(tx, HERE, "u1", "x"),
        lambda tx: refresh.revoke_of_application(tx, HERE, "app1", "x"),
    ],
    ids=["family", "session", "user", "application"],
)
def test_refresh_revocation(revoke: Any, database: Database) -> None:
    """[LIF-15]"""
    write(database, lambda tx: refresh.start_family(tx, HERE, FAMILY, "T1"))
    assert write(database, revoke) == 1
    assert write(database, revoke) == 0
    found = database.read_now(lambda c: refresh.find(c, HERE, "T1"))
    assert found is not None
    assert found.family.revoked_at == 1000.0


def test_revoked_tokens(database: Database) -> None:
    """[REV-4]"""
    for _ in range(2):
        write(database, lambda tx: revocations.add(tx, HERE, "J1", 9000.0))
    write(database, lambda tx: revocations.add(tx, HERE, "J2", 500.0))
    # A clock may be an hour fast, and set right later.
    assert database.read_now(lambda c: revocations.live(c, HERE, 4000.0)).keys() == {"J1", "J2"}
    assert database.read_now(lambda c: revocations.live(c, HERE, 4200.0)) == {"J1": 9000.0}
    assert database.read_now(lambda c: revocations.is_revoked(c, HERE, "J1"))
    assert not database.read_now(lambda c: revocations.is_revoked(c, LYRA.id, "J1"))
    assert write(database, lambda tx: revocations.purge(tx, HERE, 1000.0)) == 1


def test_sessions(database: Database) -> None:
    """[SES-51] a session of the same sid replaces its old cookie"""
    session = IdentitySession(
        sid="S" * 32,
        cookie_hash="H1",
        user_id="u1",
        auth_time=1,
        amr=("pwd", "otp"),
        idp="local",
        tid=None,
        created_at=1.0,
        expires_at=2.0,
    )
    write(database, lambda tx: sessions.put(tx, HERE, session))
    renewed = msgspec.structs.replace(session, cookie_hash="H2")
    write(database, lambda tx: sessions.put(tx, HERE, renewed))
    assert database.read_now(lambda c: sessions.by_cookie(c, HERE, "H1")) is None
    assert database.read_now(lambda c: sessions.by_cookie(c, HERE, "H2")) == renewed
    assert write(database, lambda tx: sessions.purge(tx, HERE, 3.0)) == 1


def test_interactions(database: Database) -> None:
    row = Interaction(id_hash="I", parameters={"a": "ж"}, created_at=1.0, expires_at=2.0)
    write(database, lambda tx: interactions.begin(tx, HERE, row))
    write(database, lambda tx: interactions.note_authentication(tx, HERE, "I", "SID"))
    write(database, lambda tx: interactions.note_choice(tx, HERE, "I", "CHOSEN"))
    write(database, lambda tx: interactions.note_consent(tx, HERE, "I", "u1"))
    found = database.read_now(lambda c: interactions.find(c, HERE, "I"))
    assert found == msgspec.structs.replace(
        row, authenticated_sid="SID", chosen_sid="CHOSEN", consented_by="u1"
    )
    assert race(database, lambda tx: interactions.close(tx, HERE, "I"), 10) == 1


def test_consents_add_up(database: Database) -> None:
    """[EXT-2]"""
    for scopes in ({"openid"}, {"read"}):
        write(
            database,
            lambda tx, s=scopes: applications.remember_consent(tx, HERE, "u1", "app1", s),
        )
    found = database.read_now(lambda c: applications.consented_scopes(c, HERE, "u1", "app1"))
    assert found == {"openid", "read"}


def test_feed_positions_have_no_gap_under_a_race(database: Database) -> None:
    """[TOP-13] a follower that reads in order never skips one"""
    before = database.read_now(feed.positions)[HERE]

    def work(tx: Transaction) -> bool:
        tx.changed(HERE, "u1", ChangedUser(sub_id="u1", active=True))
        return True

    race(database, work, 20)
    changes = database.read_now(lambda c: feed.after(c, HERE, before))
    assert [change.position for change in changes] == list(range(before + 1, before + 21))


def test_follower_tells_each_change_once(database: Database) -> None:
    """[TOP-13]"""

    async def run() -> list[str]:
        told: list[str] = []
        follower = Follower(database, lambda changes: told.extend(c.subject for c in changes))
        await follower.start()
        for subject in ("x1", "x2"):
            # As another process: not through this database's own writer.
            await asyncio.to_thread(
                write,
                database,
                lambda tx, s=subject: tx.changed(HERE, s, ChangedUser(sub_id=s, active=True)),
            )
            await follower.poll()
            await follower.poll()
        assert follower.is_fresh
        await follower.stop()
        return told

    assert asyncio.run(run()) == ["x1", "x2"]


def test_a_follower_notices_another_database_under_the_same_name(database: Database) -> None:
    """A restored one begins a new epoch; one that an operator put back has smaller numbers."""

    async def run() -> list[str]:
        told: list[str] = []
        follower = Follower(
            database,
            lambda changes: told.extend(c.subject for c in changes),
            on_gap=lambda: told.append("gap"),
        )
        entry = ChangedUser(sub_id="u", active=True)
        acts: list[Any] = [
            lambda tx: tx.changed(HERE, "x1", entry),
            lambda tx: (feed.begin_anew(tx.connection, HERE, 5.0), tx.changed(HERE, "n1", entry)),
            lambda tx: tx.changed(HERE, "n2", entry),
            lambda tx: tx.connection.exec_driver_sql("UPDATE instances SET feed_position = 1"),
        ]
        await follower.start()
        for act in acts:
            await asyncio.to_thread(write, database, act)
            await follower.poll()
        await follower.poll()
        await follower.stop()
        return told

    assert asyncio.run(run()) == ["x1", "gap", "n2", "gap"]


def test_group_commit_keeps_units_apart(database: Database) -> None:
    """One failing unit undoes only itself; audit and feed rows go with their unit."""

    def good(number: int) -> Any:
        def work(tx: Transaction) -> int:
            tx.record(AuditEvent(instance_id=HERE, at=1.0, event=f"good.{number}"))
            revocations.add(tx, HERE, f"J{number}", 5.0)
            return number

        return work

    def bad(tx: Transaction) -> None:
        tx.record(AuditEvent(instance_id=HERE, at=1.0, event="bad"))
        revocations.add(tx, HERE, "BAD", 5.0)
        raise LookupError("this unit fails")

    async def run() -> list[Any]:
        told: list[str] = []
        database.on_commit = lambda changes: told.extend(c.subject for c in changes)
        units = [good(0), bad, good(1), bad, good(2)]
        results = await asyncio.gather(
            *(database.write(unit) for unit in units),
            database.record(AuditEvent(instance_id=HERE, at=1.0, event="alone")),
            return_exceptions=True,
        )
        assert told == ["J0", "J1", "J2"]
        return results

    results = asyncio.run(run())
    assert [r if isinstance(r, int) else type(r) for r in results] == [
        0,
        LookupError,
        1,
        LookupError,
        2,
        type(None),
    ]
    assert set(database.read_now(lambda c: revocations.live(c, HERE, 1.0))) == {"J0", "J1", "J2"}
    found = database.read_now(lambda c: audit.latest(c, HERE))
    assert {e.event for e in found} == {"good.0", "good.1", "good.2", "alone"}


def test_work_without_savepoints(database: Database) -> None:
    """When one raises, nothing of it stays and the others of its group are done all the same."""

    def unit(jti: str, *, fails: bool = False) -> Any:
        def work(tx: Transaction) -> str:
            tx.record(AuditEvent(instance_id=HERE, at=1.0, event=jti))
            revocations.add(tx, HERE, jti, 5.0)
            if fails:
                raise LookupError(jti)
            return jti

        return work

    async def run() -> list[Any]:
        alone = [
            await asyncio.gather(
                database.write(unit("A1", fails=True), savepoint=savepoint), return_exceptions=True
            )
            for savepoint in (True, False)
        ]
        assert [type(r) for (r,) in alone] == [LookupError, LookupError]
        units = [unit("J1"), unit("J2", fails=True), unit("J3")]
        return await asyncio.gather(
            database.write(unit("J0")),
            *(database.write(work, savepoint=False) for work in units),
            database.record(AuditEvent(instance_id=HERE, at=1.0, event="alone")),
            return_exceptions=True,
        )

    results = asyncio.run(run())
    assert [r if isinstance(r, str) else type(r) for r in results] == [
        "J0",
        "J1",
        LookupError,
        "J3",
        type(None),
    ]
    assert set(database.read_now(lambda c: revocations.live(c, HERE, 1.0))) == {"J0", "J1", "J3"}
    found = database.read_now(lambda c: audit.latest(c, HERE))
    assert sorted(e.event for e in found) == ["J0", "J1", "J3", "alone"]


def test_audit_sequence_has_no_gap(database: Database) -> None:
    """One chain a writer: a missing number is a missing event."""

    async def run() -> None:
        events = [AuditEvent(instance_id=HERE, at=1.0, event="e") for _ in range(100)]
        await asyncio.gather(*(database.record(event) for event in events))

    asyncio.run(run())
    statement = select(audit_events.c.sequence).order_by(audit_events.c.sequence)
    numbers = database.read_now(lambda c: list(c.execute(statement).scalars()))
    assert numbers == list(range(1, 101))


def test_keys_are_sealed(database: Database) -> None:
    kek, other = KeyEncryptionKey(b"k" * 32), KeyEncryptionKey(b"o" * 32)
    key = write(database, lambda tx: keys.create(tx, HERE, kek))
    ((found, times),) = database.read_now(lambda c: keys.all_of(c, HERE, kek))
    assert (found.kid, times.active_from) == (key.kid, 1000.0)
    assert found.to_pkcs8() == key.to_pkcs8()
    with pytest.raises(KeyEncryptionProblem, match="another key-encryption key"):
        database.read_now(lambda c: keys.all_of(c, HERE, other))


def test_removing_an_application_ends_its_refresh_tokens(database: Database) -> None:
    """[TAP-33]"""
    write(database, lambda tx: applications.add(tx, HERE, APPLICATION))
    write(database, lambda tx: refresh.start_family(tx, HERE, FAMILY, "T1"))
    write(database, lambda tx: applications.remove(tx, HERE, "app1"))
    assert database.read_now(lambda c: applications.by_id(c, HERE, "app1")) is None
    found = database.read_now(lambda c: refresh.find(c, HERE, "T1"))
    assert found is not None
    assert found.family.revoked_at is not None


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def work(tx: Transaction) -> None:
        users.add(tx, HERE, USER)
        users.add(tx, HERE, msgspec.structs.replace(USER, id="u2"))

    with pytest.raises(IntegrityError):
        write(database, work)
    assert database.read_now(lambda c: users.by_id(c, HERE, "u1")) is None


def test_the_writer_outlives_a_failed_group(database: Database) -> None:
    """A row that cannot be stored fails those who wait for it, and nobody after them."""

    good = AuditEvent(instance_id=HERE, at=1.0, event="good")
    bad = AuditEvent(instance_id=HERE, at=1.0, event="bad", details={"x": object()})

    async def run() -> list[Any]:
        group = (database.record(event) for event in (good, bad, good))
        return [*await asyncio.gather(*group, return_exceptions=True), await database.record(good)]

    results = asyncio.run(run())
    assert [type(r) for r in results] == [type(None), TypeError, type(None), type(None)]
    found = database.read_now(lambda c: audit.latest(c, HERE))
    assert [event.event for event in found] == ["good"] * 3
    statement = select(audit_events.c.sequence).order_by(audit_events.c.sequence)
    assert database.read_now(lambda c: list(c.execute(statement).scalars())) == [1, 2, 3]


def test_a_full_disk_in_a_group_keeps_nothing_half_done(tmp_path: Path) -> None:
    """SQLite ends the whole transaction then: no unit before may be answered as kept."""
    database = Database(sqlite_url(tmp_path), lambda: 1000.0)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)

    def small(name: str) -> Any:
        return lambda tx: revocations.add(tx, HERE, name, 5000.0)

    def huge(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        row = Interaction(
            id_hash="I", parameters={"a": "x" * 100_000}, created_at=1.0, expires_at=2.0
        )
        try:
            interactions.begin(tx, HERE, row)
        finally:
            tx.connection.exec_driver_sql("PRAGMA max_page_count = 1000000")

    async def run() -> list[Any]:
        units = (small("A"), huge, small("B"))
        return list(
            await asyncio.gather(*(database.write(u) for u in units), return_exceptions=True)
        )

    results = asyncio.run(run())
    assert [type(r) for r in results] == [type(None), DatabaseUnavailable, type(None)]
    assert set(database.read_now(lambda c: revocations.live(c, HERE, 1.0))) == {"A", "B"}
    database.close()


def test_sweep_removes_only_what_has_ended(database: Database) -> None:
    day = 24 * 3600.0
    code = msgspec.structs.replace(CODE, expires_at=301.0)
    write(database, lambda tx: codes.add(tx, HERE, code))
    ending = msgspec.structs.replace(FAMILY, expires_at=301.0)
    write(database, lambda tx: refresh.start_family(tx, HERE, ending, "T1"))
    lasting = msgspec.structs.replace(FAMILY, id="f2")
    write(database, lambda tx: refresh.start_family(tx, HERE, lasting, "T2"))
    write(database, lambda tx: revocations.add(tx, HERE, "J1", 301.0))

    def sweep(now: float) -> dict[str, int]:
        return write(database, lambda tx: housekeeping.sweep(tx, HERE, now))

    assert set(sweep(301.0 + day).values()) == {0}
    swept = sweep(302.0 + day)
    assert (swept["codes"], swept["refresh_families"], swept["revoked_tokens"]) == (1, 1, 1)
    assert database.read_now(lambda c: refresh.find(c, HERE, "T1")) is None
    assert database.read_now(lambda c: refresh.find(c, HERE, "T2")) is not None
    assert sweep(2000.0 + 7 * day)["feed_entries"] > 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_writer_survives_the_loss_of_its_connection(database: Database) -> None:
    """A server restart or an idle cut costs a reconnect, and nobody an error."""

    async def run() -> None:
        await database.write(lambda tx: revocations.add(tx, HERE, "A", 5000.0))
        connection = database._writer._carrying.connection
        assert connection is not None
        raw = connection.connection.dbapi_connection
        assert raw is not None
        await asyncio.to_thread(raw.close)
        await database.write(lambda tx: revocations.add(tx, HERE, "B", 5000.0))

    asyncio.run(run())
    assert set(database.read_now(lambda c: revocations.live(c, HERE, 1.0))) == {"A", "B"}


def test_sweeping_goes_on_in_parts(database: Database) -> None:
    """What is removed at once is bounded, so that no request waits long behind it."""
    count = 2 * BATCH + 5

    def add(tx: Transaction) -> None:
        for number in range(count):
            revocations.add(tx, HERE, f"J{number}", 301.0)
        refresh.start_family(tx, HERE, msgspec.structs.replace(FAMILY, expires_at=301.0), "T")
        for number in range(BATCH + 5):
            refresh.add_successor(tx, HERE, FAMILY.id, f"T{number}", "T")

    write(database, add)
    now = 302.0 + 24 * 3600.0
    swept = [write(database, lambda tx: housekeeping.sweep(tx, HERE, now)) for _ in range(5)]
    assert [part.get("revoked_tokens") for part in swept] == [None, BATCH, BATCH, 5, 0]
    assert [part["refresh_families"] for part in swept] == [BATCH, 1, 0, 0, 0]
    assert database.read_now(lambda c: refresh.find(c, HERE, "T7")) is None


@pytest.mark.parametrize("table", [revoked_tokens, authorization_codes, refresh_tokens])
def test_purging_finds_its_rows_by_an_index(table: Table, tmp_path: Path) -> None:
    """A scan of millions of rows for each part would stall the writer."""
    database = Database(sqlite_url(tmp_path))
    schema.upgrade(database)
    condition = table.c.instance_id == HERE
    if "expires_at" in table.c:
        condition = condition & (table.c.expires_at < 1.0)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: statements.append(plan_of(a)))
    with database.begin() as tx:
        delete_some(tx.connection, table, condition)
    assert statements
    assert not [line for line in statements if "SCAN " + table.name in line], statements
    database.close()


def plan_of(arguments: tuple[Any, ...]) -> str:
    _, cursor, statement, parameters, *_ = arguments
    if not statement.startswith("DELETE"):
        return ""
    plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return "\n".join(str(row[3]) for row in plan)
