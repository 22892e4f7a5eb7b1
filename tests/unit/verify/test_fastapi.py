"""The guard in FastAPI: dependencies, scopes of routes, bodies, sessions and limits."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from mintgate.contract.errors import Refusal
from mintgate.verify import Principal
from mintgate.verify.fastapi import GuardDependency
from tests.unit.verify.workbench import Limits, OneSession, a_guard, sign, user_claims

USER = {"Authorization": f"Bearer {sign(user_claims())}"}
READER = {"Authorization": f"Bearer {sign(user_claims(scope=['read']))}"}


class New(BaseModel):
    item: str


def a_client(install: bool = True, **options: Any) -> tuple[TestClient, GuardDependency]:
    caller = GuardDependency(a_guard(**options))
    app = FastAPI()
    if install:
        caller.install(app)

    @app.get("/x")
    def read(me: Annotated[Principal, Depends(caller)]) -> str:
        return me.login

    @app.post("/x")
    def create(new: New, me: Annotated[Principal, Depends(caller)]) -> str:
        return me.login + new.item

    @app.get("/special")
    def special(me: Annotated[Principal, caller.requires("update")]) -> str:
        return me.login

    @app.get("/stream")
    def stream(me: Annotated[Principal, Depends(caller)]) -> StreamingResponse:
        return StreamingResponse(iter([b"123", b"45"]))

    @app.get("/open")
    def open_to_all() -> str:
        return "open"

    @app.websocket("/ws")
    async def talk(socket: WebSocket, me: Annotated[Principal, Depends(caller)]) -> None:
        await socket.accept()
        await socket.send_text(me.login)
        await socket.close()

    router = APIRouter(dependencies=[Depends(caller)])

    @router.get("/twice", dependencies=[caller.requires("update")])
    def twice(me: Annotated[Principal, Depends(caller)]) -> str:
        return me.login

    app.include_router(router)
    outside = APIRouter()

    @outside.post("/included")
    def included(new: New) -> str:
        return new.item

    app.include_router(outside, dependencies=[Depends(caller)])
    return TestClient(app, raise_server_exceptions=False), caller


def test_the_caller() -> None:
    client, _ = a_client()
    assert client.get("/x", headers=USER).json() == "mira.k"
    assert client.post("/x", headers=USER, json={"item": "!"}).json() == "mira.k!"
    assert client.get("/open").json() == "open"
    refused = client.get("/x")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
    assert list(refused.json()["error"]) == ["message", "code", "type", "info"]
    assert refused.headers["cache-control"] == "no-store"


def test_where_install_was_forgotten_only_the_body_differs() -> None:
    client, _ = a_client(install=False)
    refused = client.get("/x")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
    assert client.get("/x", headers=USER).json() == "mira.k"


@pytest.mark.parametrize("path", ["/x", "/included"])
def test_a_body_is_parsed_for_those_only_who_may_send_it(path: str) -> None:
    client, _ = a_client()
    assert client.post(path, content=b"{", headers={"Content-Type": "application/json"}).is_error
    for headers, status in ((None, 401), (READER, 403), (USER, 422)):
        sent = {"Content-Type": "application/json"} | (headers or {})
        assert client.post(path, content=b"{", headers=sent).status_code == status


@pytest.mark.parametrize("path", ["/special", "/twice"])
def test_a_route_may_need_more_than_the_policy(path: str) -> None:
    """[API-15, SES-11]: what is refused for it opens no session."""
    source = OneSession()
    client, _ = a_client(sessions=source)
    refused = client.get(path, headers=READER)
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="DomainAPI", error="insufficient_scope", scope="update"'
    )
    assert source.opened == 0
    assert client.get(path, headers=USER).json() == "mira.k"
    assert (source.opened, source.session.current) == (1, 0)


def test_sessions_and_limits() -> None:
    """[API-54, SES-26]"""
    source, limits = OneSession(), Limits()
    client, _ = a_client(sessions=source, limits=limits)
    answer = client.get("/stream", headers=USER)
    assert answer.headers.get_list("ratelimit") == ['"client";r=9;t=1']
    assert (source.session.downloaded, source.session.current) == (5, 0)
    body = b'{"item":"12345"}'
    client.post("/x", headers=USER | {"Content-Type": "application/json"}, content=body)
    assert source.session.uploaded == len(body)
    assert "ratelimit" not in client.get("/open").headers
    limits.used_up = True
    refused = client.get("/x", headers=USER)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert refused.headers.get_list("ratelimit") == ['"client";r=9;t=1']
    assert source.session.current == 0


def test_websockets() -> None:
    source = OneSession()
    client, _ = a_client(sessions=source)
    with client.websocket_connect("/ws", headers=USER) as talk:
        assert talk.receive_text() == "mira.k"
    assert (source.session.downloaded, source.session.current) == (len("mira.k"), 0)
    with pytest.raises(WebSocketDisconnect) as ended, client.websocket_connect("/ws"):
        pass
    assert ended.value.code == 1008


def test_a_path_that_something_has_changed_is_refused() -> None:
    client, _ = a_client()
    app = client.app

    async def rewriting(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"path": "/x"}, receive, send)

    changed = TestClient(rewriting)
    assert changed.get("/x", headers=USER).status_code == 200
    assert changed.get("/y", headers=USER).status_code == 400


def test_an_application_below_another() -> None:
    client, _ = a_client()
    outer = FastAPI()
    outer.mount("/inner", client.app)
    below = TestClient(outer)
    assert below.get("/inner/x", headers=USER).json() == "mira.k"
    assert below.get("/inner/x").status_code == 401


def test_refusals_are_told_once() -> None:
    seen: list[Refusal] = []

    async def note(scope: Any, refusal: Refusal) -> None:
        seen.append(refusal)

    caller = GuardDependency(a_guard(), note)
    app = FastAPI(dependencies=[Depends(caller)])
    caller.install(app)
    app.post("/x")(lambda new: None)
    assert TestClient(app).post("/x", json={}).status_code == 401
    assert [refusal.error for refusal in seen] == ["invalid_token"]


def test_it_can_be_overridden_in_tests_of_an_application() -> None:
    client, caller = a_client()
    app: Any = client.app
    app.dependency_overrides[caller] = lambda: None
    assert client.post("/included", json={"item": "milk"}).json() == "milk"


def test_a_batch_is_for_the_middleware() -> None:
    """[API-32] a dependency cannot replace the body that FastAPI reads"""
    caller = GuardDependency(a_guard())
    app = FastAPI(dependencies=[Depends(caller)])
    caller.install(app)
    app.post("/$batch")(lambda: "done")
    refused = TestClient(app).post("/$batch", json={"requests": []}, headers=USER)
    assert refused.status_code == 501
    assert "GuardMiddleware" in refused.json()["error"]["message"]
