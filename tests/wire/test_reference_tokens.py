"""Reference tokens over the wire: use, revocation, current state (§8), and introspection (§3.7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mintgate.contract.applications import ClientType, ReferenceTokenPolicy
from mintgate.contract.identifiers import secret_hash, token_digest
from mintgate.contract.reference_tokens import CreationForbidden, CreationInvalid, TokenKind
from mintgate.contract.users import UserType
from mintgate.identity import references
from mintgate.store import apis, reference_tokens, users
from tests.world import BACKOFFICE, NOW, REDIRECT, SECRET, STOCK, World, payload_of

CUSTOMERS = "Crm_Sales_Customers?$top=1"
YEAR = 365 * 24 * 3600
APIS = ["DomainAPI", "TableAPI", "OLAP", "AppServer"]
API_SECRET = "the secret of an API"


def create(world: World, kind: TokenKind = TokenKind.PERSONAL, **changes: Any) -> str:
    """A token as Profile or the Instance Manager makes one."""
    client_id = BACKOFFICE if kind is TokenKind.PERSONAL else STOCK
    policy = changes.pop("policy", ReferenceTokenPolicy.AUTHENTICATED_USERS)
    application = world.change_application(client_id, reference_tokens=policy)
    login = changes.pop("login", "mira.k" if kind is TokenKind.PERSONAL else "ada")
    instance_id = world.instance.id
    with world.database.begin() as tx:
        creator = users.by_login(tx.connection, instance_id, login)
        system_user = users.by_login(tx.connection, instance_id, "svc.stock")
        assert creator is not None
        values: dict[str, Any] = {
            "kind": kind,
            "application": application,
            "creator": creator,
            "system_user": system_user,
            "scopes": ("read",),
            "expires_at": NOW + YEAR,
            "description": "for a test",
        }
        value, _ = references.create(tx, instance_id, **(values | changes))
    return value


def test_format_and_vector(world: World) -> None:
    """[REF-1, REF-3, REF-4]"""
    assert re.fullmatch(r"enrt_[0-9A-F]{64}", value := create(world))
    vector = "enrt_" + "0123456789ABCDEF" * 4
    assert token_digest(vector) == (
        "FC7C47B3DB51DBF80E3C0D2733BD2938BBDC615166AA14ECC0845AD949D8A12A"
    )
    path = world.database_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:
            assert value.encode() not in file.read()


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "Api-Key", "x-api-KEY"])
def test_accepted_in_three_headers(header: str, world: World) -> None:
    """[REF-30]"""
    token = create(world)
    value = f"Bearer {token}" if header == "Authorization" else token
    answer = world.http.get(f"/api/domain/odata/{CUSTOMERS}", headers={header: value})
    assert answer.status_code == 200


@pytest.mark.parametrize("change", [str.lower, lambda t: t[:-1], lambda t: t + "0"])
def test_compared_exactly(change: Callable[[str], str], world: World) -> None:
    """[REF-2, API-3]"""
    answer = world.api(CUSTOMERS, change(create(world)))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_scopes_are_what_token_and_application_share(world: World) -> None:
    """[REF-35, API-15]"""
    token = create(world, scopes=("read", "update"))
    assert world.api("Crm_Sales_Customers", token, method="POST", json={}).status_code == 400
    world.change_application(BACKOFFICE, scope="read")
    assert world.api("Crm_Sales_Customers", token, method="POST", json={}).status_code == 403
    assert world.api(CUSTOMERS, token).status_code == 200
    world.change_application(BACKOFFICE, scope="update")
    world.change_application(BACKOFFICE, scope=None)
    assert world.api(CUSTOMERS, token).status_code == 401


def test_expiry(world: World) -> None:
    """[LIF-6, REF-34]"""
    token = create(world, expires_at=NOW + 100)
    world.clock.advance(99)
    assert world.api(CUSTOMERS, token).status_code == 200
    world.clock.advance(1)
    assert world.api(CUSTOMERS, token).status_code == 401


def revoke(world: World, token: str) -> None:
    with world.database.begin() as tx:
        found = reference_tokens.by_key(tx.connection, world.instance.id, token_digest(token))
        assert found is not None
        assert reference_tokens.revoke(tx, world.instance.id, found.id, "ada")
        assert not reference_tokens.revoke(tx, world.instance.id, found.id, "ada")
    world.sync()


ENDED: list[tuple[str, TokenKind, Callable[[World, str], object], int]] = [
    ("REF-51", TokenKind.PERSONAL, revoke, 401),
    (
        "TAP-4",
        TokenKind.PERSONAL,
        lambda w, t: w.change_application(BACKOFFICE, is_enabled=False),
        401,
    ),
    ("USR-4", TokenKind.PERSONAL, lambda w, t: w.change_user("mira.k", active=False), 401),
    (
        "API-14",
        TokenKind.PERSONAL,
        lambda w, t: w.change_user("mira.k", user_type=UserType.COMMUNITY),
        403,
    ),
    (
        "REF-34",
        TokenKind.SERVICE,
        lambda w, t: w.change_application(STOCK, system_user_allowed=False),
        401,
    ),
    ("REF-37", TokenKind.SERVICE, lambda w, t: w.change_user("svc.stock", active=False), 401),
]
SURVIVED: list[tuple[str, Callable[[World, str], object]]] = [
    (
        "REF-19",
        lambda w, t: w.change_application(BACKOFFICE, reference_tokens=ReferenceTokenPolicy.NONE),
    ),
    ("USR-22", lambda w, t: change_password(w)),
    ("TOK-31", lambda w, t: rename_application(w)),
    ("TAP-32", lambda w, t: w.change_application(BACKOFFICE, application_secret_hash=None)),
]


def rename_application(world: World) -> None:
    world.change_application(BACKOFFICE, application_uri="renamed.example/app")


def change_password(world: World) -> None:
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, "$argon2id$new")


@pytest.mark.parametrize(
    ("kind", "end", "status"), [pytest.param(*row[1:], id=row[0]) for row in ENDED]
)
def test_what_ends_it(
    kind: TokenKind, end: Callable[[World, str], object], status: int, world: World
) -> None:
    """[REF-34, REF-39] the current state wins, also over a copy"""
    token = create(world, kind)
    assert world.api(CUSTOMERS, token).status_code == 200
    end(world, token)
    assert world.api(CUSTOMERS, token).status_code == status


@pytest.mark.parametrize("change", [pytest.param(row[1], id=row[0]) for row in SURVIVED])
def test_what_it_survives(change: Callable[[World, str], object], world: World) -> None:
    token = create(world)
    assert world.api(CUSTOMERS, token).status_code == 200
    change(world, token)
    assert world.api(CUSTOMERS, token).status_code == 200


def test_last_used(world: World) -> None:
    """[REF-38] also when the scope is missing; written within a minute, not at each request"""
    token = create(world)
    world.clock.advance(50)
    assert world.api("Crm_Sales_Customers", token, method="POST", json={}).status_code == 403

    def last_used() -> float | None:
        found = world.database.read_now(
            lambda c: reference_tokens.by_key(c, world.instance.id, token_digest(token))
        )
        assert found is not None
        return found.last_used_at

    assert last_used() is None
    world.run_in_server(lambda app, instance: app.chores.flush(instance))
    assert last_used() == NOW + 50


@pytest.mark.parametrize("kind", TokenKind)
def test_its_session(kind: TokenKind, world: World) -> None:
    """[SES-3, SES-4, SES-15, SES-17] a fixed key a token; only a service's ends after an hour"""
    tokens = [create(world, kind) for _ in range(2)]
    named = {row["token_key"]: row for row in world.rows("reference_tokens")}
    records = [named[token_digest(token)] for token in tokens]
    is_person = kind is TokenKind.PERSONAL
    keys = [record["sid" if is_person else "jti"] for record in records]

    def sessions() -> dict[str, Any]:
        for _ in range(2):
            for token in tokens:
                assert world.api(CUSTOMERS, token).status_code == 200
        return {row["key"]: row for row in world.rows("erp_sessions")}

    first = sessions()
    assert set(first) == set(keys)
    for row in first.values():
        expected = ("interactive", None) if is_person else ("service", NOW + 3600)
        assert (row["kind"], row["absolute_end"]) == expected
    for _ in range(4):
        world.clock.advance(900)  # never idle for long
        last = sessions()
    assert set(last) == set(keys)
    assert {row["started_at"] for row in last.values()} == {NOW if is_person else NOW + 3600}


