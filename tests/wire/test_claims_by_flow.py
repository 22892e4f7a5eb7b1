"""Tokens against the claim table, claim by claim, member order included (§2)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from mintgate.contract.claims import encode
from mintgate.contract.users import UserType
from mintgate.identity.grants import UserGrant
from mintgate.identity.mint import user_claims
from mintgate.store import applications, users
from tests.world import BACKOFFICE, FULL, NOW, SECRET, STOCK, World, payload_of

HEX = re.compile(r"[0-9A-F]{32}")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CC_ORDER = tuple(
    "nbf exp iss aud client_id client_system_user client_system_user_type client_system_user_id "
    "client_db jti iat scope".split()
)
AC_ORDER = tuple(
    "nbf exp iss aud client_id sub sub_id name email user_type is_admin email_verified db locale "
    "jti sid iat scope".split()
)
APIS = ["DomainAPI", "TableAPI", "OLAP", "AppServer"]


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return header


@pytest.fixture(scope="module")
def service(shared_world: World) -> str:
    return shared_world.service_token()


@pytest.fixture(scope="module")
def person(shared_world: World) -> dict[str, Any]:
    return shared_world.user_tokens()


@pytest.mark.parametrize("flow", ["CC", "AC"])
def test_header(flow: str, service: str, person: dict[str, Any], shared_world: World) -> None:
    """[TOK-1, TOK-2, TOK-3, TOK-4, TOK-6]"""
    token = service if flow == "CC" else person["access_token"]
    header = header_of(token)
    assert list(header) == ["alg", "kid", "typ"]
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    assert HEX.fullmatch(header["kid"])
    keys = shared_world.http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]
    assert header["kid"] in [key["kid"] for key in keys]
    assert token.count(".") == 2
    assert "=" not in token
    assert len(base64.urlsafe_b64decode(token.split(".")[2] + "==")) == 256


# One row a claim: the value that each flow must have, as the claim table says.
SERVICE_ROWS: list[tuple[str, str, Callable[[Any, World], bool]]] = [
    ("TOK-20", "iss", lambda v, w: v == w.issuer),
    ("TOK-21", "aud", lambda v, w: v == [*APIS, f"{w.issuer}/resources"]),
    ("TOK-22", "iat", lambda v, w: v == int(NOW) and type(v) is int),
    ("TOK-23", "nbf", lambda v, w: v == int(NOW) and type(v) is int),
    ("TOK-24", "exp", lambda v, w: v == int(NOW) + 3600 and type(v) is int),
    ("TOK-25", "jti", lambda v, w: bool(HEX.fullmatch(v))),
    ("TOK-30", "scope", lambda v, w: v == ["read", "update"]),
    ("TOK-31", "client_id", lambda v, w: v == STOCK),
    ("TOK-39", "client_db", lambda v, w: v == "ORION_PROD X-1"),
    ("TOK-40", "client_system_user", lambda v, w: v == "svc.stock"),
    ("TOK-41", "client_system_user_type", lambda v, w: v == "SystemUserNoLogin"),
    ("TOK-42", "client_system_user_id", lambda v, w: bool(GUID.fullmatch(v))),
]
USER_ROWS: list[tuple[str, str, Callable[[Any, World], bool]]] = [
    ("TOK-20", "iss", lambda v, w: v == w.issuer),
    ("TOK-21", "aud", lambda v, w: v == [*APIS, f"{w.issuer}/resources"]),
    ("TOK-22", "iat", lambda v, w: v == int(NOW)),
    ("TOK-23", "nbf", lambda v, w: v == int(NOW)),
    ("TOK-24", "exp", lambda v, w: v == int(NOW) + 3600),
    ("TOK-25", "jti", lambda v, w: bool(HEX.fullmatch(v))),
    ("TOK-26", "sub", lambda v, w: v == "mira.k"),
    ("TOK-27", "sub_id", lambda v, w: isinstance(v, str) and bool(GUID.fullmatch(v))),
    ("TOK-29", "sid", lambda v, w: bool(HEX.fullmatch(v))),
    (
        "TOK-30",
        "scope",
        lambda v, w: v == ["openid", "profile", "read", "update", "offline_access"],
    ),
    ("TOK-31", "client_id", lambda v, w: v == BACKOFFICE),
    ("TOK-32", "name", lambda v, w: v == "Мира Коларова"),
    ("TOK-33", "email", lambda v, w: v == "mira.k@orion.example"),
    ("TOK-34", "email_verified", lambda v, w: v is True),
    ("TOK-35", "locale", lambda v, w: v == "bg"),
    ("TOK-36", "user_type", lambda v, w: v == "InternalUser"),
    ("TOK-37", "is_admin", lambda v, w: v is False),
    ("TOK-38", "db", lambda v, w: v == "ORION_PROD X-1"),
]


@pytest.mark.parametrize(
    ("claim", "holds"), [pytest.param(c, h, id=f"{rule}-CC-{c}") for rule, c, h in SERVICE_ROWS]
)
def test_service_claim(
    claim: str, holds: Callable[[Any, World], bool], service: str, shared_world: World
) -> None:
    assert holds(payload_of(service)[claim], shared_world)


@pytest.mark.parametrize(
    ("claim", "holds"), [pytest.param(c, h, id=f"{rule}-AC-{c}") for rule, c, h in USER_ROWS]
)
def test_user_claim(
    claim: str, holds: Callable[[Any, World], bool], person: dict[str, Any], shared_world: World
) -> None:
    assert holds(payload_of(person["access_token"])[claim], shared_world)


def test_the_tables_are_exhaustive(service: str, person: dict[str, Any]) -> None:
    """[TOK-7, TOK-8, TOK-12, TOK-28, TOK-43, TOK-60, TOK-63]"""
    assert tuple(payload_of(service)) == CC_ORDER
    assert {claim for _, claim, _ in SERVICE_ROWS} == set(CC_ORDER)
    assert tuple(payload_of(person["access_token"])) == AC_ORDER
    assert {claim for _, claim, _ in USER_ROWS} == set(AC_ORDER)


def test_community_user_has_no_api(shared_world: World) -> None:
    """[TOK-52, TOK-54, TOK-62, SCP-13, TKN-21]"""
    tokens = shared_world.user_tokens("buyer@client.example")
    claims = payload_of(tokens["access_token"])
    assert claims["aud"] == f"{shared_world.issuer}/resources"
    assert claims["scope"] == ["openid", "profile", "offline_access"]
    assert tokens["scope"] == "openid profile offline_access"
    assert claims["user_type"] == "ExternalCommunityUser"
    assert claims["email_verified"] is False
    assert claims["locale"] == "en"
    assert shared_world.api("Crm_Sales_Customers", tokens["access_token"]).status_code == 401


def test_user_without_email_has_no_email_claims(shared_world: World) -> None:
    """[TOK-10, TOK-33, TOK-34]"""
    claims = payload_of(shared_world.user_tokens("ada")["access_token"])
    assert "email" not in claims
    assert "email_verified" not in claims
    assert claims["is_admin"] is True


def test_external_sign_in_claims_at_the_mint(shared_world: World) -> None:
    """[TOK-44, TOK-45, TOK-61] Built at the mint, as no external provider is connected yet."""
    world, instance_id = shared_world, shared_world.instance.id
    application = world.database.read_now(lambda c: applications.by_uri(c, instance_id, BACKOFFICE))
    user = world.database.read_now(lambda c: users.by_login(c, instance_id, "mira.k"))
    assert application is not None
    assert user is not None
    grant = UserGrant(
        application=application,
        user=user,
        scopes=("openid", "profile", "read"),
        jti="DFC9ED27A1E9E076750A75EB485F1856",
        issued_at=1790000200,
        sid="CE2FC70B180C502804E46051EE26DD43",
        auth_time=1790000200,
        amr=("external",),
        idp="4b1f2f6e-6f60-4a0e-8f0e-0b8f5b0b9c77",
        tid="9c0f6a34-22cc-4a31-b0c5-1a0f0a2f7d11",
    )
    claims = json.loads(encode(user_claims(grant, world.instance)))
    assert tuple(claims) == (*AC_ORDER[:6], "idp", "tid", *AC_ORDER[6:])
    assert claims["idp"] == grant.idp
    assert claims["tid"] == grant.tid


# [USR-12] type → (interactive sign-in, client credentials)
USER_TYPES = {
    UserType.INTERNAL: (True, True),
    UserType.COMMUNITY: (True, False),
    UserType.VIRTUAL: (False, False),
    UserType.SYSTEM: (False, True),
    UserType.APPLICATION: (False, True),
    UserType.INVITED_INTERNAL: (False, False),
    UserType.INVITED_EXTERNAL: (False, False),
}


@pytest.mark.parametrize("user_type", [pytest.param(t, id=f"USR-12-{t.code}") for t in UserType])
def test_user_types_by_both_flows(user_type: UserType, world: World) -> None:
    """[USR-12, USR-20, USR-21, TKN-41, AUT-34]"""
    signs_in, is_service = USER_TYPES[user_type]
    # The file's own checks would refuse some of these; a row may still come to hold them.
    world.change_user("mira.k", user_type=user_type)
    world.change_user("svc.stock", user_type=user_type)
    page = world.browser().sign_in("mira.k", scope=FULL)
    if signs_in:
        assert "code=" in page.headers["location"]
    else:
        assert "is not right" in page.text
    answer = world.request_token((STOCK, SECRET), grant_type="client_credentials")
    if is_service:
        assert payload_of(answer.json()["access_token"])["client_system_user_type"] == user_type
    else:
        assert answer.status_code == 400
        assert answer.json()["error"] == "unauthorized_client"


def test_rename_between_two_refreshes(world: World) -> None:
    """[TOK-27, TKN-22, API-14] same sub_id, new sub; the old token is still accepted."""
    first = world.user_tokens()
    world.change_user("mira.k", login="mira.new")
    second = world.refresh(first["refresh_token"]).json()
    old, new = payload_of(first["access_token"]), payload_of(second["access_token"])
    assert (old["sub"], new["sub"]) == ("mira.k", "mira.new")
    assert old["sub_id"] == new["sub_id"]
    assert world.api("Crm_Sales_Customers", first["access_token"]).status_code == 200
    assert world.api("Crm_Sales_Customers", second["access_token"]).status_code == 200
