"""`POST /connect/token`: client authentication and every refusal of the table (§3.5)."""

from __future__ import annotations

import base64
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from mintgate.contract.applications import ClientType
from mintgate.contract.identifiers import secret_hash
from tests.world import BACKOFFICE, SECRET, SPA, STOCK, World

CC = {"grant_type": "client_credentials"}
FORM_TYPE = "application/x-www-form-urlencoded"


def test_answer(shared_world: World) -> None:
    """[TKN-12, TKN-20, TKN-21, EP-6]"""
    answer = shared_world.request_token((STOCK, SECRET), **CC, scope="update read")
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in", "scope"]
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["scope"] == "update read"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


# rule, form, Basic pair, status, error
REFUSALS: list[tuple[str, dict[str, str], tuple[str, str] | None, int, str]] = [
    ("TKN-30", {}, (STOCK, SECRET), 400, "invalid_request"),
    ("TKN-31-password", {"grant_type": "password"}, (STOCK, SECRET), 400, "unsupported_grant_type"),
    ("TKN-31-implicit", {"grant_type": "implicit"}, (STOCK, SECRET), 400, "unsupported_grant_type"),
    ("TKN-32", CC, None, 400, "invalid_request"),
    ("TKN-33-form", CC | {"client_id": "no", "client_secret": "x"}, None, 400, "invalid_client"),
    ("TKN-33-Basic", CC, ("no", "x"), 401, "invalid_client"),
    ("TKN-34-form", CC | {"client_id": STOCK, "client_secret": "x"}, None, 400, "invalid_client"),
    ("TKN-34-Basic", CC, (STOCK, "wrong"), 401, "invalid_client"),
    (
        "TKN-35",
        {
            "grant_type": "refresh_token",
            "refresh_token": "x",
            "client_id": SPA,
            "client_secret": "s",
        },
        None,
        400,
        "invalid_client",
    ),
    ("TKN-36", CC | {"client_id": STOCK}, None, 400, "invalid_request"),
    (
        "TKN-37",
        {"grant_type": "authorization_code", "code": "x", "client_id": BACKOFFICE},
        None,
        400,
        "invalid_client",
    ),
    ("TKN-39", CC | {"client_id": SPA}, None, 400, "unauthorized_client"),
    ("TKN-40", CC, (BACKOFFICE, SECRET), 400, "unauthorized_client"),
    ("TKN-42-unknown", CC | {"scope": "read everything"}, (STOCK, SECRET), 400, "invalid_scope"),
    ("TKN-42-sec", CC | {"scope": "sec"}, (STOCK, SECRET), 400, "invalid_scope"),
    ("SCP-10", CC | {"scope": "openid profile"}, (STOCK, SECRET), 400, "invalid_scope"),
    ("SCP-9", CC | {"scope": "Read"}, (STOCK, SECRET), 400, "invalid_scope"),
    (
        "TKN-43-code",
        {"grant_type": "authorization_code"},
        (BACKOFFICE, SECRET),
        400,
        "invalid_request",
    ),
    (
        "TKN-43-refresh",
        {"grant_type": "refresh_token"},
        (BACKOFFICE, SECRET),
        400,
        "invalid_request",
    ),
    (
        "TKN-44",
        {"grant_type": "authorization_code", "code": "A" * 64, "redirect_uri": "x"},
        (BACKOFFICE, SECRET),
        400,
        "invalid_grant",
    ),
    (
        "TKN-48",
        {"grant_type": "refresh_token", "refresh_token": "A" * 64},
        (BACKOFFICE, SECRET),
        400,
        "invalid_grant",
    ),
    ("TKN-2", CC | {"client_secret": SECRET}, (STOCK, SECRET), 400, "invalid_request"),
]


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS]
)
def test_refusal(
    form: dict[str, str],
    auth: tuple[str, str] | None,
    status: int,
    error: str,
    shared_world: World,
) -> None:
    answer = shared_world.request_token(auth, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    assert ("basic" in answer.headers.get("www-authenticate", "").lower()) == (status == 401)


@pytest.mark.parametrize(
    ("granted", "asked"),
    [
        pytest.param("read", "DomainApi", id="SCP-12-alone"),
        pytest.param("update", "DomainApi update", id="SCP-12-with-another"),
        pytest.param("read update", None, id="SCP-6-default"),
        pytest.param("read", "openid read offline_access", id="SCP-10-dropped"),
        pytest.param("read", "read read", id="SCP-9-duplicates"),
    ],
)
def test_granted_scopes(granted: str, asked: str | None, shared_world: World) -> None:
    form = CC | ({"scope": asked} if asked else {})
    assert shared_world.request_token((STOCK, SECRET), **form).json()["scope"] == granted


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods(method: str, shared_world: World) -> None:
    """[EP-9]"""
    answer = shared_world.http.request(method, "/id/connect/token")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


BODIES: list[tuple[str, bytes, str]] = [
    ("EP-2-json", b'{"grant_type":"client_credentials"}', "application/json"),
    ("EP-2-none", b"grant_type=client_credentials", ""),
    ("EP-2-multipart", b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    ("EP-4-repeated", b"grant_type=client_credentials&grant_type=client_credentials", FORM_TYPE),
    ("EP-4-repeated-unknown", b"grant_type=client_credentials&x=1&x=2", FORM_TYPE),
    ("not-utf-8", b"grant_type=%ff%fe", FORM_TYPE),
    ("raw-bytes", b"grant_type=\xff\xfe", FORM_TYPE),
    ("too-long", b"a=" + b"x" * 70_000, FORM_TYPE),
    ("too-many", b"&".join(b"a%d=1" % n for n in range(500)), FORM_TYPE),
    ("empty", b"", FORM_TYPE),
    ("nul", b"grant_type=\x00", FORM_TYPE),
    ("nul-encoded", b"grant_type=client_credentials&client_id=%00", FORM_TYPE),
]


@pytest.mark.parametrize(("body", "kind"), [pytest.param(*row[1:], id=row[0]) for row in BODIES])
def test_malformed_body(body: bytes, kind: str, shared_world: World) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = shared_world.http.post("/id/connect/token", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_request", "unsupported_grant_type"}


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Basic /w==", "Digest x", ""],
)
def test_malformed_authorization_header(header: str, shared_world: World) -> None:
    answer = shared_world.http.post("/id/connect/token", data=CC, headers={"Authorization": header})
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_request", "invalid_client"}


def test_charset_suffix_and_unescaped_values(shared_world: World) -> None:
    """[EP-2, EP-3, EP-4]"""
    body = f"grant_type=client_credentials&client_id={STOCK}&client_secret={SECRET}&scope=&x-y=1"
    answer = shared_world.http.post(
        "/id/connect/token",
        content=body.encode(),
        headers={"Content-Type": f"{FORM_TYPE}; charset=UTF-8"},
    )
    assert answer.json()["scope"] == "read update"


STRANGE = "a+b%2Bc:d e&f=ж~"


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(f"{quote_plus(STOCK)}:{quote_plus(STRANGE)}", id="TKN-6-encoded"),
        pytest.param(f"{STOCK}:{STRANGE}", id="TKN-6-raw"),
        pytest.param(f"{STOCK}:ab%ffcd", id="TKN-6-raw-no-utf-8"),
    ],
)
def test_basic_with_strange_secret(pair: str, world: World) -> None:
    secret = "ab%ffcd" if "%ff" in pair else STRANGE
    world.change_application(STOCK, application_secret_hash=secret_hash(secret))
    header = "Basic " + base64.b64encode(pair.encode()).decode()
    answer = world.http.post("/id/connect/token", data=CC, headers={"Authorization": header})
    assert answer.status_code == 200, answer.text


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("TKN-33", {"is_enabled": False}, "invalid_client"),
    ("TKN-34", {"application_secret_hash": None}, "invalid_client"),
    ("TKN-38", {"client_type": "None"}, "unauthorized_client"),
    ("TKN-40", {"system_user_allowed": False}, "unauthorized_client"),
    ("SCP-11", {"scope": None}, "invalid_scope"),
]


