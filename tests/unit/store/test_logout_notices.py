"""The outbox of back-channel logout on both engines [EXT-3]."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from mintgate.store import (
    Database,
    Transaction,
    applications,
    codes,
    instances,
    logout_notices,
    refresh,
    schema,
    sessions,
    users,
)
from mintgate.store.sessions import IdentitySession
from tests.unit.store.test_conformance import (
    APPLICATION,
    CODE,
    FAMILY,
    HERE,
    LYRA,
    ORION,
    USER,
    race,
    write,
)
from tests.world import MovableClock

SID = CODE.sid
SESSION = IdentitySession(
    sid=SID,
    cookie_hash="K" * 64,
    user_id="u1",
    auth_time=1,
    amr=("pwd",),
    idp="local",
    tid=None,
    created_at=1.0,
    expires_at=1e10,
)
TOLD = msgspec.structs.replace(
    APPLICATION,
    back_channel_logout_url="https://a.example/back",
    front_channel_logout_url="https://a.example/front",
)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(1000.0)


@pytest.fixture
def database(database_url: str, clock: MovableClock) -> Iterator[Database]:
    database = Database(database_url, clock)
    schema.upgrade(database)
    with database.begin() as tx:
        for instance in (ORION, LYRA):
            instances.add(tx, instance)
            applications.add(tx, instance.id, TOLD)
            users.add(tx, instance.id, USER)
    yield database
    database.close()


def claim(tx: Transaction, claimant: str = "me", **options: object) -> list[logout_notices.Notice]:
    given = {"claimant": claimant, "lease": 60.0, "limit": 10} | options
    return logout_notices.claim(tx, HERE, **given)  # type: ignore[arg-type]


def add(tx: Transaction, application_id: str = "app1") -> None:
    logout_notices.add(tx, HERE, application_id=application_id, sid=SID, sub="mira")


def test_the_end_of_a_session_writes_notices(database: Database) -> None:
    """A code makes the application one of the session, in this instance only."""
    write(database, lambda tx: codes.add(tx, HERE, CODE))
    again = msgspec.structs.replace(CODE, code_hash="D" * 64)
    write(database, lambda tx: codes.add(tx, HERE, again))
    assert write(database, lambda tx: sessions.end(tx, LYRA.id, SID, "signed_out")) == []
    fronts = write(database, lambda tx: sessions.end(tx, HERE, SID, "signed_out"))
    assert fronts == ["https://a.example/front"]
    (notice,) = write(database, claim)
    assert (notice.application_id, notice.sid, notice.sub) == ("app1", SID, "Mira.K")
    assert (notice.created_at, notice.attempts) == (1000.0, 1)


def test_two_that_end_a_session_write_one_notice(database: Database) -> None:
    write(database, lambda tx: codes.add(tx, HERE, CODE))
    assert race(database, lambda tx: bool(sessions.end(tx, HERE, SID, "signed_out")), 10) == 1
    assert len(write(database, claim)) == 1


def sign_in(tx: Transaction) -> None:
    sessions.put(tx, HERE, SESSION)


def test_a_code_and_the_end_of_its_session_come_one_after_the_other(database: Database) -> None:
    """[END-4] Whoever is first: no code of an ended session is left, and nobody stays untold."""
    for _ in range(5):
        write(database, sign_in)
        both = threading.Barrier(2)
        written: list[bool] = []
        told: list[list[str]] = []

        def issue(tx: Transaction, both: Any = both, written: Any = written) -> None:
            both.wait()
            written.append(sessions.hold(tx, HERE, SID))
            if written[0]:
                codes.add(tx, HERE, CODE)

        def end(tx: Transaction, both: Any = both, told: Any = told) -> None:
            if not database.is_sqlite:
                both.wait()
            told.append(sessions.end(tx, HERE, SID, "signed_out"))

        if database.is_sqlite:  # it has one writer at a time: the barrier would never be passed
            both = threading.Barrier(1)
        threads = [
            threading.Thread(target=write, args=(database, work))
            for work in (partial(issue, both=both), partial(end, both=both))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told[0]) == written[0]
        assert database.read_now(lambda c: codes.find(c, HERE, CODE.code_hash)) is None


def test_an_ended_session_gives_no_code(database: Database) -> None:
    write(database, sign_in)
    write(database, sign_in)  # [SES-51]
    assert write(database, lambda tx: sessions.hold(tx, HERE, SID))
    write(database, lambda tx: sessions.end(tx, HERE, SID, "signed_out"))
    assert not write(database, lambda tx: sessions.hold(tx, HERE, SID))


def test_a_notice_is_claimed_once(database: Database) -> None:
    write(database, add)
    assert race(database, lambda tx: len(claim(tx)) == 1, 20) == 1


def test_a_lease_ends(database: Database, clock: MovableClock) -> None:
    """A process that died loses nothing, and one that was slow decides nothing."""
    write(database, add)
    (notice,) = write(database, claim)
    assert database.read_now(lambda c: logout_notices.next_due(c, HERE)) == 1060.0
    clock.advance(60)
    (again,) = write(database, lambda tx: claim(tx, "another"))
    assert (again.id, again.attempts) == (notice.id, 2)
    for outcome in (
        lambda tx: logout_notices.done(tx, HERE, notice.id, "me"),
        lambda tx: logout_notices.put_off(tx, HERE, notice.id, "me", 5000.0),
    ):
        assert write(database, outcome) is False
    assert write(database, lambda tx: logout_notices.done(tx, HERE, notice.id, "another"))
    assert database.read_now(lambda c: logout_notices.next_due(c, HERE)) is None


def test_putting_off(database: Database, clock: MovableClock) -> None:
    write(database, add)
    (notice,) = write(database, claim)
    assert write(database, lambda tx: logout_notices.put_off(tx, HERE, notice.id, "me", 1100.0))
    clock.advance(99)
    assert write(database, claim) == []
    clock.advance(1)
    assert len(write(database, claim)) == 1


def test_busy_applications_are_left_alone(database: Database) -> None:
    for name in ("app1", "app1", "app2"):
        write(database, lambda tx, name=name: add(tx, name))
    (notice,) = write(database, lambda tx: claim(tx, without=["app1"]))
    assert notice.application_id == "app2"
    assert len(write(database, lambda tx: claim(tx, limit=1))) == 1


def test_a_removed_application_belongs_to_no_session(database: Database) -> None:
    write(database, lambda tx: codes.add(tx, HERE, CODE))
    write(database, lambda tx: applications.remove(tx, HERE, "app1"))
    assert write(database, lambda tx: sessions.end(tx, HERE, SID, "signed_out")) == []
    assert write(database, claim) == []


def test_sessions_from_before_are_known_after_the_migration(database: Database) -> None:
    """Those that have a refresh token alive, so that their end is told, too."""
    write(database, lambda tx: refresh.start_family(tx, HERE, FAMILY, "T1"))
    revoked = msgspec.structs.replace(FAMILY, id="f2", sid="R" * 32, revoked_at=5.0)
    write(database, lambda tx: refresh.start_family(tx, HERE, revoked, "T2"))
    from mintgate.store.migrations.versions import __path__ as folder

    path = f"{next(iter(folder))}/0010_logout.py"
    source: dict[str, object] = {}
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), source)  # noqa: S102 - the module's name is a number
    with database.engine.begin() as connection:
        connection.execute(text(str(source["_ALREADY_USED"])))
    for sid, told in ((revoked.sid, 0), (FAMILY.sid, 1)):
        ended = write(database, lambda tx, sid=sid: sessions.end(tx, HERE, sid, "signed_out"))
        assert len(ended) == told
