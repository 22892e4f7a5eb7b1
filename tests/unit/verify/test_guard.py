"""The guard through the ASGI middleware: which credential counts, and how a refusal looks."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from mintgate.contract.errors import (
    Forbidden,
    NoCredential,
    Refusal,
    ResourceRefusal,
    SeveralCredentials,
)
from mintgate.contract.users import UserType
from mintgate.jose import PublicKey
from mintgate.verify import (
    ApiRequest,
    Guard,
    GuardMiddleware,
    KeysUnavailable,
    TokenState,
    UserState,
    Verifier,
)
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.request_headers import credential_of
from tests.unit.verify.workbench import (
    DATABASE,
    HEADER,
    NOW,
    STRANGER,
    MemoryState,
    served,
    sign,
    user_claims,
    verifier,
)

GOOD = sign(user_claims())
READ_ONLY = sign(user_claims(scope=["openid"]))
EXPIRED = sign(user_claims(exp=NOW))
FORGED = sign(user_claims(), key=STRANGER)
REFERENCE = "enrt_" + "0123456789ABCDEF" * 4
BEARER = f"Bearer {GOOD}"

A_GET = {"type": "http", "method": "GET", "path": "/x"}
NOTHING = 'Bearer realm="DomainAPI"'
SEVERAL = (
    'Bearer realm="DomainAPI", error="invalid_request", '
    'error_description="Send exactly one credential."'
)
MALFORMED = (
    'Bearer realm="DomainAPI", error="invalid_token", error_description="The token is malformed."'
)
UNKNOWN = MALFORMED.replace("is malformed", "is unknown, has expired or was revoked")
NEEDS_READ = 'Bearer realm="DomainAPI", error="insufficient_scope", scope="read"'


class Api:
    """The guarded application, and what the audit log was told."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.served: list[str] = []
        self.state = MemoryState()
        self.fails_with: Exception | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        login = scope[PRINCIPAL].login
        self.served.append(login)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": login.encode()})

    async def audit(self, scope: Any, refusal: Refusal) -> None:
        self.refusals.append(refusal)


@pytest.fixture(scope="module")
def api_and_base() -> Iterator[tuple[Api, str]]:
    api = Api()
    guard = Guard(verifier(database=DATABASE, state=api.state), "DomainAPI")
    with served(GuardMiddleware(api, guard, api.audit)) as base:
        yield api, base


@pytest.fixture
def api(api_and_base: tuple[Api, str]) -> Api:
    api, _ = api_and_base
    api.refusals.clear()
    api.served.clear()
    api.state.state = MemoryState().state
    return api


@pytest.fixture
def base(api_and_base: tuple[Api, str]) -> str:
    return api_and_base[1]


def call(base: str, headers: list[tuple[str, str]], path: str = "/x") -> httpx.Response:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return httpx.get(base + path, headers=raw, trust_env=False)


ACCEPTED = [
    pytest.param([("Authorization", BEARER)], id="API-1 one credential"),
    *(
        pytest.param([("Authorization", f"{scheme} {GOOD}")], id=f"API-2 scheme {scheme}")
        for scheme in ("bearer", "BEARER", "bEaReR")
    ),
    pytest.param([("AUTHORIZATION", BEARER)], id="API-2 header name in capitals"),
    pytest.param([("Authorization", f"Bearer   {GOOD}")], id="API-2 several spaces"),
    pytest.param(
        [("Authorization", BEARER), ("Cookie", f"access_token={FORGED}"), ("X-Token", FORGED)],
        id="API-1 other headers are no credentials",
    ),
]


@pytest.mark.parametrize("headers", ACCEPTED)
def test_one_credential_is_accepted(api: Api, base: str, headers: list[tuple[str, str]]) -> None:
    answer = call(base, headers)
    assert (answer.status_code, answer.text) == (200, "mira.k")
    assert api.refusals == []
    assert "www-authenticate" not in answer.headers


def _refused(
    name: str, headers: list[tuple[str, str]], status: int, challenge: str, kind: str,
    path: str = "/x",
) -> Any:  # fmt: skip
    return pytest.param(headers, path, status, challenge, kind, id=name)


def _as(text: str) -> list[tuple[str, str]]:
    return [("Authorization", text)]


