"""The checks on every request, each failing on its own, over the wire (§10.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mintgate.contract.users import UserType
from mintgate.jose import SigningKey
from mintgate.jose.encoding import base64url_encode
from mintgate.store import keys
from tests.world import BACKOFFICE, NOW, STOCK, World, payload_of

CUSTOMERS = "Crm_Sales_Customers?$top=1"


def signing_key(world: World) -> SigningKey:
    return world.database.read_now(lambda c: keys.all_of(c, world.instance.id, world.kek))[0][0]


def resigned(world: World, typ: str = "at+jwt", drop: str = "", **changes: Any) -> str:
    """A service token with other claims, signed with the instance's own key."""
    claims = payload_of(world.service_token()) | changes
    claims.pop(drop, None)
    return signing_key(world).sign(json.dumps(claims).encode(), typ)


def with_header(world: World, **header: Any) -> str:
    """The same signature input, under a header that says something else."""
    _, payload, signature = world.service_token().split(".")
    kid = signing_key(world).kid
    members = {"alg": "RS256", "kid": kid, "typ": "at+jwt"} | header
    return f"{base64url_encode(json.dumps(members).encode()).decode()}.{payload}.{signature}"


def other_signature(world: World) -> str:
    token = world.service_token()
    forged = SigningKey.generate(signing_key(world).kid)
    return forged.sign(json.dumps(payload_of(token)).encode(), "at+jwt")


BAD: list[tuple[str, Callable[[World], str], str]] = [
    ("API-3", lambda w: "enrt_" + "0123456789ABCDEF" * 4, "unknown"),
    ("API-4-parts", lambda w: w.service_token() + ".x", "malformed"),
    ("API-4-text", lambda w: "abc", "malformed"),
    ("API-5-none", lambda w: with_header(w, alg="none"), "algorithm"),
    ("API-5-hmac", lambda w: with_header(w, alg="HS256"), "algorithm"),
    ("API-5-typ", lambda w: resigned(w, typ="JWT"), "not an access token"),
    ("API-5-crit", lambda w: with_header(w, crit=["exp"]), "header"),
    ("API-5-jwk", lambda w: with_header(w, jwk={}), "header"),
    ("API-6", lambda w: with_header(w, kid="F" * 32), "signing key is unknown"),
    ("API-7", other_signature, "signature"),
    ("API-7-tampered", lambda w: w.service_token()[:-6] + "AAAAAA", "signature"),
    ("API-8", lambda w: resigned(w, iss=w.issuer + "/"), "another issuer"),
    ("API-9-expired", lambda w: resigned(w, exp=int(NOW)), "expired"),
    ("API-9-nbf", lambda w: resigned(w, nbf=int(NOW) + 6), "not valid yet"),
    ("API-10", lambda w: resigned(w, aud=["TableAPI"]), "not for this API"),
    ("API-10-case", lambda w: resigned(w, aud=["domainapi"]), "not for this API"),
    ("API-11-missing", lambda w: resigned(w, drop="jti"), "required claim"),
    ("API-11-both", lambda w: resigned(w, sub="mira.k"), "both"),
    ("API-12", lambda w: resigned(w, client_db="OTHER"), "another database"),
]


@pytest.mark.parametrize(("make", "words"), [pytest.param(*r[1:], id=r[0]) for r in BAD])
def test_invalid_token(make: Callable[[World], str], words: str, shared_world: World) -> None:
    """[API-20, API-40, API-41]"""
    answer = shared_world.api(CUSTOMERS, make(shared_world))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="DomainAPI", error="invalid_token"')
    assert words in challenge
    error = answer.json()["error"]
    assert (error["code"], error["type"], error["info"]) == (401, "invalid_token", "")
    assert shared_world.events("api.refused")


def test_expiry_by_the_clock(world: World) -> None:
    """[API-9] the same token, before and after its end"""
    token = world.service_token()
    world.clock.advance(3599)
    assert world.api(CUSTOMERS, token).status_code == 200
    world.clock.advance(1)
    assert "expired" in world.api(CUSTOMERS, token).headers["www-authenticate"]


def test_a_fresh_token_is_good_at_a_clock_five_seconds_behind(world: World) -> None:
    """[API-9, OPQ-12]"""
    token = world.service_token()
    world.clock.advance(-5)
    assert world.api(CUSTOMERS, token).status_code == 200
    world.clock.advance(-1)
    assert world.api(CUSTOMERS, token).status_code == 401


STATE: list[tuple[str, Callable[[World], object], int, str]] = [
    ("API-13", lambda w: w.change_application(STOCK, is_enabled=False), 401, "invalid_token"),
    ("API-14-inactive", lambda w: w.change_user("svc.stock", active=False), 401, "invalid_token"),
    ("API-14-locked", lambda w: w.change_user("svc.stock", locked_until=2e9), 401, "invalid_token"),
    (
        "API-14-type",
        lambda w: w.change_user("svc.stock", user_type=UserType.VIRTUAL),
        403,
        "forbidden",
    ),
]