def test_it_is_exchanged_for_nothing(world: World) -> None:
    """[REF-6, TKN-31]"""
    token = create(world)
    by_grant = [
        ({"grant_type": "refresh_token", "refresh_token": token}, "invalid_grant"),
        (
            {"grant_type": "authorization_code", "code": token, "redirect_uri": REDIRECT},
            "invalid_grant",
        ),
        (
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": token,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            },
            "unsupported_grant_type",
        ),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": token},
            "unsupported_grant_type",
        ),
    ]
    for form, error in by_grant:
        answer = world.request_token((BACKOFFICE, SECRET), **form)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    form = {"grant_type": "client_credentials"}
    assert world.request_token((STOCK, token), **form).json()["error"] == "invalid_client"
    assert world.api(CUSTOMERS, token).status_code == 200


def test_it_is_of_one_instance(world: World, shared_world: World) -> None:
    """[REF-6, TOP-6]"""
    token = create(world)
    assert world.api(CUSTOMERS, token).status_code == 200
    answer = shared_world.api(CUSTOMERS, token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_placeholder_has_personal_tokens_and_no_flow(world: World) -> None:
    """[TAP-42, TAP-52, TKN-38, AUT-21] neither secret nor flags nor addresses matter to them"""
    tokens = world.user_tokens()
    world.change_application(
        BACKOFFICE,
        client_type=ClientType.NONE,
        application_secret_hash=None,
        impersonate_login_url=None,
        impersonate_as_internal_user_allowed=False,
        impersonate_as_community_user_allowed=False,
    )
    page = world.browser().authorize()
    assert page.status_code == 400
    assert "unauthorized_client" in page.text
    for form in (
        {"grant_type": "client_credentials"},
        {"grant_type": "authorization_code", "code": "A" * 64, "redirect_uri": REDIRECT},
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    ):
        for auth in ((BACKOFFICE, SECRET), None):
            sent = form if auth else form | {"client_id": BACKOFFICE}
            answer = world.request_token(auth, **sent)
            assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert world.api(CUSTOMERS, create(world)).status_code == 200
    with pytest.raises(CreationInvalid):
        create(world, scopes=("read", "sec"))
    world.change_application(BACKOFFICE, is_enabled=False)
    with pytest.raises(CreationForbidden):
        create(world)


POLICIES: list[tuple[str, ReferenceTokenPolicy, str, TokenKind, bool]] = [
    ("REF-10-user", ReferenceTokenPolicy.NONE, "mira.k", TokenKind.PERSONAL, False),
    ("REF-10-admin", ReferenceTokenPolicy.NONE, "ada", TokenKind.PERSONAL, False),
    ("REF-10-SAT", ReferenceTokenPolicy.NONE, "ada", TokenKind.SERVICE, False),
    ("REF-11-user", ReferenceTokenPolicy.AUTHENTICATED_USERS, "mira.k", TokenKind.PERSONAL, True),
    ("REF-11-admin", ReferenceTokenPolicy.AUTHENTICATED_USERS, "ada", TokenKind.PERSONAL, True),
    ("REF-11-SAT", ReferenceTokenPolicy.AUTHENTICATED_USERS, "ada", TokenKind.SERVICE, True),
    ("REF-12-user", ReferenceTokenPolicy.ADMINISTRATORS_ONLY, "mira.k", TokenKind.PERSONAL, False),
    ("REF-12-admin", ReferenceTokenPolicy.ADMINISTRATORS_ONLY, "ada", TokenKind.PERSONAL, True),
    ("REF-12-SAT", ReferenceTokenPolicy.ADMINISTRATORS_ONLY, "ada", TokenKind.SERVICE, True),
    ("REF-14", ReferenceTokenPolicy.AUTHENTICATED_USERS, "mira.k", TokenKind.SERVICE, False),
    (
        "REF-15",
        ReferenceTokenPolicy.AUTHENTICATED_USERS,
        "buyer@client.example",
        TokenKind.PERSONAL,
        False,
    ),
]


@pytest.mark.parametrize(
    ("policy", "login", "kind", "allowed"), [pytest.param(*row[1:], id=row[0]) for row in POLICIES]
)
def test_who_may_create(
    policy: ReferenceTokenPolicy, login: str, kind: TokenKind, allowed: bool, world: World
) -> None:
    if allowed:
        create(world, kind, policy=policy, login=login)
        return
    with pytest.raises(CreationForbidden) as refused:
        create(world, kind, policy=policy, login=login)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"scopes": ()}, id="REF-16-none"),
        pytest.param({"scopes": ("sec",)}, id="REF-17-sec"),
        pytest.param({"scopes": ("openid",)}, id="REF-17-openid"),
        pytest.param({"expires_at": NOW}, id="REF-16-past"),
        pytest.param({"description": "x" * 129}, id="REF-16-description"),
    ],
)
def test_bad_input(changes: dict[str, Any], world: World) -> None:
    with pytest.raises(CreationInvalid) as refused:
        create(world, **changes)
    assert refused.value.status == 400


