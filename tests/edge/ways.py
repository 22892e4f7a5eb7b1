"""One identity server, and every way to stand in front of its four APIs.

Behind each way is a server that notes what reaches it, and who it is told calls.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple

from sqlalchemy import update

from mintgate.contract.applications import ReferenceTokenPolicy
from mintgate.contract.identifiers import new_hex128, token_digest
from mintgate.contract.reference_tokens import TokenKind
from mintgate.gate.tenants import LimitsByTenant
from mintgate.identity import references
from mintgate.store import feed, keys, tables, users
from mintgate.verify import RemoteState
from mintgate.verify.rate_limits import RateLimits
from tests.gate_world import API_SECRET, Seen, until
from tests.world import BACKOFFICE, STOCK, World, payload_of

AUDIENCES = ("DomainAPI", "TableAPI", "OLAP", "AppServer")
USER, SERVICE, PAT, SAT = "user JWT", "service JWT", "PAT", "SAT"
NONE, TWO = "none", "two at once"
KINDS = (USER, SERVICE, PAT, SAT, NONE, TWO)
JWTS, REFERENCES = (USER, SERVICE), (PAT, SAT)
NGINX, GATE, MIDDLEWARE, BUILT_IN = "nginx", "mintgate gate", "middleware", "the API itself"
WAYS = (NGINX, GATE, MIDDLEWARE, BUILT_IN)
PREFIXES = {
    "DomainAPI": "/api/domain",
    "TableAPI": "/tableapi",
    "OLAP": "/olap",
    "AppServer": "/appserver",
}
MANY = 100_000
"""Requests per minute, which no test reaches."""
IDLE_SECONDS = 2.0
Pairs = list[tuple[str, str]]
Limited = RateLimits | LimitsByTenant

_API = """
[[apis]]
Name = "{name}"
Secret = "{secret}"

[apis.limits]
per_session = {per_session}
"""


class Request(NamedTuple):
    method: str
    target: str
    headers: Pairs = []
    body: bytes = b""


class Answer(NamedTuple):
    """What a client sees of one way, and what reached the server behind it.

    Args:
        headers: names in lower case; each came once.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    reached: list[Seen]

    @property
    def caller(self) -> dict[str, str]:
        """Who the server behind was told calls: the headers that say something."""
        told = [(n, v) for n, v in self.reached[0].headers if n.startswith("x-mintgate-")]
        assert len(dict(told)) == len(told), told
        return {name: value for name, value in told if value}


def declared(per_session: int) -> str:
    """The four APIs with their secret and a limit, for the declared file."""
    return "".join(
        _API.format(name=name, secret=API_SECRET, per_session=per_session) for name in AUDIENCES
    )