@pytest.mark.parametrize(
    ("change", "status", "kind"), [pytest.param(*row[1:], id=row[0]) for row in STATE]
)
def test_state(change: Callable[[World], object], status: int, kind: str, world: World) -> None:
    """[TAP-4, TOP-13, OPQ-14] A change is seen by a live token's next request."""
    token = world.service_token()
    assert world.api(CUSTOMERS, token).status_code == 200
    change(world)
    answer = world.api(CUSTOMERS, token)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


SCOPES: list[tuple[str, str, str, str, int]] = [
    ("API-30", "read", "GET", CUSTOMERS, 200),
    ("API-38", "update", "GET", CUSTOMERS, 200),
    ("API-31-POST", "read", "POST", "Crm_Sales_Customers", 403),
    (
        "API-31-DELETE",
        "read",
        "DELETE",
        f"Crm_Sales_Customers({'0' * 8}-0000-0000-0000-{'0' * 12})",
        403,
    ),
    ("API-33", "read", "GET", "Systems_Security_Users", 403),
    ("API-33-update", "update", "GET", "Systems_Security_TrustedApplications", 403),
]


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"), [pytest.param(*row[1:], id=row[0]) for row in SCOPES]
)
def test_scope(scope: str, method: str, path: str, status: int, shared_world: World) -> None:
    """[API-15]"""
    token = shared_world.service_token(scope)
    body = {"json": {}} if method == "POST" else {}
    answer = shared_world.api(path, token, method=method, **body)
    assert answer.status_code == status
    if status == 403:
        challenge = answer.headers["www-authenticate"]
        needed = "sec" if "Security" in path else "update"
        assert challenge == (
            f'Bearer realm="DomainAPI", error="insufficient_scope", scope="{needed}"'
        )


def test_protocol_scopes_open_nothing(shared_world: World) -> None:
    """[API-10, API-39, TOK-52]"""
    token = shared_world.user_tokens(scope="openid profile")["access_token"]
    assert shared_world.api(CUSTOMERS, token).status_code == 401


CREDENTIALS: list[tuple[str, list[tuple[str, str]], int, str]] = [
    ("API-1-none", [], 401, 'Bearer realm="DomainAPI"'),
    ("API-2-basic", [("Authorization", "Basic abc")], 401, 'Bearer realm="DomainAPI"'),
    ("API-2-empty", [("Authorization", "Bearer")], 401, 'Bearer realm="DomainAPI"'),
    (
        "REF-31-both",
        [("Authorization", "Bearer x"), ("X-Api-Key", "enrt_x")],
        400,
        "invalid_request",
    ),
    ("REF-31-keys", [("Api-Key", "enrt_x"), ("X-Api-Key", "enrt_x")], 400, "invalid_request"),
    (
        "REF-31-twice",
        [("Authorization", "Bearer x"), ("Authorization", "Bearer x")],
        400,
        "invalid_request",
    ),
    ("REF-32", [("X-Api-Key", "eyJ")], 401, "invalid_token"),
]


@pytest.mark.parametrize(
    ("headers", "status", "challenge"), [pytest.param(*row[1:], id=row[0]) for row in CREDENTIALS]
)
def test_credentials(
    headers: list[tuple[str, str]], status: int, challenge: str, shared_world: World
) -> None:
    answer = shared_world.http.get(f"/api/domain/odata/{CUSTOMERS}", headers=headers)
    assert answer.status_code == status
    sent = answer.headers["www-authenticate"]
    assert sent == challenge if challenge.startswith("Bearer") else challenge in sent


def test_scheme_in_any_case_and_no_token_in_the_url(shared_world: World) -> None:
    """[API-2, API-21]"""
    token = shared_world.service_token()
    path = f"/api/domain/odata/{CUSTOMERS}"
    for scheme in ("bearer", "BEARER"):
        answer = shared_world.http.get(path, headers={"Authorization": f"{scheme} {token}"})
        assert answer.status_code == 200
    answer = shared_world.http.get(f"{path}&access_token={token}")
    assert answer.status_code == 401


def test_a_service_token_without_the_user_id_is_accepted(shared_world: World) -> None:
    """[TOK-42] the user is looked up by login then"""
    token = resigned(shared_world, drop="client_system_user_id")
    assert shared_world.api(CUSTOMERS, token).status_code == 200


def test_unknown_claims_are_ignored(shared_world: World) -> None:
    """[TOK-13, TOK-43]"""
    token = resigned(shared_world, hello={"a": [1]}, system_user="admin", acr="1")
    assert shared_world.api(CUSTOMERS, token).status_code == 200


def test_duplicate_claims_are_refused(shared_world: World) -> None:
    payload = msgspec.json.encode(payload_of(shared_world.service_token()))
    doubled = payload[:-1] + b',"iss":"' + shared_world.issuer.encode() + b'"}'
    token = signing_key(shared_world).sign(doubled, "at+jwt")
    assert shared_world.api(CUSTOMERS, token).status_code == 401


def test_community_user_of_a_forged_audience_is_forbidden(world: World) -> None:
    """[API-14] the type decides, whatever the token says"""
    tokens = world.user_tokens()
    world.change_user("mira.k", user_type=UserType.COMMUNITY)
    assert world.api(CUSTOMERS, tokens["access_token"]).status_code == 403
    world.change_application(BACKOFFICE)