def introspect(world: World, token: str, api: str = "DomainAPI", secret: str = API_SECRET) -> Any:
    return world.http.post("/id/connect/introspect", data={"token": token}, auth=(api, secret))


@pytest.fixture
def api_world(world: World) -> World:
    with world.database.begin() as tx:
        for name in ("DomainAPI", "Other"):
            apis.set_secret(tx, world.instance.id, name, secret_hash(API_SECRET))
    return world


def test_introspecting_a_personal_token(api_world: World) -> None:
    """[TOK-64, ITR-5, ITR-6, EP-6]"""
    answer = introspect(api_world, create(api_world))
    body = answer.json()
    order = (
        "active token_type nbf exp iss aud client_id sub sub_id name email user_type is_admin "
        "email_verified db locale jti sid iat scope"
    )
    assert list(body) == order.split()
    assert (body["active"], body["token_type"], body["scope"]) == (True, "Bearer", "read")
    assert body["aud"] == [*APIS, f"{api_world.issuer}/resources"]
    assert (body["iat"], body["exp"]) == (int(NOW), int(NOW) + YEAR)
    assert answer.headers["cache-control"] == "no-store"
    again = introspect(api_world, create(api_world)).json()
    assert again["jti"] != body["jti"]
    assert again["sid"] != body["sid"]