NONE: tuple[int, str, str] = (401, NOTHING, "invalid_token")
MANY: tuple[int, str, str] = (400, SEVERAL, "invalid_request")
BAD: tuple[int, str, str] = (401, MALFORMED, "invalid_token")
LOST: tuple[int, str, str] = (401, UNKNOWN, "invalid_token")
KEY_IS_NO_KEY = (
    401,
    'Bearer realm="DomainAPI", error="invalid_token", '
    'error_description="An API-key header takes reference tokens only."',
    "invalid_token",
)

REFUSED = [
    _refused("API-1 none", [], *NONE),
    _refused("API-1 two Authorization headers", _as(BEARER) + _as(BEARER), *MANY),
    _refused("API-1 two Authorization headers, one empty", _as(BEARER) + _as(""), *MANY),
    _refused("API-2 Basic", _as("Basic dTpw"), *NONE),
    _refused("API-2 ErpSession", _as("ErpSession 1"), *NONE),
    _refused("API-2 DPoP", _as(f"DPoP {GOOD}"), *NONE),
    _refused("API-2 a token without scheme", _as(GOOD), *NONE),
    _refused("API-2 Bearer without token", _as("Bearer"), *NONE),
    _refused("API-2 an empty header", _as(""), *NONE),
    _refused("API-2 Bearer and a tab", _as(f"Bearer\t{GOOD}"), *NONE),
    _refused("API-2 Bearer, a comma and more", _as(f"{BEARER}, Basic dTpw"), *BAD),
    _refused("API-2 two tokens", _as(f"{BEARER} {GOOD}"), *BAD),
    _refused("API-2 quotes", _as(f'Bearer "{GOOD}"'), *BAD),
    _refused("API-21 token in the URL", [], *NONE, path=f"/x?access_token={GOOD}"),
    _refused("API-21 REF-33 reference in the URL", [], *NONE, path=f"/x?access_token={REFERENCE}"),
    _refused("API-21 a key in the URL", [], *NONE, path=f"/x?api-key={REFERENCE}&X-Api-Key=1"),
    _refused("REF-30 an unknown one as Bearer", _as(f"Bearer {REFERENCE}"), *LOST),
    _refused("REF-30 an unknown one as X-Api-Key", [("X-Api-Key", REFERENCE)], *LOST),
    _refused("REF-30 an unknown one as Api-Key", [("Api-Key", REFERENCE)], *LOST),
    _refused("REF-30 any case of the name", [("x-aPI-kEY", REFERENCE)], *LOST),
    _refused("REF-31 both headers", [*_as(BEARER), ("X-Api-Key", REFERENCE)], *MANY),
    _refused("REF-31 in the other order", [("Api-Key", REFERENCE), *_as(BEARER)], *MANY),
    _refused("REF-31 both key headers", [("X-Api-Key", REFERENCE), ("Api-Key", REFERENCE)], *MANY),
    _refused("REF-31 the same twice", [("Api-Key", REFERENCE), ("Api-Key", REFERENCE)], *MANY),
    _refused("REF-31 an empty key", [*_as(BEARER), ("X-Api-Key", "")], *MANY),
    _refused("REF-31 Basic and a key", [*_as("Basic dTpw"), ("X-Api-Key", REFERENCE)], *MANY),
    _refused("REF-32 a JWT as X-Api-Key", [("X-Api-Key", GOOD)], *KEY_IS_NO_KEY),
    _refused("REF-32 a JWT as Api-Key", [("Api-Key", GOOD)], *KEY_IS_NO_KEY),
    _refused("REF-32 an empty key", [("Api-Key", "")], *KEY_IS_NO_KEY),
    _refused("REF-32 REF-2 prefix in capitals", [("Api-Key", REFERENCE.upper())], *KEY_IS_NO_KEY),
    _refused("REF-32 a scheme inside", [("Api-Key", f"Bearer {REFERENCE}")], *KEY_IS_NO_KEY),
    _refused(
        "API-15 a scope is missing", _as(f"Bearer {READ_ONLY}"), 403, NEEDS_READ,
        "insufficient_scope",
    ),
    _refused(
        "API-20 expired", _as(f"Bearer {EXPIRED}"), 401,
        MALFORMED.replace("The token is malformed", "The token has expired"), "invalid_token",
    ),
    _refused(
        "API-20 forged", _as(f"Bearer {FORGED}"), 401,
        MALFORMED.replace("The token is malformed", "The token's signature is not valid"),
        "invalid_token",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "path", "status", "challenge", "kind"), REFUSED)
