"""The issuer's lease endpoint over a real database, and adapters that reach it without a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from mintgate.contract.feed import Entry
from mintgate.contract.identifiers import secret_hash
from mintgate.contract.session_leases import SESSION_LEASE_MEMBER, SESSION_LEASE_PATH
from mintgate.gate.session_lease_endpoint import SessionLeaseEndpoint
from mintgate.gate.session_leases import SessionLeases
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.rendering import Methods
from mintgate.store import Change, Database, apis
from mintgate.verify import IssuerClient, Principal, RemoteSessions
from tests.unit.verify.workbench import ISSUER, service_claims, sign, user_claims, verifier

SECRETS = {"DomainAPI": "a secret", "TableAPI": "another one"}
FAR = 2_000_000_000


class Desk(httpx.BaseTransport):
    """Answers as the server would; a test may let it be away, or wait."""

    def __init__(self, instance_id: str, database: Database, clock: Callable[[], float]) -> None:
        with database.begin() as tx:
            for api, secret in SECRETS.items():
                apis.set_secret(tx, instance_id, api, secret_hash(secret))
        leases = SessionLeases(instance_id, database, verifier(clock=clock), clock)
        tries = ClientTries(instance_id, database, bytes(32), clock)
        endpoint = SessionLeaseEndpoint(instance_id, leases, database, clock, tries)
        metadata = {"issuer": ISSUER, SESSION_LEASE_MEMBER: ISSUER + SESSION_LEASE_PATH}
        self._app = Starlette(
            routes=[
                Route("/id/.well-known/openid-configuration", lambda _: JSONResponse(metadata)),
                Route(f"/id{SESSION_LEASE_PATH}", Methods(POST=endpoint.post)),
            ]
        )
        self.is_away = False
        self.loses_answers = False
        self.asked: list[dict[str, Any]] = []
        self.before: Callable[[dict[str, Any]], None] = lambda asked: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        if request.method == "POST":
            asked = msgspec.json.decode(body)
            self.asked.append(asked)
            self.before(asked)
        if self.is_away:
            raise httpx.ConnectError("away")
        answer = asyncio.run(self._answer(request, body))
        if self.loses_answers:
            raise httpx.ReadTimeout("lost")
        return answer

    async def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app)) as http:
            answer = await http.request(
                request.method, request.url, content=body, headers=request.headers
            )
        return httpx.Response(answer.status_code, content=answer.content)

    def kinds(self) -> list[str]:
        return [asked["type"] for asked in self.asked]

    def client(self, api: str = "DomainAPI") -> IssuerClient:
        return IssuerClient(ISSUER, api, SECRETS[api], http=httpx.Client(transport=self))


class Adapter:
    """A guard's process elsewhere: its sessions, and a token for each principal."""

    def __init__(self, desk: Desk, clock: Callable[[], float], api: str = "DomainAPI") -> None:
        self.is_fresh = True
        self.monotonic = 0.0
        self.sessions = RemoteSessions(
            desk.client(api),
            lambda: self.is_fresh,
            clock=clock,
            monotonic=lambda: self.monotonic,
        )
        self.touch = self.sessions.touch
        # Tests tell when it flushes.
        self.sessions._own.start(lambda stopping: None)

    def open(self, principal: Principal) -> Any:
        return self.sessions.open(principal, token_of(principal))

    def use(self, principal: Principal) -> Any:
        """One request."""
        return self.touch(principal) or self.open(principal)

    def knows(self, principal: Principal) -> bool:
        return self.sessions._own.lessee.known.probable(principal) is not None

    async def flush(self) -> None:
        await asyncio.to_thread(self.sessions.flush)

    def apply(self, change: Change) -> None:
        """What the follower of the feed does."""
        entry: Entry = msgspec.convert(change.data, Entry)
        self.sessions.on_entry(entry)


_tokens: dict[tuple[str, str, str], str] = {}
_signing = threading.Lock()


def token_of(principal: Principal, **changes: Any) -> str:
    """A real token that speaks for a principal of the tests."""
    which = (principal.login, principal.session, principal.client_id)
    with _signing:
        if changes or which not in _tokens:
            made = _made(principal, changes)
            if changes:
                return made
            _tokens[which] = made
        return _tokens[which]


def _made(principal: Principal, changes: dict[str, Any]) -> str:
    common = {"exp": FAR, "client_id": principal.client_id, "jti": principal.session, **changes}
    if principal.kind == "service":
        return sign(service_claims(client_system_user=principal.login, **common))
    return sign(
        user_claims(
            sub=principal.login,
            sub_id=principal.user_id,
            sid=principal.session,
            is_admin=principal.is_admin,
            **common,
        )
    )
