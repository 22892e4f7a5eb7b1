"""The automation API over the wire: records, tokens, sign-ins, keys, audit, and its conventions."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mintgate.contract.automation.routes import AUTOMATION
from mintgate.contract.key_life import KNOWN_EVERYWHERE
from tests.wire.management_world import ADMIN_SERVICE, MORE, ROOT, Automation, user_token
from tests.world import (
    BACKOFFICE,
    NOW,
    SECRET,
    STOCK,
    World,
    answer_of,
    payload_of,
    sqlite_url,
)

CUSTOMERS = "Crm_Sales_Customers?$top=1"
APP = {"ApplicationUri": "new/app", "Name": "New", "Scope": "read"}


@pytest.fixture
def api(a_world: Callable[..., World]) -> Automation:
    return Automation(a_world(more=MORE))


def test_the_description_is_valid_openapi(api: Automation) -> None:
    """Made from the table: every route is in it, and it needs no token."""
    answer = api.world.http.get(f"{ROOT}/openapi.json")
    document = answer.json()
    OpenAPIV31SpecValidator(document).validate()
    told = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert told == {(route.method, route.path) for route in AUTOMATION}
    assert document["components"]["schemas"]["NewApplication"]["additionalProperties"] is False
    assert "ApplicationSecretHash" not in answer.text


def test_an_application_from_its_first_to_its_last_day(api: Automation) -> None:
    made = api("POST", "/applications", APP | {"Secret": "first", "SystemUser": "svc.stock"})
    assert made.status_code == 201
    shown, path = made.json(), made.headers["location"].removeprefix(ROOT)
    assert (shown["Name"], shown["HasSecret"], shown["SystemUser"]) == (
        {"en": "New"},
        True,
        "svc.stock",
    )
    etag = made.headers["etag"]
    assert api("GET", path).headers["etag"] == etag
    body = {"Name": {"bg": "Ново"}, "SystemUserAllowed": True, "Notes": "kept"}
    changed = api("PATCH", path, body, If_Match=etag)
    assert changed.status_code == 200, changed.text
    assert changed.json()["Name"] == {"en": "New", "bg": "Ново"}
    assert api("PATCH", path, {"Notes": None}, If_Match=etag).status_code == 412
    assert api("PATCH", path, {"Notes": None}).status_code == 428
    assert api("PATCH", path, {"Notes": None}, If_Match="no-tag").status_code == 400
    etag = api("PATCH", path, {"Notes": None}, If_Match=changed.headers["etag"]).headers["etag"]
    assert api.get(path)["Notes"] is None

    grant = {"grant_type": "client_credentials"}
    assert api.world.request_token(("new/app", "first"), **grant).status_code == 200
    secret = api.post(f"{path}/secret")["secret"]
    assert len(secret) == 43
    assert api.post(f"{path}/secret", {"secret": "given"}) == {"secret": None}
    assert api.world.request_token(("new/app", secret), **grant).status_code == 401
    assert api.world.request_token(("new/app", "given"), **grant).status_code == 200
    assert api.post(f"{path}/disable")["IsEnabled"] is False
    assert api.world.request_token(("new/app", "given"), **grant).status_code >= 400
    assert api.post(f"{path}/enable")["IsEnabled"] is True
    assert api("DELETE", path).status_code == 428
    assert api("DELETE", path, If_Match='"other"').status_code == 412
    assert api("DELETE", path, If_Match=f"W/{etag}, {etag}").status_code == 204
    assert api("GET", path).status_code == 404


def test_changes_are_audited_with_before_and_after(api: Automation) -> None:
    world = api.world
    application = api.post("/applications", APP | {"Secret": "never told"}, 201)
    path = f"/applications/{application['Id']}"
    api("PATCH", path, {"Scope": "read update"}, If_Match="*")
    api.post(f"{path}/secret", {"secret": "nor this one"})
    secret, changed = world.events("application.changed")
    assert changed.actor == "svc.admin"
    assert changed.application == "new/app"
    details = changed.details or {}
    assert (details["before"], details["after"]) == ({"Scope": "read"}, {"Scope": "read update"})
    assert details["by"] == {
        "application": ADMIN_SERVICE,
        "jti": payload_of(api.token)["jti"],
    }
    told = (secret.details or {})["before"], (secret.details or {})["after"]
    assert told == ({"ApplicationSecretHash": "(set)"}, {"ApplicationSecretHash": "(changed)"})
    (added,) = [e for e in world.events("application.added") if e.application == "new/app"]
    assert added.actor == "svc.admin"
    everything = repr(world.events("application.changed") + world.events("application.added"))
    assert "never told" not in everything
    assert "nor this one" not in everything


BAD_BODIES: list[tuple[str, Any, str]] = [
    ("unknown", {"Nmae": "x"}, "did you mean Name?"),
    ("two-problems", APP | {"Scope": "write", "Secret": "s" * 2000}, "Secret must have"),
    ("rules", APP | {"Scope": "write"}, "unknown scope 'write'"),
    ("taken", APP | {"ApplicationUri": STOCK.upper()}, "exists already"),
    ("built-in", APP | {"ApplicationUri": "internal.erp.net/manage"}, "exists already"),
    ("no-user", APP | {"SystemUser": "nobody"}, "names no user"),
    ("kind", APP | {"IsEnabled": "yes"}, "Expected bool"),
    ("missing", {"Name": "x"}, "missing required field"),
    ("nul", APP | {"Notes": "a\0b"}, "holds a NUL"),
    ("nul-language", APP | {"Name": {"\0": "b"}}, "holds a NUL"),
    ("too-long", APP | {"SystemUserLoginUrl": "x" * 255}, "at most 254"),
    ("public-secret", APP | {"ClientType": "Public", "Secret": "s"}, "Public application"),
]


@pytest.mark.parametrize(
    ("body", "sentence"), [pytest.param(*row[1:], id=row[0]) for row in BAD_BODIES]
)
def test_bodies_are_read_strictly(body: Any, sentence: str, shared: Automation) -> None:
    answer = shared("POST", "/applications", body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == 400


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    world = World(sqlite_url(tmp_path_factory.mktemp("api")), more=MORE).start()
    yield Automation(world)
    world.stop()


RAW_BODIES: list[tuple[str, bytes, str, int]] = [
    ("no-json", b"{", "application/json", 400),
    ("array", b"[]", "application/json", 400),
    ("twice", b'{"secret": "a", "secret": "b"}', "application/json", 400),
    ("nan", b'{"secret": NaN}', "application/json", 400),
    ("half-a-character", b'{"secret": "\\ud800"}', "application/json", 400),
    ("too-long", b'{"secret": "' + b"a" * 70_000 + b'"}', "application/json", 400),
    ("form", b"secret=a", "application/x-www-form-urlencoded", 415),
]


@pytest.mark.parametrize(
    ("content", "kind", "status"), [pytest.param(*row[1:], id=row[0]) for row in RAW_BODIES]
)
def test_what_is_no_json(content: bytes, kind: str, status: int, shared: Automation) -> None:
    path = f"{ROOT}/applications/{shared.application(STOCK)['Id']}/secret"
    headers = {"Authorization": f"Bearer {shared.token}", "Content-Type": kind}
    answer = shared.world.http.post(path, content=content, headers=headers)
    assert answer.status_code == status, answer.text


def test_an_id_with_nul_names_nothing(shared: Automation) -> None:
    assert shared("GET", "/users/%00").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "cursor=!", "cursor=WzFd", "other=1", "limit=1&limit=2"],
)
def test_queries_are_read_strictly(query: str, shared: Automation) -> None:
    assert shared("GET", f"/users?{query}").status_code == 400


def test_pages_follow_each_other(shared: Automation) -> None:
    """Every list that is paged, one item at a time, against the whole."""
    for path in ("/applications", "/users", "/audit-events?event=application.added"):
        joint = "&" if "?" in path else "?"
        whole = shared.get(f"{path}{joint}limit=200")
        assert whole["next"] is None
        seen, cursor = [], ""
        while cursor is not None:
            page = shared.get(f"{path}{joint}limit=1{cursor and '&cursor=' + cursor}")
            seen += page["items"]
            cursor = page["next"]
        assert seen == whole["items"]
        assert len(seen) > 3


def test_built_in_applications_are_refused_to_everyone(api: Automation) -> None:
    """[TOP-12]"""
    application = api.application("internal.erp.net/profile")
    path = f"/applications/{application['Id']}"
    assert application["IsBuiltIn"] is True
    for answer in (
        api("PATCH", path, {"Scope": "sec"}, If_Match="*"),
        api("POST", f"{path}/disable"),
        api("POST", f"{path}/secret"),
        api("DELETE", path, If_Match="*"),
    ):
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "built_in")
    full = api.world.request_token(
        (ADMIN_SERVICE, SECRET), grant_type="client_credentials", scope="sec update"
    ).json()["access_token"]
    record = f"Systems_Security_TrustedApplications({application['Id']})"
    taken = {"ApplicationUri": "Internal.erp.net/Profile", "Name": {"EN": "x"}}
    answer = api.world.api(record.partition("(")[0], full, method="POST", json=taken)
    assert answer.status_code == 500, answer.text
    for method in ("PATCH", "DELETE"):
        answer = api.world.api(record, full, method=method, json={"Scope": "sec"})
        assert answer.status_code == 500, answer.text  # [API-42]
        assert "belongs to the instance" in answer.text


def test_a_user_from_the_first_to_the_last_day(api: Automation) -> None:
    world = api.world
    new = {"Login": "jane", "Name": "Jane", "UserType": "InternalUser", "Email": "jane@x.example"}
    assert "Password is needed" in api("POST", "/users", new).json()["error"]["message"]
    jane = api.post("/users", new | {"Password": "jane's"}, 201)
    path = f"/users/{jane['Id']}"
    assert world.browser().sign_in("jane", "jane's").is_redirect
    taken = api("PATCH", path, {"Login": "ADA"}, If_Match="*")
    assert "exists already" in taken.json()["error"]["message"]
    renamed = api("PATCH", path, {"Login": "jane.doe", "Email": "j@x.example"}, If_Match="*")
    assert renamed.json()["Login"] == "jane.doe"
    assert api.post(f"{path}/lock", {"until": NOW + 60})["LockoutEndUtc"].startswith("2026-")
    assert api.post(f"{path}/lock")["LockoutEndUtc"] == "for ever"
    assert not world.browser().sign_in("jane.doe", "jane's").is_redirect
    assert api.post(f"{path}/unlock")["LockoutEndUtc"] is None
    assert api.post(f"{path}/deactivate")["Active"] is False
    assert api.post(f"{path}/activate")["Active"] is True
    api.post(f"{path}/password", {"password": "another"}, 204)
    assert not world.browser().sign_in("jane.doe", "jane's").is_redirect
    assert world.browser().sign_in("jane.doe", "another").is_redirect
    assert api("POST", f"{path}/password", {"password": ""}).status_code == 400
    assert api("DELETE", path, If_Match="*").status_code == 204
    assert not world.browser().sign_in("jane.doe", "another").is_redirect
    stock = f"/users/{api.user('svc.stock')['Id']}"
    assert api("DELETE", stock, If_Match="*").status_code == 409
    told = [
        ((e.details or {})["attributes"], e.personal or {}) for e in world.events("user.changed")
    ]
    assert any(attributes == ["Password"] for attributes, _ in told)
    renamed = next(values for names, values in told if names == ["Email", "Login"])
    assert (renamed["before"]["Login"], renamed["after"]["Login"]) == ("jane", "jane.doe")


def test_a_new_user_has_the_language_of_its_creator(api: Automation) -> None:
    """[USR-6] unless the body says another, or none"""
    api.world.change_user("svc.admin", default_language="bg")
    new = {"Name": "X", "UserType": "SystemUserNoLogin"}
    for login, more, language in (
        ("a", {}, "bg"),
        ("b", {"DefaultLanguage": "de-AT"}, "de-AT"),
        ("c", {"DefaultLanguage": None}, None),
    ):
        made = api.post("/users", new | {"Login": login, **more}, 201)
        assert made["DefaultLanguage"] == language


def test_who_is_to_sign_in_needs_a_password(api: Automation) -> None:
    """[USR-11] also when the type changes"""
    new = {"Login": "svc.later", "Name": "Later", "UserType": "ApplicationUserNoLogin"}
    path = f"/users/{api.post('/users', new, 201)['Id']}"
    for user_type in ("InternalUser", "ExternalCommunityUser"):
        refused = api("PATCH", path, {"UserType": user_type}, If_Match="*")
        assert refused.status_code == 400, refused.text
        assert "needs a password" in refused.json()["error"]["message"]
    assert api.get(path)["UserType"] == "ApplicationUserNoLogin"
    api.post(f"{path}/password", {"password": "from now on"}, 204)
    assert api("PATCH", path, {"UserType": "InternalUser"}, If_Match="*").status_code == 200
    assert api.world.browser().sign_in("svc.later", "from now on").is_redirect


def test_reference_tokens_of_an_application(api: Automation) -> None:
    """[IMG-3, IMG-4, REF-10..20, REF-51]"""
    world, stock = api.world, api.application(STOCK)
    path = f"/applications/{stock['Id']}/tokens"
    body = {"scopes": ["read"], "expires_at": NOW + 1000, "description": "nightly"}
    refused = api("POST", path, body)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "access_denied")
    world.change_application(STOCK, reference_tokens="AdministratorsOnly")
    for bad in ({"scopes": ["sec"]}, {"scopes": []}, {"expires_at": NOW}, {"expires_at": 1e300}):
        assert api("POST", path, body | bad).status_code == 400
    made = api("POST", path, body)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    value, token = made.json()["value"], made.json()["token"]
    assert token["principal"] == "Stock service <svc.stock> [SYS]"
    assert (token["kind"], token["created_by"], token["state"]) == ("SAT", "svc.admin", "live")
    assert world.api(CUSTOMERS, value).status_code == 200
    assert api.get(path)["items"] == [token]
    assert value not in json.dumps(api.get(path))
    ended = api.post(f"/reference-tokens/{token['id']}/revoke")
    assert ended == {"kind": "reference_token", "was_live": True}
    assert world.api(CUSTOMERS, value).status_code == 401
    assert api.post(f"/reference-tokens/{token['id']}/revoke")["was_live"] is False
    assert api.get(f"/reference-tokens/{token['id']}")["revoked_by"] == "svc.admin"


def test_ending_sign_ins(api: Automation) -> None:
    """[END-4] The session, its refresh tokens and its open codes; access tokens live on [END-5]."""
    world = api.world
    browser = world.browser()
    tokens = world.redeem(browser.code(scope="openid read offline_access")).json()
    open_code = answer_of(browser.authorize(scope="openid"))["code"]
    other = world.user_tokens()
    mira = api.user("mira.k")["Id"]
    first, second = sorted(
        api.get(f"/sessions?user_id={mira}")["items"],
        key=lambda s: s["sid"] != payload_of(tokens["access_token"])["sid"],
    )
    assert api.post(f"/sessions/{first['sid']}/end") == {"sessions": 1, "grants": 1}
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.redeem(open_code).json()["error"] == "invalid_grant"
    assert world.api(CUSTOMERS, tokens["access_token"]).status_code == 200
    assert "<h1>Sign in</h1>" in browser.authorize().text
    assert api("POST", f"/sessions/{first['sid']}/end").status_code == 404
    other = world.refresh(other["refresh_token"]).json()
    assert api.post(f"/users/{mira}/end-sessions") == {"sessions": 1, "grants": 1}
    assert world.refresh(other["refresh_token"]).status_code == 400
    assert api.get(f"/sessions?user_id={mira}")["items"] == []
    assert {e.session for e in world.events("session.ended")} == {first["sid"], second["sid"]}


def test_grants(api: Automation) -> None:
    """[LIF-11]"""
    world, mira = api.world, api.user("mira.k")["Id"]
    tokens = world.user_tokens()
    (grant,) = api.get(f"/grants?user_id={mira}")["items"]
    assert (grant["application"], grant["login"], grant["state"], grant["last_used_at"]) == (
        BACKOFFICE,
        "mira.k",
        "live",
        None,
    )
    rotated = world.refresh(tokens["refresh_token"]).json()["refresh_token"]
    (grant,) = api.get(f"/grants?application_id={grant['application_id']}")["items"]
    assert grant["last_used_at"] == NOW
    assert api.post(f"/grants/{grant['id']}/revoke")["was_live"] is True
    assert world.refresh(rotated).json()["error"] == "invalid_grant"
    assert api.post(f"/grants/{grant['id']}/revoke")["was_live"] is False


def test_keys(api: Automation) -> None:
    """[EXT-14]"""
    world, old = api.world, api.token
    world.clock.advance(1)
    made = api.post("/keys", {"at_once": True}, 201)
    world.clock.advance(KNOWN_EVERYWHERE + 1)
    assert [key["state"] for key in api.get("/keys")["items"]] == ["superseded", "active"]
    api.token = Automation(world).token
    ended = api.post(f"/keys/{made['kid']}/compromised")
    assert ended["ended"] is True
    assert ended["successor"] not in {None, made["kid"]}
    assert api("GET", "/keys").status_code == 401  # signed with the key that has ended
    api.token = old
    assert api.post(f"/keys/{made['kid']}/compromised")["ended"] is False
    assert api("POST", "/keys/ABC/compromised").status_code == 404
    assert world.events("key.compromised")[0].actor == "svc.admin"


REVOKED: list[tuple[str, Callable[[World], str], str]] = [
    ("REV-4", lambda w: w.service_token(), "access_token"),
    ("REV-3", lambda w: w.user_tokens()["refresh_token"], "refresh_token"),
]


@pytest.mark.parametrize(("make", "kind"), [pytest.param(*row[1:], id=row[0]) for row in REVOKED])
def test_revoking_a_token_in_hand(make: Callable[[World], str], kind: str, api: Automation) -> None:
    token = make(api.world)
    assert api.post("/tokens/revoke", {"token": token}) == {"kind": kind, "was_live": True}
    assert api.post("/tokens/revoke", {"token": token}) == {"kind": kind, "was_live": False}
    if kind == "access_token":
        assert api.world.api(CUSTOMERS, token).status_code == 401
    else:
        assert api.world.refresh(token).json()["error"] == "invalid_grant"


def test_revoking_by_jti_and_what_is_no_token(api: Automation) -> None:
    token = api.world.service_token()
    claims = payload_of(token)
    body = {"jti": claims["jti"], "exp": claims["exp"]}
    assert api.post("/tokens/revoke", body)["was_live"] is True
    assert api.world.api(CUSTOMERS, token).status_code == 401
    for bad in ({}, {"jti": claims["jti"]}, {"jti": "x", "exp": 1}, body | {"token": token}):
        assert api("POST", "/tokens/revoke", bad).status_code == 400
    assert api("POST", "/tokens/revoke", body | {"exp": int(NOW) + 10**6}).status_code == 400
    forged = token[:-8] + "AAAAAAAA"
    for unknown in ("enrt_" + "0" * 64, "F" * 64, forged, "a.b.c"):
        assert api("POST", "/tokens/revoke", {"token": unknown}).status_code == 404


def test_introspection(api: Automation) -> None:
    token = api.world.user_tokens("buyer@client.example", scope="openid")["access_token"]
    told = api.post("/tokens/introspect", {"token": token})
    assert (told["active"], told["sub"]) == (True, "buyer@client.example")
    api.post("/tokens/revoke", {"token": token})
    told = api.post("/tokens/introspect", {"token": token})
    assert told == {"active": False, "reason": "The token was revoked."}


def test_an_explanation_is_noted_without_its_query(api: Automation) -> None:
    """A pasted address may have a token or somebody's data in it [API-21]."""
    path = "/api/domain/odata/Crm_Sales_Customers?$filter=Number eq '1'&access_token=pasted"
    body = {"api": "DomainAPI", "method": "GET", "path": path}
    assert api.post("/requests/explain", body)["refused_at"] == "API-1"
    (event,) = api.world.events("request.explained")
    assert event.details is not None
    assert event.details["path"] == "/api/domain/odata/Crm_Sales_Customers"
    assert "pasted" not in repr(event)