def test_a_refusal_has_status_challenge_and_body(
    api: Api,
    base: str,
    headers: list[tuple[str, str]],
    path: str,
    status: int,
    challenge: str,
    kind: str,
) -> None:
    answer = call(base, headers, path)
    assert answer.status_code == status
    assert answer.headers.get_list("www-authenticate") == [challenge]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    error = answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert list(error) == ["message", "code", "type", "info"]  # [API-40]
    assert (error["code"], error["type"], error["info"]) == (status, kind, "")  # [API-41]
    assert type(error["code"]) is int
    assert error["message"]
    assert api.served == []
    assert len(api.refusals) == 1
    for secret in (GOOD, REFERENCE):
        assert secret not in answer.text
        assert secret not in api.refusals[0].cause  # [TOK-14]


def test_a_user_of_another_type_is_forbidden(api: Api, base: str) -> None:
    """API-14 API-18"""
    api.state.state = TokenState(False, True, UserState(True, False, UserType.COMMUNITY))
    answer = call(base, _as(BEARER))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == NOTHING
    assert answer.json()["error"]["code"] == 403


def test_a_token_in_the_body_is_not_looked_at(api: Api, base: str) -> None:
    """API-21 REF-33"""
    for token in (GOOD, REFERENCE):
        answer = httpx.post(base, data={"access_token": token, "api_key": token}, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == NOTHING


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_every_method_is_guarded(api: Api, base: str, method: str) -> None:
    """API-1"""
    assert httpx.request(method, base, trust_env=False).status_code == 401
    assert api.served == []


_INJECTIONS = [
    'x", error="none',
    'x"\\"y',
    "x\x80\xff",
    "\xe9\xe9",
    "x, Basic realm=y",
    GOOD + '"',
    'enrt_"; evil="1',
]


@pytest.mark.parametrize("text", _INJECTIONS)
@pytest.mark.parametrize("where", ["Bearer", "scheme", "X-Api-Key"])
def test_nothing_of_the_request_gets_into_the_challenge(
    api: Api, base: str, text: str, where: str
) -> None:
    value = {"Bearer": f"Bearer {text}", "scheme": f"{text} x", "X-Api-Key": text}[where]
    name = where if where == "X-Api-Key" else "Authorization"
    answer = call(base, [(name, value)])
    assert answer.headers.get_list("www-authenticate") in (
        [NOTHING],
        [MALFORMED],
        [UNKNOWN],
        [KEY_IS_NO_KEY[1]],
    )
    assert text not in answer.text


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": 'x", error="none'},
        {"aud": 'x"\r\nSet-Cookie: a=b'},
        {"scope": ['read"', "\r\nX: y"]},
        {"db": 'x"\\'},
        {"client_id": "\u00e9\r\n", "scope": []},
    ],
    ids=lambda claims: " ".join(claims),
)
def test_nothing_of_a_signed_token_gets_into_the_challenge(
    api: Api, base: str, claims: dict[str, Any]
) -> None:
    answer = call(base, _as(f"Bearer {sign(user_claims(**claims))}"))
    assert answer.status_code in {401, 403}
    challenge = answer.headers["www-authenticate"]
    assert challenge.isascii()
    assert challenge.count('"') in {4, 6}
    assert "set-cookie" not in answer.headers
    assert "none" not in challenge