def test_introspecting_a_service_token(api_world: World) -> None:
    """[TOK-65]"""
    token = create(api_world, TokenKind.SERVICE, scopes=("read", "update"))
    body = introspect(api_world, token).json()
    order = (
        "active token_type nbf exp iss aud client_id client_system_user client_system_user_type "
        "client_system_user_id client_db jti iat scope"
    )
    assert list(body) == order.split()
    assert body["scope"] == "read update"
    assert "sid" not in body


def test_introspecting_a_jwt(api_world: World) -> None:
    """[ITR-5, ITR-6]"""
    token = api_world.service_token()
    body = introspect(api_world, token).json()
    claims = payload_of(token)
    assert body == {"active": True, "token_type": "Bearer", **claims, "scope": "read update"}


INACTIVE: list[tuple[str, Callable[[World], str]]] = [
    ("ITR-3-unknown", lambda w: "enrt_" + "0" * 64),
    ("ITR-3-garbage", lambda w: "x.y.z"),
    ("ITR-6-refresh", lambda w: w.user_tokens()["refresh_token"]),
    ("ITR-6-id-token", lambda w: w.user_tokens()["id_token"]),
    ("ITR-4-no-audience", lambda w: w.user_tokens(scope="openid")["access_token"]),
]


@pytest.mark.parametrize("make", [pytest.param(row[1], id=row[0]) for row in INACTIVE])
def test_inactive(make: Callable[[World], str], api_world: World) -> None:
    assert introspect(api_world, make(api_world)).json() == {"active": False}


def test_inactive_after_a_change(api_world: World) -> None:
    """[ITR-3, ITR-4]"""
    token, jwt = create(api_world), api_world.service_token()
    assert introspect(api_world, token, api="Other").json() == {"active": False}
    assert introspect(api_world, jwt).json()["active"] is True
    revoke(api_world, token)
    api_world.change_application(STOCK, is_enabled=False)
    for value in (token, jwt):
        assert introspect(api_world, value).json() == {"active": False}


