"""ERP sessions of guards in other processes, with a real server [API-16, SES-10..38]."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from mintgate.contract.session_leases import MAX_REQUEST_BYTES, SESSION_LEASE_MEMBER
from mintgate.server.application import Application
from mintgate.store import Database, erp_session_ends, erp_sessions, feed
from tests.wire.lease_process import LeaseProcess
from tests.wire.test_state_feed import API_SECRET, AUTH, declare_api
from tests.wire.test_what_ends_what import (
    SURVIVES,
    TABLE,
    Cast,
    cast_in,
)
from tests.world import SECRET, STOCK, World, payload_of, sqlite_url

PATH = "/id/connect/session_leases"
FEW = 3
IN_TIME = 1.0
"""[TOP-13]"""


def a_lease_world(url: str) -> World:
    world = World(url).start()
    declare_api(world)
    return world


def process_of(world: World) -> LeaseProcess:
    return LeaseProcess(world.issuer, world.instance.database, API_SECRET)


@pytest.fixture(scope="module")
def lease_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = a_lease_world(sqlite_url(tmp_path_factory.mktemp("world")))
    yield world
    world.stop()


@pytest.fixture(scope="module")
def process(lease_world: World) -> Iterator[LeaseProcess]:
    with process_of(lease_world) as process:
        yield process


def close_all(world: World) -> int:
    with world.database.begin() as tx:
        closed = erp_session_ends.close_all(tx, world.instance.id)
    world.sync()
    return closed


# The endpoint.


@pytest.mark.parametrize(
    "auth",
    [None, ("DomainAPI", "wrong"), ("TableAPI", API_SECRET), (STOCK, SECRET)],
    ids=["nobody", "wrong secret", "another API", "an application"],
)
def test_only_apis_get_leases(auth: tuple[str, str] | None, lease_world: World) -> None:
    """[ITR-1]"""
    body = {"type": "open", "process": "A" * 32, "token": lease_world.service_token()}
    answer = lease_world.http.post(PATH, json=body, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "basic" in answer.headers["www-authenticate"].lower()
    assert lease_world.rows("erp_sessions") == []
    assert lease_world.events("session_lease.refused")


def test_it_is_found_through_the_metadata(lease_world: World) -> None:
    """[TOP-2]"""
    metadata = lease_world.http.get("/id/.well-known/openid-configuration").json()
    assert metadata[SESSION_LEASE_MEMBER] == lease_world.base + PATH
    assert lease_world.http.get(PATH, auth=AUTH).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type":"close","process":"' + b"A" * 32 + b'"}',
        b'{"type":"open","process":"' + b"A" * 32 + b'"}',
        b'{"type":"open","process":"short","token":"x"}',
        b'{"type":"see","token":"x","login":"ada"}',
        b'{"type":"see","token":"' + b"x" * MAX_REQUEST_BYTES + b'"}',
        b'{"type":"touch","process":"' + b"A" * 32 + b'","touches":[' + b"{}," * 251 + b"{}]}",
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "list",
        "unknown",
        "no token",
        "process",
        "member",
        "long",
        "many",
        "deep",
    ],
)
def test_malformed_requests(body: bytes, lease_world: World) -> None:
    answer = lease_world.http.post(
        PATH, content=body, auth=AUTH, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "x" * 100 not in answer.text


def test_a_form_is_no_request(lease_world: World) -> None:
    answer = lease_world.http.post(PATH, data={"token": "x"}, auth=AUTH)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Processes.


def test_processes_race_for_the_last_slots(database_url: str) -> None:
    """[SES-11, SES-33] on both engines, and the server's own API beside them"""
    world = a_lease_world(database_url)
    world.declare(replace=("licences = 1000", f"licences = {FEW}"))
    here, there = process_of(world), process_of(world)
    tokens = [world.service_token() for _ in range(10)]
    for process in (here, there):  # both have read keys and feed before the race
        assert process.requests(["no token"], world.clock())[0].status == 401
    here.begin("request", tokens[:5] * 3, world.clock())
    there.begin("request", tokens[5:] * 3, world.clock())
    replies = list(zip([*tokens[:5] * 3, *tokens[5:] * 3], here.end() + there.end(), strict=True))
    passed = {token for token, (status, *_) in replies if status == 200}
    refused = [reply for token, reply in replies if token not in passed]
    assert len(passed) == FEW
    assert {status for status, *_ in refused} == {503}
    assert {row["key"] for row in world.rows("erp_sessions")} == {
        payload_of(token)["jti"] for token in passed
    }

    # [SES-34] The same refusal as the server's own.
    outside = next(token for token in tokens if token not in passed)
    own = world.api("Crm_Sales_Customers?$top=1", outside)
    for status, headers, body in refused:
        assert (status, body) == (own.status_code, own.text)
        for name in ("retry-after", "content-type", "cache-control", "www-authenticate"):
            assert headers.get(name) == own.headers.get(name), name
    # One that is open passes everywhere, and takes no further slot.
    inside = next(iter(passed))
    assert [here.status(inside, world.clock()), there.status(inside, world.clock())] == [200, 200]
    assert world.api("Crm_Sales_Customers?$top=1", inside).status_code == 200

    for process in (here, there):
        process.flush(world.clock())
    counted = Counter({row["key"]: row["total_requests"] for row in world.rows("erp_sessions")})
    assert counted.total() == 3 * FEW + 2

    # [SES-15] After an hour all of them end, and others get in, in either process.
    world.clock.advance(3600)
    late = [world.service_token() for _ in range(FEW + 1)]
    statuses = [p.status(t, world.clock()) for p, t in zip([here, there] * 2, late, strict=True)]
    assert statuses == [200] * FEW + [503]

    # A process that dies takes no slot with it [SES-27].
    here.kill()
    there.kill()
    world.clock.advance(1215)
    with process_of(world) as third:
        replies = third.requests([world.service_token() for _ in range(FEW)], world.clock())
        assert [reply.status for reply in replies] == [200] * FEW
    world.stop()


