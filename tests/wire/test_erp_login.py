"""ErpLogin at a running server: the session, its id, and its ends (LEG-10..14)."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher
from msgspec.structs import replace
from sqlalchemy import delete

from mintgate.gate.sessions import ErpSessions
from mintgate.identity import passwords
from mintgate.identity.signin import password
from mintgate.store import applications, erp_session_ends, users
from mintgate.store.tables import application_authorizations
from tests.wire.legacy_world import (
    CUSTOMERS,
    MORE,
    OLD,
    OLDER,
    basic,
    call,
    causes,
    log_in,
    session_of,
)
from tests.world import PASSWORD, World, sqlite_url

LOGOUT = "/api/domain/logout"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(password, "_NOBODYS_HASH", hasher.hash("nobody"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = sqlite_url(tmp_path_factory.mktemp("erplogin"))
    world = World(url, more=MORE, customers=True).start()
    yield world
    world.stop()


@pytest.fixture
def old(shared: World) -> World:
    """The world two hours later, when no session is open any more."""
    shared.clock.advance(7200)
    return shared


def key_of(session: str) -> str:
    """What is stored of a session's id."""
    return hashlib.sha256(session.partition(" ")[2].encode()).hexdigest().upper()


def open_keys(world: World) -> set[str]:
    return {
        r["key"] for r in world.rows("erp_sessions") if world.clock() - r["last_request_at"] < 1200
    }


def test_the_answer_is_what_an_old_client_splits(old: World) -> None:
    """[LEG-11]"""
    answer = log_in(old)
    assert answer.status_code == 200
    assert re.fullmatch(r'\{"authorization":"ErpSession [A-Za-z0-9_-]{43}"\}', answer.text)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    # The published sample: text.Split(':')[1] without quotes and braces.
    split = answer.text.split(":")
    assert len(split) == 2
    assert call(old, split[1].strip('"}')).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/domain/login", "/api/Domain/Login", "/API/DOMAIN/LOGIN", "/api/domain/LogIn"]
)
def test_paths_in_any_case(path: str, old: World) -> None:
    """[LEG-10]"""
    session = session_of(log_in(old, path=path))
    out = old.http.post(path.lower().replace("login", "LogOut"), headers={"Authorization": session})
    assert out.status_code == 200


def test_the_session_acts_as_the_user(old: World) -> None:
    """[LEG-12, LEG-15]"""
    session = session_of(log_in(old))
    key = call(old, session, f"{CUSTOMERS}?$top=1").json()["value"][0]["@odata.id"]
    patched = call(old, session, key, method="PATCH", json={"GracePeriodDays": 9})
    assert patched.is_success, patched.text
    assert call(old, session, key).json()["UpdateUser"] == "olga"
    assert call(old, session.replace("ErpSession", "erpsession"), key).status_code == 200
    assert call(old, session, "Systems_Security_Users").status_code == 403


