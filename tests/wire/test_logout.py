"""Who is told of the end of a session, by which channel, and what remains untold [EXT-3]."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from sqlalchemy import Connection, select

from mintgate.identity.outgoing.rounds import Pace
from mintgate.identity.outgoing.targets import CONNECT_SECONDS
from mintgate.server.application import Application
from mintgate.store import AuditEvent, Database, feed, logout_notices, sessions, users
from mintgate.store.tables import logout_notices as notice_table
from mintgate.store.tables import session_applications
from tests.wire.test_claims_by_flow import header_of
from tests.world import (
    BACKOFFICE,
    FULL,
    LOGOUT,
    PASSWORD,
    SPA,
    Browser,
    World,
    answer_of,
    payload_of,
    pkce,
)

ENDPOINT = "/id/connect/endsession"
DAY = 24 * 3600.0
NOWHERE = "https://127.0.0.1:1/back"
FRONT = "http://127.0.0.1:9101/front?a=1&b=%3C"


class Receiver:
    """A server that takes what is posted, and answers as told."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}/back"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.tokens: list[str] = []
        self.others: list[str] = []

    def claims(self, count: int = 1) -> list[dict[str, Any]]:
        """The claims of so many tokens; waits for them."""
        wait(lambda: len(self.tokens) >= count)
        return [payload_of(token) for token in self.tokens]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.tokens.append(parse_qs(body)["logout_token"][0])
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            receiver.others.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


def event(world: World, name: str) -> AuditEvent:
    return wait(lambda: world.events(name))[0]


def notices(world: World) -> list[tuple[str, str, str | None]]:
    """(application id, sid, sub) of what is still to be told."""
    column = notice_table.c

    def read(connection: Connection) -> list[Any]:
        return list(connection.execute(select(column.application_id, column.sid, column.sub)))

    return [tuple(row) for row in world.database.read_now(read)]


def signed_in(world: World, *client_ids: str) -> tuple[Browser, dict[str, Any]]:
    """A browser, and the tokens of the first application; the others got codes only."""
    browser = world.browser()
    verifier, challenge = pkce()
    with_pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    first, *others = client_ids or (BACKOFFICE,)
    code = answer_of(browser.sign_in(scope=FULL, client_id=first, **with_pkce))["code"]
    tokens: dict[str, Any] = world.redeem(code, first, code_verifier=verifier).json()
    for client_id in others:
        answer_of(browser.authorize(client_id=client_id, prompt="none", **with_pkce))
    return browser, tokens