ENDINGS = [
    "password changed",
    "user disabled",
    "user removed",
    "signed out",
    "session ended by an administrator",
    "ERP session closed",
    "access token revoked",
    "everything of a user revoked",
]


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        pytest.param(act, outcomes[6], id=event)
        for event, act, outcomes, _ in TABLE
        if event in ENDINGS
    ],
)
def test_what_ends_a_session_reaches_other_processes(
    act: Callable[[Cast], None],
    outcome: str,
    lease_world: World,
    process: LeaseProcess,
) -> None:
    """[TOP-13, SES-21, SES-22] within a second, and what does not end it leaves it"""
    cast = cast_in(lease_world)
    token, now = cast.tokens["access_token"], lease_world.clock()
    assert process.status(token, now) == 200
    assert process.knows(token, now)
    act(cast)
    if outcome == SURVIVES:
        position = lease_world.database.read_now(feed.positions)[lease_world.instance.id]
        process.wait_for(lambda read: read >= position, now)
        assert process.knows(token, now)
        rows = [row["key"] for row in lease_world.rows("erp_sessions")]
        assert payload_of(token)["sid"] in rows
        return
    assert process.seconds_until_forgotten(token, now, 5.0) < IN_TIME + 0.5


def test_all_sessions_closed_at_once(lease_world: World, process: LeaseProcess) -> None:
    """[SES-23, SES-17] forgotten within a second; the token opens it again"""
    token, now = lease_world.service_token(), lease_world.clock()
    assert process.status(token, now) == 200
    assert close_all(lease_world) >= 1
    assert process.seconds_until_forgotten(token, now, 5.0) < IN_TIME + 0.5
    assert process.status(token, now) == 200
    assert [row["key"] for row in lease_world.rows("erp_sessions")] == [payload_of(token)["jti"]]


def test_a_token_that_was_revoked_opens_nothing(lease_world: World, process: LeaseProcess) -> None:
    """The issuer looks at the token as it is now, before the process has heard of it."""
    close_all(lease_world)
    token = lease_world.service_token()
    answer = lease_world.http.post(
        "/id/connect/revocation", data={"token": token}, auth=(STOCK, SECRET)
    )
    assert answer.status_code == 200
    assert process.status(token, lease_world.clock()) == 401
    body = {"type": "open", "process": "A" * 32, "token": token}
    answer = lease_world.http.post(PATH, json=body, auth=AUTH)
    assert answer.json() == {
        "type": "token_refused",
        "forbidden": False,
        "description": "The token was revoked.",
    }
    assert lease_world.rows("erp_sessions") == []


def test_the_server_is_away_and_comes_back(a_world: Callable[..., World]) -> None:
    """[SES-27, EXT-17] known sessions go on for a minute, none is opened, none is lost"""
    world = a_world()
    declare_api(world)
    with process_of(world) as process:
        known, other = world.service_token(), world.service_token()
        assert process.status(known, world.clock()) == 200
        world._server.should_exit = True
        world._thread.join(30)
        now = world.clock()
        process.wait_for(lambda read: read == -1, now)  # what has ended cannot be told
        assert process.status(known, now) == 200
        assert process.status(known, now + 59) == 200
        refused = process.requests([other], now)[0]
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert process.status(known, now + 125) == 503
        with _served_again(world):
            deadline = time.monotonic() + 20
            while process.status(other, world.clock()) != 200:
                assert time.monotonic() < deadline, "it was not asked again"
                time.sleep(0.05)
            assert process.status(known, world.clock()) == 200
            process.flush(world.clock())
            rows = {row["key"]: row["total_requests"] for row in world.rows("erp_sessions")}
    assert set(rows) == {payload_of(known)["jti"], payload_of(other)["jti"]}
    assert rows[payload_of(known)["jti"]] >= 3, "what was noted meanwhile was told"


@contextmanager
def _served_again(world: World) -> Iterator[None]:
    """Another process of the server over the same database, at the same address."""
    listening = socket.create_server(("127.0.0.1", world.port))
    application: Any = Application(
        Database(world.database_url, world.clock), world.kek, world.clock
    )
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)


def test_a_reader_of_the_list_sees_requests_of_other_processes(
    lease_world: World, process: LeaseProcess
) -> None:
    """[SES-26]"""
    close_all(lease_world)
    token, now = lease_world.user_tokens()["access_token"], lease_world.clock()
    for reply in process.requests([token] * 20, now):
        assert reply.status == 200
    process.flush(now)
    (found,) = lease_world.database.read_now(
        lambda c: erp_sessions.listing(c, lease_world.instance.id, now, None, 10)
    )
    assert (found.login, found.total_requests) == ("mira.k", 20)


def test_a_process_that_ends_tells_what_it_has_noted(lease_world: World) -> None:
    """[SES-27] its sessions stay open"""
    close_all(lease_world)
    token = lease_world.service_token()
    with process_of(lease_world) as process:
        for _ in range(5):
            assert process.status(token, lease_world.clock()) == 200
    (row,) = lease_world.rows("erp_sessions")
    assert (row["key"], row["total_requests"]) == (payload_of(token)["jti"], 5)