@pytest.mark.parametrize("header", [HEADER | {"kid": 'x"\r\nA: b'}, HEADER | {"typ": '"'}])
def test_nothing_of_a_header_gets_into_the_challenge(
    api: Api, base: str, header: dict[str, Any]
) -> None:
    answer = call(base, _as(f"Bearer {sign(user_claims(), header)}"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].count('"') == 6


# --- without HTTP -------------------------------------------------------------------------------


def _run(
    middleware: GuardMiddleware, scope: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read of a refused request")

    asyncio.run(middleware(scope, receive, send))
    return sent, scope


async def _remember(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "seen", "principal": scope.get(PRINCIPAL), "same": scope})


class _KeysAway:
    def get(self, kid: str) -> PublicKey | None:
        return None

    def refresh(self, kid: str) -> None:
        raise KeysUnavailable("cannot get keys from https://orion.my.example/id: timed out")

    async def refresh_async(self, kid: str) -> None:
        self.refresh(kid)


def _middleware(checker: Verifier, api: Api) -> GuardMiddleware:
    return GuardMiddleware(_remember, Guard(checker, "DomainAPI"), on_refusal=api.audit)


def test_a_websocket_is_closed_before_it_is_accepted() -> None:
    """API-1: uvicorn answers 403 to a close before the handshake."""
    api = Api()
    sent, _ = _run(_middleware(verifier(), api), {"type": "websocket", "path": "/x", "headers": []})
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert [type(refusal) for refusal in api.refusals] == [NoCredential]


def test_a_websocket_with_a_good_token_passes() -> None:
    headers = [(b"authorization", BEARER.encode())]
    scope = {"type": "websocket", "path": "/x", "headers": headers}
    sent, _ = _run(_middleware(verifier(), Api()), scope)
    assert sent[0]["principal"].login == "mira.k"
    assert PRINCIPAL not in scope  # the caller's scope is not changed


def test_a_websocket_needs_more_than_reading_also_over_http_2() -> None:
    """[API-30] it can carry anything; RFC 8441 §5: there is no `Upgrade` then."""
    reader = sign(user_claims(scope=["read"]))
    for more in ([], [(b"upgrade", b"websocket")]):
        api = Api()
        headers = [(b"authorization", f"Bearer {reader}".encode()), *more]
        scope = {"type": "websocket", "path": "/x", "headers": headers}
        sent, _ = _run(_middleware(verifier(), api), scope)
        assert sent == [{"type": "websocket.close", "code": 1008}]
        assert [refusal.status for refusal in api.refusals] == [403]


def test_a_connection_that_stays_open_may_no_more_than_a_new_one() -> None:
    """[API-33] of who is no administrator any more"""
    state = MemoryState()
    admin = UserState(True, False, UserType.INTERNAL, is_admin=True)
    state.state = TokenState(revoked=False, application_enabled=True, user=admin)
    guard = Guard(verifier(state=state), "DomainAPI")
    token = sign(user_claims(scope=["update", "sec"], is_admin=True))
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"upgrade", b"websocket")]
    request = ApiRequest("GET", b"/odata/Systems_Security_Users", b"", headers)
    admission = asyncio.run(guard.admit_async(request))
    asyncio.run(guard.look_again(admission, headers, in_use=True))
    state.state = TokenState(
        revoked=False,
        application_enabled=True,
        user=UserState(True, False, UserType.INTERNAL, is_admin=False),
    )
    with pytest.raises(Forbidden):
        asyncio.run(guard.look_again(admission, headers, in_use=False))


def test_a_token_without_its_scheme_gets_into_no_log() -> None:
    """[API-2]"""
    for value in (REFERENCE, "YWRhOmhlciBwYXNzd29yZA=="):
        with pytest.raises(NoCredential) as refused:
            credential_of([(b"authorization", value.encode())])
        assert value[:6] not in refused.value.cause
    with pytest.raises(NoCredential) as refused:
        credential_of([(b"authorization", b"Digest x")])
    assert "Digest" in refused.value.cause


@pytest.mark.parametrize("description", ['is no "x"', "a\\b", "a\r\nb", "\u00e9\u2028"])
def test_a_description_cannot_end_the_challenge(description: str) -> None:
    """RFC 6750 §3"""
    challenge = ResourceRefusal(description).challenges("DomainAPI")[0]
    assert challenge.isascii()
    assert challenge.isprintable()
    assert (challenge.count('"'), challenge.count("\\")) == (6, 0)


def test_other_scopes_pass_untouched() -> None:
    scope = {"type": "lifespan"}
    sent, _ = _run(_middleware(verifier(), Api()), scope)
    assert sent[0]["same"] is scope


def test_the_guard_is_closed_before_the_server_may_end() -> None:
    """[SES-27] what comes after that answer is cancelled by servers, and would never be told"""
    happened: list[str] = []

    class Sessions:
        def close(self) -> None:
            happened.append("closed")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for moment in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{moment}"
            await send({"type": f"lifespan.{moment}.complete"})

    async def serve() -> None:
        coming = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive() -> dict[str, str]:
            return {"type": next(coming)}

        async def send(message: Any) -> None:
            happened.append(message["type"])

        guard = Guard(verifier(), "DomainAPI", sessions=cast("Any", Sessions()))
        await GuardMiddleware(app, guard)({"type": "lifespan"}, receive, send)

    asyncio.run(serve())
    assert happened == ["lifespan.startup.complete", "closed", "lifespan.shutdown.complete"]