def test_only_the_digest_of_an_id_is_stored(old: World) -> None:
    """[LEG-12] and the id is in no log"""
    session = session_of(log_in(old))
    old.leaks.note("session", session.partition(" ")[2])
    assert call(old, session).status_code == 200
    (row,) = [r for r in old.rows("erp_sessions") if r["key"] == key_of(session)]
    assert (row["kind"], row["seat"], row["absolute_end"]) == ("legacy", "general", None)
    assert call(old, f"ErpSession {row['key']}").status_code == 401
    assert call(old, f"ErpSession {row['login_nonce']}").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"user":"olga"}',
        '{"user":"olga","pass":null}',
        '{"user":"olga","pass":""}',
        '{"user":" ","pass":"x"}',
        '{"user":1,"pass":"x"}',
        '{"user":"olga\\u0000","pass":"x"}',
        '{"user":"olga","pass":"\\ud800"}',
        '{"user":"olga","pass":"x","app":[]}',
        '{"user":"olga","pass":"' + "x" * 1025 + '"}',
        '{"user":"olga","pass":"' + "x" * 20_000 + '"}',
        b"\xff\xfe",
    ],
)
def test_bodies_that_are_none(body: str | bytes, old: World) -> None:
    """[LEG-10] refused without a try, and without the words that were sent"""
    tries = len(old.events("user.sign_in_failed"))
    answer = old.http.post("/api/domain/login", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request"
    assert "xxx" not in answer.text
    assert len(old.events("user.sign_in_failed")) == tries


def test_other_methods(old: World) -> None:
    """[LEG-10]"""
    for path in ("/api/domain/login", LOGOUT):
        answer = old.http.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_default_application(old: World) -> None:
    """[LEG-4]"""
    session = session_of(log_in(old, app=None))
    assert session == session_of(log_in(old, app=OLD))


def test_the_language_of_a_login(old: World) -> None:
    """[LEG-10] `lang`, and `ln`; the last login counts"""

    def language(**more: str) -> str:
        session = session_of(log_in(old, **more))
        answer = call(old, session, f"{CUSTOMERS}?$top=1&$select=CustomerType&$expand=CustomerType")
        assert answer.status_code == 200, answer.text
        (row,) = [r for r in old.rows("erp_sessions") if r["key"] == key_of(session)]
        return str(row["language"])

    assert language(lang="bg") == "bg"
    assert language(ln="de") == "de"
    assert language(lang="en-US", ln="bg") == "en-US"
    assert language(lang="no language!") == "en-US"


def test_the_same_login_gets_the_same_session(old: World) -> None:
    """[LEG-14]"""
    first = session_of(log_in(old))
    assert session_of(log_in(old)) == first
    assert session_of(log_in(old, "OLGA")) == first
    old_header = {"Authorization": first}
    assert session_of(log_in(old, headers=old_header)) == first
    others = {
        session_of(log_in(old, app=OLDER)),
        session_of(log_in(old, "oleg")),
        session_of(log_in(old, "oleg", app=OLDER)),
    }
    assert first not in others
    assert len(others) == 3
    assert len(open_keys(old)) == 4
    assert log_in(old, password="another").status_code == 401


def test_logins_at_once_share_a_session(old: World) -> None:
    """[LEG-14]"""
    with ThreadPoolExecutor(6) as at_once:
        sessions = set(at_once.map(lambda _: session_of(log_in(old)), range(8)))
    assert len(sessions) == len(open_keys(old)) == 1


def test_the_window_slides_without_a_limit(old: World) -> None:
    """[LEG-12] for two days"""
    session = session_of(log_in(old))
    for number in range(150):
        old.clock.advance(1190)
        if number % 3:
            assert call(old, session).status_code == 200
        else:
            assert session_of(log_in(old)) == session


def test_an_idle_session_is_over_for_good(old: World) -> None:
    """[LEG-12, SES-14] its id never comes to life again"""
    session = session_of(log_in(old))
    assert call(old, session).status_code == 200
    old.clock.advance(1200)
    answer = call(old, session)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].endswith("Log in again.")
    new = session_of(log_in(old))
    assert new != session
    assert call(old, new).status_code == 200
    assert call(old, session).status_code == 401


def test_logout_keeps_session_and_slot(old: World) -> None:
    """[LEG-13, DIF-35]"""
    session = session_of(log_in(old))
    header = {"Authorization": session}
    assert old.http.post(LOGOUT, headers=header).status_code == 200
    assert key_of(session) in open_keys(old)
    assert call(old, session).status_code == 200
    assert session_of(log_in(old)) == session


def test_logout_needs_a_session(old: World) -> None:
    """[LEG-13]"""
    token = old.service_token("update")
    for header in (None, basic(), "ErpSession " + "c" * 43, f"Bearer {token}"):
        headers = {"Authorization": header} if header else {}
        assert old.http.post(LOGOUT, headers=headers).status_code == 401
    assert open_keys(old) == set()  # [SES-12]


def test_an_administrator_closes_it(old: World) -> None:
    """[OPQ-32, SES-23] and its id is over"""
    session = session_of(log_in(old))
    assert call(old, session).status_code == 200
    with old.database.begin() as tx:
        assert erp_session_ends.close(tx, old.instance.id, key_of(session), "ada")
    old.sync()
    assert call(old, session).status_code == 401
    again = session_of(log_in(old))
    assert call(old, again).status_code == 200
    with old.database.begin() as tx:
        erp_session_ends.close_all(tx, old.instance.id, "ada")
    old.sync()
    assert call(old, again).status_code == 401
    assert again != session


def test_a_disabled_user_has_no_session_any_more(old: World) -> None:
    """and none when the user is enabled again"""
    session = session_of(log_in(old))
    assert call(old, session).status_code == 200
    old.change_user("olga", active=False)
    assert call(old, session).status_code == 401
    assert key_of(session) not in {r["key"] for r in old.rows("erp_sessions")}
    old.change_user("olga", active=True)
    assert call(old, session).status_code == 401
    (closed,) = [
        e
        for e in old.events("erp_session.closed")
        if e.at == old.clock() and e.session == key_of(session)[:32]
    ]
    assert (closed.details or {})["because"] == "user_changed"