def test_everything_of_a_user_and_of_an_application(api: Automation) -> None:
    """[LIF-18]"""
    world, mira = api.world, api.user("mira.k")["Id"]
    tokens = world.user_tokens()
    assert api.post(f"/users/{mira}/revoke-everything") == {"sessions": 1, "grants": 1}
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    tokens = world.user_tokens()
    application = api.application(BACKOFFICE)["Id"]
    assert api.post(f"/applications/{application}/revoke-everything")["grants"] == 1
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.events("user.everything_revoked")
    assert world.events("application.everything_revoked")


def test_audit_events_are_filtered(api: Automation) -> None:
    world = api.world
    world.clock.advance(10)
    world.user_tokens()
    newest = api.get(f"/audit-events?since={NOW + 10}")["items"]
    assert {event["at"] for event in newest} == {NOW + 10}
    assert api.get(f"/audit-events?until={NOW}")["items"] == []
    signed_in = api.get("/audit-events?event=user.signed_in&actor=mira.k")["items"]
    assert len(signed_in) == 1
    of_backoffice = api.get(f"/audit-events?application={BACKOFFICE}")["items"]
    assert {event["application"] for event in of_backoffice} == {BACKOFFICE}


def test_a_repeated_request_gets_the_first_answer(api: Automation) -> None:
    world, key = api.world, {"Idempotency_Key": "one"}
    world.change_application(STOCK, reference_tokens="AdministratorsOnly")
    path = f"/applications/{api.application(STOCK)['Id']}/tokens"
    body = {"scopes": ["read"], "expires_at": NOW + 1000}
    first = api("POST", path, body, **key)
    again = api("POST", path, body, **key)
    assert again.json() == first.json()
    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert len(api.get(path)["items"]) == 1
    assert api("POST", path, body | {"description": "x"}, **key).status_code == 422
    assert api("POST", "/keys", {}, **key).status_code == 422
    value = first.json()["value"].encode()
    file = world.database_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        assert value not in Path(file + suffix).read_bytes()
    other = Automation(world, user_token(world, "ada", "sec"))
    assert other("POST", path, body, **key).status_code == 201  # keys are the caller's own
    world.clock.advance(24 * 3600 + 1)
    api.token = Automation(world).token
    body["expires_at"] += 10**6
    assert "idempotent-replayed" not in api("POST", path, body, **key).headers
    assert api("POST", path, body, Idempotency_Key="a b").status_code == 400


def test_a_failed_request_leaves_no_answer(api: Automation) -> None:
    key = {"Idempotency_Key": "two"}
    body = APP | {"SystemUser": "later"}
    assert api("POST", "/applications", body, **key).status_code == 400
    api.post("/users", {"Login": "later", "Name": "L", "UserType": "SystemUserNoLogin"}, 201)
    assert api("POST", "/applications", body, **key).status_code == 201


def test_a_race_of_one_key_does_it_once(a_world: Callable[..., World]) -> None:
    api = Automation(a_world(more=MORE))

    def add(_: int) -> int:
        return api("POST", "/keys", {}, Idempotency_Key="race").status_code

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(add, range(16)))
    assert set(seen) <= {201, 409}
    assert 201 in seen
    assert len(api.get("/keys")["items"]) == 2


def test_a_race_of_two_changes_has_one_winner(api: Automation) -> None:
    path = f"/applications/{api.application(STOCK)['Id']}"
    etag = api("GET", path).headers["etag"]

    def change(number: int) -> int:
        return api("PATCH", path, {"Notes": str(number)}, If_Match=etag).status_code

    with ThreadPoolExecutor(8) as pool:
        seen = sorted(pool.map(change, range(8)))
    assert seen == [200] + [412] * 7