class Ways:
    """Every way, asked by connections that stay open.

    Args:
        limits: the limits of the ways that are not in the server's process.
    """

    def __init__(
        self,
        world: World,
        ports: dict[tuple[str, str], int],
        seen: dict[str, list[Seen]],
        states: list[RemoteState],
        limits: list[Limited],
    ) -> None:
        self.world = world
        self.limits = limits
        self._seen = seen
        self._states = states
        self._links = {
            which: HTTPConnection("127.0.0.1", port, timeout=30) for which, port in ports.items()
        }
        self._used: dict[HTTPConnection, float] = {}
        self._key = world.database.read_now(lambda c: keys.all_of(c, world.instance.id, world.kek))
        self._claims = {
            USER: payload_of(world.user_tokens()["access_token"]),
            "admin": payload_of(world.user_tokens("ada")["access_token"]),
            SERVICE: payload_of(world.service_token()),
        }
        self._claims["admin service"] = self._claims[SERVICE] | {
            "client_system_user": "ada",
            "client_system_user_id": self._claims["admin"]["sub_id"],
            "client_system_user_type": "InternalUser",
            "jti": new_hex128(),
        }
        self._references: dict[tuple[str, tuple[str, ...], str, str], str] = {}

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    def ask(self, way: str, audience: str, request: Request) -> Answer:
        """One request as it is written."""
        link = self._links[way, audience]
        # Servers close connections that nobody uses for some seconds.
        if time.monotonic() - self._used.get(link, 0.0) > IDLE_SECONDS:
            link.close()
        seen = self._seen.get(way, [])
        before = len(seen)
        link.putrequest(request.method, request.target, skip_accept_encoding=True)
        for name, value in request.headers:
            link.putheader(name, value)
        if request.body:
            link.putheader("Content-Length", str(len(request.body)))
        link.endheaders(request.body or None)
        answer = link.getresponse()
        body = answer.read()
        self._used[link] = time.monotonic()
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            assert name.lower() not in headers or name.lower() in {"server", "date"}, (
                f"{way}: {name} came twice"
            )
            headers[name.lower()] = value
        return Answer(answer.status, headers, body, seen[before:])

    # Credentials.

    def jwt(self, kind: str, typ: str = "at+jwt", drop: str = "", **changes: Any) -> str:
        """A token with other claims, signed with the instance's own key."""
        claims = self._claims[kind] | changes
        claims.pop(drop, None)
        return self._key[0][0].sign(json.dumps(claims).encode(), typ)

    def claims(self, kind: str) -> dict[str, Any]:
        return dict(self._claims[kind])

    @property
    def kid(self) -> str:
        return self._key[0][0].kid

    def reference(
        self, kind: str, scopes: tuple[str, ...] = ("read",), name: str = "", login: str = "mira.k"
    ) -> str:
        """A PAT or SAT; the same one for the same arguments.

        Args:
            login: whose PAT it is.
        """
        which = (kind, scopes, name, login if kind == PAT else "")
        if which not in self._references:
            self._references[which] = self._new_reference(kind, scopes, login)
        return self._references[which]

    def _new_reference(self, kind: str, scopes: tuple[str, ...], login: str) -> str:
        world = self.world
        application = world.change_application(
            BACKOFFICE if kind == PAT else STOCK,
            reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS,
        )
        with world.database.begin() as tx:
            people = {
                name: users.by_login(tx.connection, world.instance.id, name)
                for name in ("mira.k", "ada", "svc.stock")
            }
            creator = people[login if kind == PAT else "ada"]
            assert creator is not None
            value, _ = references.create(
                tx,
                world.instance.id,
                kind=TokenKind.PERSONAL if kind == PAT else TokenKind.SERVICE,
                application=application,
                creator=creator,
                system_user=people["svc.stock"],
                scopes=scopes,
                expires_at=time.time() + 86_400,
                description="for a test",
            )
        self.learn()
        return value

    def ended_reference(self, kind: str) -> str:
        """One that has expired, as time goes on by itself here."""
        value = self.reference(kind, name="ended")
        table = tables.metadata.tables["reference_tokens"]
        with self.world.database.begin() as tx:
            tx.connection.execute(
                update(table)
                .where(table.c.token_key == token_digest(value))
                .values(expires_at=time.time() - 1)
            )
        return value

    # Changes.

    def learn(self) -> None:
        """Wait until every way knows what was committed, by the state feed [TOP-13]."""
        self.world.sync()
        position = self.world.database.read_now(feed.positions)[self.world.instance.id]
        until(lambda: all(state._position >= position for state in self._states))

    def redeclare(self, more: str | None = None, replace: tuple[str, str] | None = None) -> None:
        """Apply the declared file, and have the server take its settings over now."""
        self.world.declare(more=more, replace=replace)
        self.world.http.get("/id/.well-known/openid-configuration")
        self.world.run_in_server(lambda _, instance: instance.limits.refresh())
        self.learn()


IDS = re.compile(rb"[0-9a-f]{16}")
"""Request ids, which differ."""
Token = Callable[[Ways, str], str]
"""Makes the token of a kind."""