def test_changes_take_effect_on_the_next_request(world: World) -> None:
    """[TAP-31, TOP-13] Each change of a row decides the next request."""
    assert world.request_token((STOCK, SECRET), **CC).status_code == 200
    for rule, change, error in CHANGES:
        change = {
            key: ClientType(value) if key == "client_type" else value
            for key, value in change.items()
        }
        before = world.change_application(STOCK)
        undo = {key: getattr(before, key) for key in change}
        world.change_application(STOCK, **change)
        assert world.request_token((STOCK, SECRET), **CC).json()["error"] == error, rule
        world.change_application(STOCK, **undo)
        assert world.request_token((STOCK, SECRET), **CC).status_code == 200, rule


@pytest.mark.parametrize(
    "change", [{"active": False}, {"locked_until": 1e12}], ids=["inactive", "locked"]
)
def test_system_user_must_be_active(change: dict[str, Any], world: World) -> None:
    """[TKN-41]"""
    world.change_user("svc.stock", **change)
    answer = world.request_token((STOCK, SECRET), **CC)
    assert answer.json()["error"] == "unauthorized_client"


def test_instance_setting_changes_the_lifetime(a_world: Any) -> None:
    """[LIF-1]"""
    world = a_world(instance_settings="access_token_lifetime = 600")
    assert world.request_token((STOCK, SECRET), **CC).json()["expires_in"] == 600


