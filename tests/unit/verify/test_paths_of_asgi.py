"""The path that the policy judges is the one that an ASGI application routes by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from mintgate.contract.errors import AmbiguousRequest
from mintgate.verify import GuardMiddleware
from mintgate.verify.asgi import request_of, request_to_serve
from tests.unit.verify.workbench import a_guard, sign, user_claims

SECURITY = "/api/domain/odata/Systems_Security_Users"
BEARER = {"Authorization": f"Bearer {sign(user_claims(scope=['DomainApi', 'read']))}"}


def scope_of(path: str, raw_path: bytes | None, root_path: str = "") -> dict[str, Any]:
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "root_path": root_path}
    return scope if raw_path is None else {**scope, "raw_path": raw_path}


@pytest.mark.parametrize(
    ("path", "raw_path", "root_path", "judged"),
    [
        ("/a/b", b"/a/b", "", b"/a/b"),
        ("/a b", b"/a%20b", "", b"/a%20b"),
        ("/é", b"/%C3%A9", "", b"/%C3%A9"),
        ("/a", b"/a?b=/c", "", b"/a"),  # some have the query in it
        ("/a/b", None, "", b"/a/b"),
        ("/a/b", b"", "", b"/a/b"),
        ("/api/a", b"/api/a", "/api", b"/api/a"),  # as the specification of ASGI has it
        ("/a", b"/api/a", "/api", b"/api/a"),  # as older frameworks mount
        ("/a%20", b"/api/a%2520", "/api", None),
        (SECURITY, b"/a", "", None),
        ("/a", SECURITY.encode(), "", None),
        ("/b", b"/api/a", "/api", None),
        ("/api/a", b"/a", "/api", None),
        ("/a/", b"/a", "", None),
        ("/A", b"/a", "", None),
        ("/Ã©", b"/\xc3\xa9", "", None),
        ("/a/b", b"/a%2Fb", "", None),
        ("/a/b", b"//a/b", "", None),
    ],
)
def test_the_judged_path(
    path: str, raw_path: bytes | None, root_path: str, judged: bytes | None
) -> None:
    scope = scope_of(path, raw_path, root_path)
    if judged is None:
        with pytest.raises(AmbiguousRequest):
            request_to_serve(scope)
    else:
        assert request_to_serve(scope).raw_path == judged


def test_a_path_of_undecodable_bytes_is_refused_as_any_other() -> None:
    """A server that gives no `raw_path` may leave what is no UTF-8 in the decoded one."""
    scope = scope_of("/a\udcff", None)
    assert request_of(scope).raw_path == b"/a%FF"
    with pytest.raises(AmbiguousRequest):
        request_to_serve(scope)


async def tell(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.scope["path"])


def test_what_changes_the_path_in_between_is_not_believed() -> None:
    """Otherwise a reader would be judged by one path and served another one."""
    guarded = GuardMiddleware(Starlette(routes=[Route("/{rest:path}", tell)]), a_guard())

    async def rewriting(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].replace("/v1/", "/api/domain/odata/")
        await guarded({**scope, "path": path}, receive, send)

    client = TestClient(rewriting)
    assert client.get("/api/x", headers=BEARER).text == "/api/x"
    assert client.get("/v1/Systems_Security_Users", headers=BEARER).status_code == 400


def test_below_a_mount_the_whole_path_is_judged() -> None:
    inner = Starlette(
        routes=[Route("/{rest:path}", tell)],
        middleware=[Middleware(GuardMiddleware, guard=a_guard())],
    )
    client = TestClient(Starlette(routes=[Mount("/api/domain", inner)]))
    assert client.get("/api/domain/odata/Crm%20x", headers=BEARER).status_code == 200
    assert client.get(SECURITY, headers=BEARER).status_code == 403


def test_a_websocket_is_judged_by_the_same_path() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append("served")

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/a", "raw_path": b"/b", "headers": []}
    asyncio.run(GuardMiddleware(app, a_guard())(scope, send, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"]