def test_everything_of_its_application_is_revoked(old: World) -> None:
    """[LIF-18] the id is dead; who knows the password may log in again"""
    session = session_of(log_in(old))
    assert call(old, session).status_code == 200
    application = old.change_application(OLD)
    with old.database.begin() as tx:
        applications.revoke_everything(tx, old.instance.id, application.id, "ada")
    old.sync()
    assert call(old, session).status_code == 401
    assert session_of(log_in(old)) != session


def test_a_person_whose_authorization_is_revoked(old: World) -> None:
    """[TAP-30] while a session is open, which has no other limit; noticed within a minute"""
    session = session_of(log_in(old))
    assert call(old, session).status_code == 200
    old.block_user("olga", OLD)
    old.clock.advance(60)
    assert call(old, session).status_code == 401
    assert "authorization" in causes(old)[0]
    with old.database.begin() as tx:
        tx.connection.execute(delete(application_authorizations))
    assert call(old, session).status_code == 200


@pytest.mark.parametrize("what", ["password", "disabled"])
def test_a_user_who_changes_while_the_password_is_checked(
    what: str, old: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[USR-22] between the check and the end of the login"""
    log_in_really = ErpSessions.log_in

    async def and_change(self: ErpSessions, *given: Any) -> str:
        made = await log_in_really(self, *given)
        user_id = given[0].user_id
        hashed = passwords.hash_password("another one")

        def change(tx: Any) -> None:
            # What ends sessions has run before the login committed: only the row tells.
            monkeypatch.setattr(users.legacy_sessions, "end_of_user", lambda *_: 0)
            if what == "password":
                users.set_password(tx, self._instance_id, user_id, hashed)
                return
            user = users.by_id(tx.connection, self._instance_id, user_id)
            assert user is not None
            users.change(tx, self._instance_id, replace(user, active=False))

        await self._database.write(change)
        monkeypatch.undo()
        return made

    monkeypatch.setattr(ErpSessions, "log_in", and_change)
    assert log_in(old).status_code == 401
    assert "changed while it was checked" in causes(old)[0]
    assert open_keys(old) == set()
    user = old.change_user("olga", active=True)
    with old.database.begin() as tx:
        users.set_password(tx, old.instance.id, user.id, passwords.hash_password(PASSWORD))
    old.sync()


def test_logins_take_slots(old: World) -> None:
    """[SES-33, LEG-12]"""
    try:
        old.declare(replace=("licences = 1000", "licences = 1"))
        session = session_of(log_in(old))
        assert session_of(log_in(old)) == session
        answer = log_in(old, app=OLDER)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert answer.json()["error"]["type"] == "MaximumLicenseCountExceeded"
        assert call(old, basic("oleg")).status_code == 503
        assert call(old, session).status_code == 200
    finally:
        old.declare()
    assert json.loads(log_in(old, app=OLDER).text)


def test_logins_race_with_changes_of_the_password(postgresql: Callable[[], str]) -> None:
    """[USR-22] on PostgreSQL, where locks could be taken in circles

    Nobody is answered with a failure, and no session of an old password is left.
    """
    world = World(postgresql(), more=MORE, customers=True).start()
    try:
        user = world.change_user("olga")
        hashes = {word: passwords.hash_password(word) for word in (PASSWORD, "the other one")}
        statuses: set[int] = set()
        is_over = threading.Event()

        def keep_logging_in(word: str) -> None:
            while not is_over.is_set():
                answer = log_in(world, password=word)
                statuses.add(answer.status_code)
                if answer.status_code == 200:
                    statuses.add(call(world, session_of(answer)).status_code)
                world.clock.advance(301)  # tries do not wait

        with ThreadPoolExecutor(4) as at_once:
            running = [at_once.submit(keep_logging_in, word) for word in [*hashes, *hashes]]
            for word in [*hashes] * 3:
                with world.database.begin() as tx:
                    users.set_password(tx, world.instance.id, user.id, hashes[word])
                time.sleep(0.05)
            is_over.set()
            for one in running:
                one.result()
        assert statuses <= {200, 401}
        with world.database.begin() as tx:
            users.set_password(tx, world.instance.id, user.id, hashes[PASSWORD])
        assert not [r for r in world.rows("erp_sessions") if r["login"] == "olga"]
        world.clock.advance(7200)
        world.sync()
        assert call(world, session_of(log_in(world))).status_code == 200
    finally:
        world.stop()