def test_a_principal_of_the_caller_is_overwritten() -> None:
    scope = {**A_GET, "headers": [(b"authorization", BEARER.encode())], PRINCIPAL: "forged"}
    sent, _ = _run(_middleware(verifier(), Api()), scope)
    assert sent[0]["principal"].login == "mira.k"


def test_keys_that_are_away_are_503() -> None:
    api = Api()
    headers = [(b"authorization", BEARER.encode())]
    sent, _ = _run(_middleware(verifier(keys=_KeysAway()), api), {**A_GET, "headers": headers})
    assert sent[0]["status"] == 503
    assert b"www-authenticate" not in dict(sent[0]["headers"])
    error = json.loads(sent[1]["body"])["error"]
    assert (error["code"], error["type"]) == (503, "temporarily_unavailable")
    assert "orion" not in error["message"]
    assert "cannot get keys from" in api.refusals[0].cause


def test_503_says_when_to_come_again() -> None:
    headers = [(b"authorization", BEARER.encode())]
    sent, _ = _run(_middleware(verifier(keys=_KeysAway()), Api()), {**A_GET, "headers": headers})
    assert dict(sent[0]["headers"]).get(b"retry-after") == b"5"


def test_the_realm_is_the_audience() -> None:
    """API-26"""
    for audience in ("DomainAPI", "TableAPI", "OLAP", "AppServer"):
        middleware = GuardMiddleware(_remember, Guard(verifier(), audience))
        sent, _ = _run(middleware, {**A_GET, "headers": []})
        challenge = dict(sent[0]["headers"])[b"www-authenticate"]
        assert challenge.decode() == f'Bearer realm="{audience}"'


# a realm is text of an operator [EXT-12] that goes into a quoted string as it is.
@pytest.mark.parametrize("audience", ['My "API"', "Продажби", "a\r\nb"])
def test_a_realm_is_quoted_or_refused(audience: str) -> None:
    try:
        guard = Guard(verifier(), audience)
    except ValueError:
        return
    sent, _ = _run(GuardMiddleware(_remember, guard), {**A_GET, "headers": []})
    challenge = dict(sent[0]["headers"])[b"www-authenticate"]
    assert challenge.isascii()
    assert not set(challenge) & {10, 13}
    assert challenge.replace(b'\\"', b"").count(b'"') == 2


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        pytest.param([(b"authorization", b"Bearer x")], "x", id="API-2"),
        pytest.param([(b"authorization", b"  Bearer x  ")], "x", id="API-2 trimmed"),
        pytest.param([(b"api-key", b" enrt_1 ")], "enrt_1", id="REF-30 trimmed"),
        pytest.param([(b"x-api-key", b"enrt_1")], "enrt_1", id="REF-30"),
        pytest.param([(b"authorization", b"Bearer   ")], NoCredential, id="API-2 only spaces"),
        pytest.param([(b"authorization", b"\xff\xfe")], NoCredential, id="API-2 any bytes"),
        pytest.param([], NoCredential, id="API-1"),
        pytest.param(
            [(b"x-api-key", b"enrt_1"), (b"api-key", b"enrt_1")], SeveralCredentials, id="REF-31"
        ),
    ],
)
def test_credential_of(
    headers: list[tuple[bytes, bytes]], outcome: str | type[ResourceRefusal]
) -> None:
    if isinstance(outcome, str):
        assert credential_of(headers) == outcome
    else:
        with pytest.raises(outcome):
            credential_of(headers)


def test_a_folded_header_gets_nothing_in(api: Api, base: str) -> None:
    """Raw bytes on the socket, which no HTTP client would send."""
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as link:
        link.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b'Authorization: Bearer a"\r\n b\r\n\r\n'
        )
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert api.served == []
    assert b'a"' not in answer


def test_trailers_that_come_later_reach_nobody() -> None:
    """Servers append trailers to the very list of headers that was judged."""
    headers = [(b"authorization", BEARER.encode())]
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers.append((b"x-mintgate-login", b"admin"))
        seen.extend(scope["headers"])

    _run(GuardMiddleware(app, Guard(verifier(), "DomainAPI")), {**A_GET, "headers": headers})
    assert seen == [(b"authorization", BEARER.encode())]
