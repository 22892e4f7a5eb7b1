"""A WebSocket of an API with the middleware ends with what it was admitted by."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from mintgate.contract.legacy import LegacyScheme
from mintgate.verify import ApiRequest, Guard, GuardMiddleware, StateUnavailable, websocket
from tests.unit.verify.workbench import (
    Clock,
    OneSession,
    served,
    sign,
    user_claims,
    verifier,
    wait_until,
)


class Api:
    """Sends back what it gets; below `/silent` it waits for nothing but its own end."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.over = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            self.got.append(message["type"])
            if message["type"] == "websocket.disconnect":
                break
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
        with pytest.raises(OSError, match="may not go on"):
            await send({"type": "websocket.send", "text": "more"})
        self.over.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> OneSession:
    return OneSession()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def link(
    api: Api, clock: Clock, source: OneSession, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClientConnection]:
    monkeypatch.setattr(websocket, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(websocket, "IN_USE_SECONDS", 0.02)
    guard = Guard(verifier(clock=clock), "DomainAPI", sessions=source)
    headers = {"Authorization": f"Bearer {sign(user_claims())}"}
    with (
        served(GuardMiddleware(api, guard)) as base,
        connect(base.replace("http", "ws") + "/x", additional_headers=headers, proxy=None) as made,
    ):
        yield made


def test_it_is_closed_when_its_token_has_expired(link: Any, clock: Clock, api: Api) -> None:
    """[API-9] and the application is told so, and can send nothing more"""
    link.send("hello")
    assert link.recv(10) == "hello"
    clock.now += 3600
    with pytest.raises(ConnectionClosed):
        link.recv(10)
    assert (link.close_code, link.close_reason) == (1008, "The token has expired.")
    assert api.over.wait(10)
    assert api.got == ["websocket.connect", "websocket.receive", "websocket.disconnect"]


def test_it_is_a_use_of_its_session(link: Any, source: OneSession) -> None:
    """[SES-14]"""
    link.send("hello")
    assert link.recv(10) == "hello"
    before = source.opened
    wait_until(lambda: source.opened > before)


def test_a_legacy_caller_has_no_token_that_could_end(source: OneSession) -> None:
    """[LEG-12] its session is asked for"""
    guard = Guard(verifier(), "DomainAPI", sessions=source)
    headers = [(b"authorization", f"Bearer {sign(user_claims())}".encode())]
    admission = guard.admit(ApiRequest("POST", b"/x", b"", headers))
    assert admission.principal is not None
    admission.principal = msgspec.structs.replace(admission.principal, legacy=LegacyScheme.BASIC)
    asyncio.run(guard.look_again(admission, [], in_use=True))
    assert source.opened == 2


@pytest.mark.parametrize(
    ("problem", "code"), [(StateUnavailable("away"), 1001), (LookupError("a bug"), 1011)]
)
def test_what_cannot_be_checked_does_not_go_on(
    problem: Exception, code: int, link: Any, source: OneSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(source, "open", fail)
    with pytest.raises(ConnectionClosed):
        link.recv(10)
    assert link.close_code == code