@pytest.mark.parametrize(
    ("api", "secret"),
    [("DomainAPI", "wrong"), ("TableAPI", API_SECRET), (STOCK, SECRET), ("DomainAPI", "")],
)
def test_only_apis_introspect(api: str, secret: str, api_world: World) -> None:
    """[ITR-1, ITR-2]"""
    answer = introspect(api_world, create(api_world), api, secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "basic" in answer.headers["www-authenticate"].lower()
    missing = api_world.http.post("/id/connect/introspect", auth=("DomainAPI", API_SECRET), data={})
    assert missing.status_code == 400


def revocation(world: World, token: str, auth: tuple[str, str] | None, **form: str) -> int:
    answer = world.http.post("/id/connect/revocation", data={"token": token} | form, auth=auth)
    assert answer.status_code != 200 or answer.content == b""
    return answer.status_code


def test_revoking_an_access_token(world: World) -> None:
    """[REV-2, REV-4, REV-6]"""
    token = world.service_token()
    assert revocation(world, token, (BACKOFFICE, SECRET)) == 200
    assert world.api(CUSTOMERS, token).status_code == 200
    assert revocation(world, token, (STOCK, SECRET)) == 200
    assert "revoked" in world.api(CUSTOMERS, token).headers["www-authenticate"]
    assert world.api(CUSTOMERS, world.service_token()).status_code == 200
    (event,) = world.events("token.revoked")
    assert event.jti == payload_of(token)["jti"]


def test_revoking_a_refresh_token(world: World) -> None:
    """[REV-3, REV-7] the family dies, the access token lives on"""
    tokens = world.user_tokens()
    rotated = world.refresh(tokens["refresh_token"]).json()
    assert revocation(world, rotated["refresh_token"], (STOCK, SECRET)) == 200
    rotated = world.refresh(rotated["refresh_token"]).json()
    hint = {"token_type_hint": "access_token"}
    assert revocation(world, rotated["refresh_token"], (BACKOFFICE, SECRET), **hint) == 200
    assert world.refresh(rotated["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.api(CUSTOMERS, rotated["access_token"]).status_code == 200


def test_revoking_a_reference_token(api_world: World) -> None:
    """[EXT-13, REV-6] by its application, or by an API that may introspect it"""
    world = api_world
    mine, found = create(world), create(world)
    assert revocation(world, mine, (STOCK, SECRET)) == 200
    assert world.api(CUSTOMERS, mine).status_code == 200
    assert revocation(world, mine, (BACKOFFICE, SECRET)) == 200
    assert world.api(CUSTOMERS, mine).status_code == 401
    assert introspect(world, found, "Other").json() == {"active": False}
    assert revocation(world, found, ("Other", API_SECRET)) == 200  # as for no token [REV-2]
    assert world.api(CUSTOMERS, found).status_code == 200
    assert revocation(world, found, ("DomainAPI", API_SECRET)) == 200
    assert world.api(CUSTOMERS, found).status_code == 401


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "enrt_" + "0" * 64])
def test_revoking_what_is_no_token(token: str, world: World) -> None:
    """[REV-2, TKN-34]"""
    assert revocation(world, token, (STOCK, SECRET)) == (200 if token else 400)
    assert revocation(world, "x", (STOCK, "wrong")) == 401


@pytest.mark.parametrize("kind", TokenKind)
@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
def test_userinfo_needs_openid(kind: TokenKind, header: str, world: World) -> None:
    """[UIN-3, UIN-4, REF-38] which no reference token has; one that has ended is no token"""
    token = create(world, kind)
    value = f"Bearer {token}" if header == "Authorization" else token
    answer = world.http.get("/id/connect/userinfo", headers={header: value})
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="openid"' in answer.headers["www-authenticate"]
    revoke(world, token)
    answer = world.http.get("/id/connect/userinfo", headers={header: value})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_metadata_lists_both(world: World) -> None:
    """[DSC-3]"""
    document = world.http.get("/id/.well-known/openid-configuration").json()
    assert document["introspection_endpoint"] == f"{world.issuer}/connect/introspect"
    assert document["revocation_endpoint"] == f"{world.issuer}/connect/revocation"