def end_by_hint(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    browser.http.get(ENDPOINT, params={"id_token_hint": tokens["id_token"]})


def end_by_confirmation(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    assert "Излязохте" in browser.submit(browser.http.get(ENDPOINT)).text


def end_by_hint_afterwards(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    world.clock.advance(2 * DAY)  # the browser's session is over, its refresh token is not
    world.http.get(ENDPOINT, params={"id_token_hint": tokens["id_token"]})


def end_by_password(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    mira = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, mira.id, "another hash")


def end_by_removal(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    mira = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.remove(tx, world.instance.id, mira.id)


def end_by_administrator(world: World, browser: Browser, tokens: dict[str, Any]) -> None:
    sid = payload_of(tokens["id_token"])["sid"]
    with world.database.begin() as tx:
        sessions.end(tx, world.instance.id, sid, "ended_by_administrator")
    world.sync()


ENDS = [
    pytest.param(end_by_hint, id="END-2-hint"),
    pytest.param(end_by_confirmation, id="END-8-confirmation"),
    pytest.param(end_by_hint_afterwards, id="END-4-session-over"),
    pytest.param(end_by_password, id="USR-22-password"),
    pytest.param(end_by_removal, id="user-removed"),
    pytest.param(end_by_administrator, id="administrator"),
]


@pytest.mark.parametrize("end", ENDS)
def test_every_end_is_told(end: Callable[..., None], world: World) -> None:
    """[EXT-3, END-4, TOP-13] The application is told, and the state feed knows the `sid`."""
    with receiving() as receiver:
        world.change_application(BACKOFFICE, back_channel_logout_url=receiver.url)
        browser, tokens = signed_in(world)
        sid = payload_of(tokens["id_token"])["sid"]
        end(world, browser, tokens)
        (claims,) = receiver.claims()
    assert list(claims) == ["iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"]
    assert (claims["sid"], claims["sub"], claims["aud"]) == (sid, "mira.k", BACKOFFICE)
    assert claims["exp"] - claims["iat"] == 120
    entries = world.database.read_now(lambda c: feed.after(c, world.instance.id, 0))
    assert [entry.subject for entry in entries if entry.kind == "sid"] == [sid]
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    told = event(world, "logout.delivered")
    assert (told.application, told.session) == (BACKOFFICE, sid)
    assert notices(world) == []


@pytest.mark.parametrize("login", ["mira.k", "ada"], ids=["SES-51-same", "SES-53-another"])
def test_signing_in_again_ends_nothing(login: str, world: World) -> None:
    """Applications of the previous user keep what they have, and are told when that ends."""
    world.change_application(BACKOFFICE, back_channel_logout_url=NOWHERE)
    browser, tokens = signed_in(world)
    browser.submit(browser.authorize(prompt="login"), login=login, password=PASSWORD)
    assert notices(world) == []
    refreshed = world.refresh(tokens["refresh_token"]).json()
    sid = payload_of(tokens["id_token"])["sid"]
    with world.database.begin() as tx:
        sessions.end(tx, world.instance.id, sid, "signed_out")
    assert [(row[1], row[2]) for row in notices(world)] == [(sid, "mira.k")]
    assert "error" in world.refresh(refreshed["refresh_token"]).json()


def test_only_applications_of_the_session_are_told(world: World) -> None:
    """Each once, if it is enabled, wants it, and was used in that session."""
    spa = world.change_application(SPA, back_channel_logout_url=NOWHERE)
    office = world.change_application(BACKOFFICE, back_channel_logout_url=NOWHERE)
    both, _ = signed_in(world, BACKOFFICE, SPA, BACKOFFICE)
    one, tokens = signed_in(world, BACKOFFICE)
    end_by_confirmation(world, both, {})
    assert sorted(row[0] for row in notices(world)) == sorted([spa.id, office.id])
    world.change_application(BACKOFFICE, is_enabled=False)
    end_by_administrator(world, one, tokens)
    assert len(notices(world)) == 2


def test_the_end_of_a_session_is_told_once(world: World) -> None:
    world.change_application(BACKOFFICE, back_channel_logout_url=NOWHERE)
    browser, tokens = signed_in(world)
    for _ in range(3):
        end_by_hint(world, browser, tokens)
    assert len(notices(world)) == 1


def test_a_logout_token_is_nothing_else(world: World) -> None:
    """OpenID Connect Back-Channel Logout §2.4: no API takes it, and it is no hint."""
    with receiving() as receiver:
        world.change_application(BACKOFFICE, back_channel_logout_url=receiver.url)
        browser, tokens = signed_in(world)
        end_by_hint(world, browser, tokens)
        receiver.claims()
    (token,) = receiver.tokens
    assert header_of(token)["typ"] == "logout+jwt"
    assert world.api("Crm_Sales_Customers", token).status_code == 401
    browser, _ = signed_in(world)
    page = browser.http.get(ENDPOINT, params={"id_token_hint": token})
    assert "<h1>Изход?</h1>" in page.text


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_a_refused_token_is_sent_again(status: int, world: World) -> None:
    """A redirect counts as a refusal and is not followed."""
    with receiving() as receiver:
        receiver.status = status
        receiver.headers = {"Location": f"{receiver.url}/elsewhere"}
        world.change_application(BACKOFFICE, back_channel_logout_url=receiver.url)
        browser, tokens = signed_in(world)
        end_by_hint(world, browser, tokens)
        receiver.claims()
        wait(lambda: has_been_put_off(world))
        receiver.status = 204
        world.clock.advance(5)
        first, second = receiver.claims(2)
        event(world, "logout.delivered")
    assert first["jti"] != second["jti"]
    assert receiver.others == []


def has_been_put_off(world: World) -> bool:
    column = notice_table.c
    row = world.database.read_now(
        lambda c: c.execute(select(column.attempts, column.claimed_by)).one()
    )
    return row.attempts == 1 and row.claimed_by is None


def test_it_is_given_up_after_a_day(world: World) -> None:
    world.change_application(BACKOFFICE, back_channel_logout_url=NOWHERE)
    browser, tokens = signed_in(world)
    end_by_hint(world, browser, tokens)
    wait(lambda: has_been_put_off(world))
    assert world.events("logout.delivery_failed") == []
    world.clock.advance(DAY)
    failed = event(world, "logout.delivery_failed")
    assert failed.application == BACKOFFICE
    assert failed.details == {"attempts": 2}
    assert "ConnectError" in str(failed.cause)
    assert notices(world) == []


def test_an_application_that_wants_it_no_more(world: World) -> None:
    world.change_application(BACKOFFICE, back_channel_logout_url=NOWHERE)
    browser, tokens = signed_in(world)
    end_by_hint(world, browser, tokens)
    wait(lambda: has_been_put_off(world))
    world.change_application(BACKOFFICE, back_channel_logout_url=None)
    world.clock.advance(10)
    assert "no such URL" in str(event(world, "logout.delivery_failed").cause)


def test_a_hanging_application_delays_nobody(world: World) -> None:
    """The person's answer comes at once, and other applications are told meanwhile."""
    release = threading.Event()
    with receiving() as receiver, hanging(release) as slow_url:
        slow = world.change_application(SPA, back_channel_logout_url=slow_url)
        world.change_application(BACKOFFICE, back_channel_logout_url=receiver.url)
        with world.database.begin() as tx:
            for number in range(2 * Pace(60.0).at_once):
                name = {"application_id": slow.id, "sid": f"{number:032X}", "sub": "ada"}
                logout_notices.add(tx, world.instance.id, **name)
        browser, _ = signed_in(world, BACKOFFICE, SPA)
        started = time.monotonic()
        end_by_confirmation(world, browser, {})
        receiver.claims()
        assert time.monotonic() - started < CONNECT_SECONDS - 1


@contextmanager
def hanging(release: threading.Event) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            release.wait(20)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        release.set()
        server.shutdown()
        server.server_close()


@contextmanager
def another_server(world: World) -> Iterator[None]:
    """A second server over the same database, in a thread with a loop of its own."""
    application = Application(Database(world.database_url, world.clock), world.kek, world.clock)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(application.start(), loop).result(30)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(application.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_several_servers_tell_once(postgresql: Callable[[], str]) -> None:
    """Two servers over one PostgreSQL: each ended session is told once."""
    world = World(postgresql()).start()
    try:
        with receiving() as receiver, another_server(world):
            world.change_application(BACKOFFICE, back_channel_logout_url=receiver.url)
            for _ in range(8):
                end_by_confirmation(world, signed_in(world)[0], {})
            wait(lambda: len(world.events("logout.delivered")) == 8)
            claims = receiver.claims(8)
    finally:
        world.stop()
    assert len(claims) == len({c["sid"] for c in claims}) == 8


# Front channel and discovery.


def policy_of(page: httpx.Response) -> dict[str, str]:
    parts = page.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


def test_frames_on_the_signed_out_page(world: World) -> None:
    """Exactly the origins of the session's applications may be framed."""
    world.change_application(BACKOFFICE, front_channel_logout_url=FRONT)
    browser, tokens = signed_in(world)
    parameters = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": LOGOUT,
        "state": "s",
    }
    page = browser.http.get(ENDPOINT, params=parameters)
    assert page.status_code == 200
    sid = payload_of(tokens["id_token"])["sid"]
    issuer = re.sub("/", "%2F", re.sub(":", "%3A", world.issuer))
    frame = f"{FRONT}&iss={issuer}&sid={sid}".replace("&", "&amp;")
    assert f'<iframe src="{frame}"' in page.text
    assert f'id="return" href="{LOGOUT}?state=s"' in page.text
    assert re.search(r"/assets/return\.[0-9a-f]+\.js", page.text)
    policy = policy_of(page)
    assert policy["frame-src"] == "http://127.0.0.1:9101"
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert "max-age=0" in page.headers["set-cookie"].lower()


def test_frames_after_a_confirmation(world: World) -> None:
    """[END-8] The way back is offered and not taken, so no script runs."""
    world.change_application(BACKOFFICE, front_channel_logout_url=FRONT)
    browser, _ = signed_in(world)
    parameters = {"client_id": BACKOFFICE, "post_logout_redirect_uri": LOGOUT}
    page = browser.submit(browser.http.get(ENDPOINT, params=parameters))
    assert "<iframe" in page.text
    assert 'id="return"' in page.text
    assert "<script" not in page.text


def test_without_front_channel_applications_the_redirect_is_direct(world: World) -> None:
    """[END-6] also when another application, not of this session, has such a URL"""
    world.change_application(SPA, front_channel_logout_url=FRONT)
    browser, tokens = signed_in(world)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT}
    answer = browser.http.get(ENDPOINT, params=parameters)
    assert (answer.status_code, answer.headers["location"]) == (303, LOGOUT)
    browser, _ = signed_in(world)
    assert "frame-src" not in policy_of(browser.submit(browser.http.get(ENDPOINT)))


@pytest.mark.parametrize(
    ("attribute", "channel"),
    [("back_channel_logout_url", "backchannel"), ("front_channel_logout_url", "frontchannel")],
)
def test_discovery_follows_the_applications(attribute: str, channel: str, world: World) -> None:
    """[DSC-12, EXT-3, TOP-13] and so does the ETag"""
    get = partial(world.http.get, "/id/.well-known/openid-configuration")
    before = get()
    assert "logout_supported" not in before.text
    world.change_application(BACKOFFICE, **{attribute: FRONT})
    after = get(headers={"If-None-Match": before.headers["etag"]})
    members = {name for name in after.json() if "logout" in name}
    assert members == {f"{channel}_logout_supported", f"{channel}_logout_session_supported"}
    tag = {"If-None-Match": after.headers["etag"]}
    assert get(headers=tag).status_code == 304
    world.change_application(BACKOFFICE, **{attribute: None})
    assert get(headers=tag).json() == before.json()


def test_what_a_session_leaves_is_swept(world: World) -> None:
    """A row of a session lives as long as its refresh tokens can."""
    signed_in(world)
    rows = select(session_applications.c.sid)
    assert len(world.database.read_now(lambda c: c.execute(rows).all())) == 1
    for days, left in ((29, 1), (2, 0)):
        world.clock.advance(days * DAY)
        world.run_in_server(lambda app, instance: app.chores.purge(instance))
        assert len(world.database.read_now(lambda c: c.execute(rows).all())) == left