def test_refusals_are_audited_with_their_cause(world: World) -> None:
    world.request_token((STOCK, "wrong"), **CC)
    (event,) = world.events("token.refused")
    assert event.application == STOCK
    assert event.cause == "invalid_client: wrong secret"
    assert event.address == "127.0.0.1"


def test_foreign_host_is_misdirected(shared_world: World) -> None:
    """[DSC-2]"""
    url = "/id/.well-known/openid-configuration"
    answer = shared_world.http.get(url, headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert shared_world.base in answer.json()["error_description"]
    for name in ("localhost", "[::1]"):
        host = {"Host": f"{name}:{shared_world.port}", "X-Forwarded-Host": "evil.example"}
        document = shared_world.http.get(url, headers=host).json()
        assert document["issuer"] == shared_world.issuer
    health = httpx.get(f"{shared_world.base}/healthz", headers={"Host": "evil.example"})
    assert health.status_code == 200


def test_half_a_form_does_nothing(world: World) -> None:
    """A connection cut before `&scope=…` must not rotate a token with all scopes."""
    token = world.user_tokens()["refresh_token"]
    start = f"grant_type=refresh_token&client_id={BACKOFFICE}&client_secret={SECRET}"
    body = f"{start}&refresh_token={token}"
    head = (
        f"POST /id/connect/token HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n"
        f"Content-Type: {FORM_TYPE}\r\nContent-Length: {len(body) + 100}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", world.port)) as connection:
        connection.sendall((head + body).encode())
    assert world.refresh(token, scope="openid").json()["scope"] == "openid"


def test_an_anonymous_nul_fails_nobody_else(world: World) -> None:
    poison = {"grant_type": "nope", "client_id": "a\0b"}
    with ThreadPoolExecutor(8) as threads:
        good = [threads.submit(world.service_token) for _ in range(40)]
        bad = [threads.submit(lambda: world.request_token(None, **poison)) for _ in range(40)]
    assert all(result.result() for result in good)
    assert {result.result().status_code for result in bad} == {400}


def test_answers_are_the_same_for_who_is_no_browser(shared_world: World) -> None:
    """[EP-6, EP-8] with an Origin a request goes another way inside"""
    form = {"grant_type": "client_credentials", "client_id": STOCK, "client_secret": SECRET}
    for data in (form, form | {"client_secret": "wrong"}, {}):
        plain, cross = (
            shared_world.http.post("/id/connect/token", data=data, headers=headers)
            for headers in ({}, {"Origin": "https://nobody.example"})
        )
        assert plain.status_code == cross.status_code
        for name in ("cache-control", "pragma", "content-type"):
            assert plain.headers[name] == cross.headers[name]
        for answer in (plain, cross):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
        assert set(cross.headers) - set(plain.headers) == {"vary"}
    elsewhere = shared_world.http.post(
        "/id/connect/token", data=form, headers={"Host": "elsewhere.example"}
    )
    assert (elsewhere.status_code, elsewhere.headers["referrer-policy"]) == (421, "no-referrer")
    assert shared_world.http.get("/id/connect/token").status_code == 405
