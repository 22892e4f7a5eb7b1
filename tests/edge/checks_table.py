"""The table: every check of specification §10, by credential and by API.

A row is one way to fail (or pass) a check. For each kind of credential and each audience it says
what is asked and what is answered, or why there is nothing to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from tests.edge.checks_tokens import good
from tests.edge.ways import (
    AUDIENCES,
    JWTS,
    NONE,
    PAT,
    REFERENCES,
    SAT,
    TWO,
    USER,
    Pairs,
    Request,
    Token,
    Ways,
)


class Says(NamedTuple):
    """An answer: to the client, and whether the API behind was reached.

    Args:
        words: in the message.
        challenge: what follows the realm: nothing, the error with its description, or the scope;
            None is no challenge.
        later: whether there is a `Retry-After`.
    """

    status: int
    error: str = ""
    words: str = ""
    challenge: Literal["bare", "described", "scope"] | None = None
    scope: str = ""
    allow: str = ""
    later: bool = False

    @property
    def is_permission(self) -> bool:
        return self.status == 200 and not self.error


ALLOWED = Says(200)
NO_CREDENTIAL = Says(401, "invalid_token", "needs an access token", "bare")
SEVERAL = Says(400, "invalid_request", "exactly one credential", "described")
A_BATCH = Says(200, "batch")
"""An answer to a batch, of which each part is refused."""
FORBIDDEN = Says(403, "forbidden", "", "bare")


def invalid(words: str) -> Says:
    return Says(401, "invalid_token", words, "described")


def ambiguous(words: str) -> Says:
    return Says(400, "invalid_request", words, "described")


def lacks(scope: str) -> Says:
    return Says(403, "insufficient_scope", "lacks a scope", "scope", scope)


def no_method(allow: str) -> Says:
    return Says(405, "method_not_allowed", "does not have this method", allow=allow)


Requests = Mapping[str, Request | str]


class Row(NamedTuple):
    """One check, failing or passing in one way.

    Args:
        says: to token kinds; by audience where it differs.
        jwt, reference: make the token; or the reason why there is none such.
        reference_says: where it is another answer than for a JWT.
        requests: by audience; or the reason why that API has no such request.
        place: the header, or `url`, in which the token is sent.
        pair: the two headers of "two at once"; a reason where the row is not about that.
        none, two: the answers without a credential and with two.
        without: kinds to which the row does not apply, with the reason.
        state: the change that is made before, and undone.
        nginx: what nginx gives instead: an answer, or `itself` where it refuses by itself with
            its own 4xx, before anybody is asked.
    """

    id: str
    name: str
    says: Says | dict[str, Says]
    jwt: Token | str
    reference: Token | str
    requests: Requests
    reference_says: Says | dict[str, Says] | None = None
    place: str = "Authorization: Bearer {}"
    pair: tuple[str, str] | str = ("Authorization: Bearer {jwt}", "X-Api-Key: {pat}")
    none: Says | dict[str, Says] | str = NO_CREDENTIAL
    two: Says | dict[str, Says] = SEVERAL
    without: dict[str, str] = {}
    state: str = ""
    nginx: Says | Literal["itself"] | None = None

    @property
    def check(self) -> str:
        """The rule, such as `API-9`."""
        return "-".join(self.id.split("-")[:2])

    def token(self, ways: Ways, kind: str) -> str:
        make = self.jwt if kind in JWTS else self.reference
        assert callable(make)
        return make(ways, kind)

    def reason(self, kind: str, audience: str) -> str | None:
        """Why there is nothing to ask; None when there is."""
        request = self.requests[audience]
        if isinstance(request, str):
            return request
        if kind in self.without:
            return self.without[kind]
        if kind == NONE:
            return self.none if isinstance(self.none, str) else None
        if kind == TWO:
            return self.pair if isinstance(self.pair, str) else None
        make = self.jwt if kind in JWTS else self.reference
        return make if isinstance(make, str) else None

    def answer(self, kind: str, audience: str) -> Says:
        found: Any = self.says
        if kind == NONE:
            found = self.none
        elif kind == TWO:
            found = self.two
        elif kind in REFERENCES and self.reference_says is not None:
            found = self.reference_says
        if isinstance(found, dict):
            found = found[audience]
        assert isinstance(found, Says)
        return found

    def request(self, ways: Ways, kind: str, audience: str) -> Request:
        """The request of a cell, with its credentials."""
        request = self.requests[audience]
        assert isinstance(request, Request)
        if kind == NONE:
            return request
        if kind == TWO:
            first = self.jwt if callable(self.jwt) and USER not in self.without else Ways.jwt
            named = {"jwt": first(ways, USER), "pat": ways.reference(PAT)}
            named["sat"] = ways.reference(SAT)
            return _with(request, [_header(text.format(**named)) for text in self.pair])
        token = self.token(ways, kind)
        if self.place == "url":
            mark = "&" if "?" in request.target else "?"
            return request._replace(target=f"{request.target}{mark}access_token={token}")
        return _with(request, [_header(self.place.format(token))])


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(": ")
    return name, value


def _with(request: Request, headers: Pairs) -> Request:
    return request._replace(headers=[*headers, *request.headers])


NO_PARTS = "a reference token has no parts, header, key or signature"
NOT_A_REFERENCE = "a JWT is not looked up"
OWN_CLAIMS = "what a reference token stands for is told by the issuer, which tells its own claims"
NEVER_SEC = "no reference token has `sec` [REF-17]"
OF_TWO = "about two credentials"
NO_WRITING = "has no method that writes [API-35, API-36]"
NO_SECURITY = "has no security path [§10.2]"
ONLY_DOMAIN = "is of the DomainAPI only"

# Requests.

PATHS = {
    "DomainAPI": "/api/domain/odata/Crm_Sales_Customers",
    "TableAPI": "/tableapi/odata/Crm_Customers",
    "OLAP": "/olap/cubes",
    "AppServer": "/appserver/session",
}
JSON: Pairs = [("Content-Type", "application/json")]
PREFLIGHT = (("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST"))


def at(method: str, suffix: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Requests:
    """A request for each API: its usual path with a suffix."""
    return {api: Request(method, PATHS[api] + suffix, list(headers)) for api in AUDIENCES}


def only(api: str, request: Request, reason: str) -> Requests:
    """A request for one API, and why there is none for the others."""
    return {name: request if name == api else reason for name in AUDIENCES}


def but(requests: Requests, **reasons: Request | str) -> Requests:
    return {**requests, **reasons}


READ, HEAD = at("GET"), at("HEAD")
READ_SECURITY: Requests = {
    "DomainAPI": Request("GET", "/api/domain/odata/Systems_Security_Users"),
    "TableAPI": Request("GET", "/tableapi/odata/Sec_Users"),
    "OLAP": NO_SECURITY,
    "AppServer": NO_SECURITY,
}
WRITE_SECURITY: Requests = dict.fromkeys(AUDIENCES, NO_WRITING) | {
    "DomainAPI": Request("POST", "/api/domain/odata/Systems_Security_Users", JSON, b"{}"),
    "AppServer": NO_SECURITY,
}


def is_token(id_: str, name: str, says: Says, **rest: object) -> Row:
    """A row that sends one good token to read with."""
    read = good("read")
    return Row(id_, name, says, read, read, **{"requests": READ, **rest})  # type: ignore[arg-type]
