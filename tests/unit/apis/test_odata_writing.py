# ruff: noqa: E501 - the cases read as a table, one a line
"""Changes of data, applications and users, on every database [API-31, API-33, API-66, API-72]."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.store import Database, apis, applications, audit, feed, users
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World

CUSTOMERS = "Crm_Sales_Customers"
APPLICATIONS = "Systems_Security_TrustedApplications"
USERS = "Systems_Security_Users"
SECRET = secret_hash("a secret")


def _party(world: World) -> dict[str, Any]:
    [party] = world.values("General_Contacts_Parties", top="1")
    return {"@odata.id": party["@odata.id"]}


def _new_customer(world: World, **more: Any) -> Any:
    body = {"Number": "N-1", "Party": _party(world), **more}
    response = world.call(CUSTOMERS, method="POST", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_new_entity_comes_back_with_defaults(own_world: World) -> None:
    limit = {"Value": 1234.56, "Currency": "EUR"}
    created = _new_customer(own_world, CreditLimit=limit, FromDate="2024-02-29")
    assert created["Active"] is True
    assert created["CreditLimit"] == limit
    assert created["FromDate"] == "2024-02-29T00:00:00Z"
    assert created["CreationUser"] == ADMIN.login  # [API-24]
    assert created["UpdateTime"] is None


def test_a_change_sets_only_what_it_names(own_world: World) -> None:
    created = _new_customer(own_world, GracePeriodDays=3)
    address = created["@odata.id"]
    sent = {"Active": False, "CreationUser": "someone", "UpdateUser": "someone"}
    assert own_world.call(address, method="PATCH", json=sent).status_code == 204
    changed = own_world.call(address).json()
    assert (changed["Active"], changed["GracePeriodDays"]) == (False, 3)
    assert (changed["CreationUser"], changed["UpdateUser"]) == (ADMIN.login, ADMIN.login)
    assert changed["CreationTime"] == created["CreationTime"]


def test_a_replacement_resets_what_it_does_not_name(own_world: World) -> None:
    created = _new_customer(own_world, GracePeriodDays=3, Active=False)
    address = created["@odata.id"]
    sent = {**created, "Number": "N-2"}
    del sent["GracePeriodDays"], sent["Active"]
    assert own_world.call(address, method="PUT", json=sent).status_code == 204
    changed = own_world.call(address).json()
    assert (changed["Number"], changed["Active"]) == ("N-2", True)
    assert changed["GracePeriodDays"] is None


def test_a_deleted_entity_is_gone(own_world: World) -> None:
    address = _new_customer(own_world)["@odata.id"]
    assert own_world.call(address, method="DELETE").status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        body = None if method == "GET" else {}
        assert own_world.call(address, method=method, json=body).status_code == 404


def test_a_client_may_choose_the_id(own_world: World) -> None:
    wanted = "11111111-2222-3333-4444-555555555555"
    created = _new_customer(own_world, Id=wanted.upper())
    assert created["@odata.id"] == f"{CUSTOMERS}({wanted})"


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("missing", {"Number": None}, 400),
    ("empty", {"Number": " "}, 400),
    ("too long", {"Number": "x" * 17}, 400),
    ("no such character", {"Number": "a\x00"}, 400),
    ("type", {"Number": 7}, 400),
    ("type", {"Active": "true"}, 400),
    ("type", {"GracePeriodDays": True}, 400),
    ("type", {"GracePeriodDays": 1.5}, 400),
    ("range", {"GracePeriodDays": 2**31}, 400),
    ("null", {"Active": None}, 400),
    ("day", {"FromDate": "2024-02-30"}, 400),
    ("time of day", {"FromDate": "2024-02-01T10:00:00Z"}, 400),
    ("amount", {"CreditLimit": 5}, 400),
    ("amount", {"CreditLimit": {"Value": 0.001, "Currency": "EUR"}}, 400),
    ("amount", {"CreditLimit": {"Value": 1e15, "Currency": "EUR"}}, 400),
    ("amount", {"CreditLimit": {"Value": 1, "Currency": "euro"}}, 400),
    ("unknown", {"Nothing": 1}, 400),
    ("set", {"Party": {"@odata.id": "Crm_CustomerTypes(11111111-2222-3333-4444-555555555555)"}}, 400),
    ("gone", {"Party": {"@odata.id": "General_Contacts_Parties(11111111-2222-3333-4444-555555555555)"}}, 400),
    ("reference", {"Party": "General_Contacts_Parties(1)"}, 400),
    ("taken", {"Number": "000001"}, 500),
    ("period", {"FromDate": "2024-02-01", "ThruDate": "2024-01-01"}, 500),
]  # fmt: skip


@pytest.mark.parametrize(("change", "status"), [r[1:] for r in REFUSED], ids=[f"API-42: {r[0]} {n}" for n, r in enumerate(REFUSED)])  # fmt: skip
def test_a_wrong_body_changes_nothing(world: World, change: dict[str, Any], status: int) -> None:
    body = {"Number": "N-9", "Party": _party(world), **change}
    response = world.call(CUSTOMERS, method="POST", json=body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == status
    assert error["type"] == ("BadRequest" if status == 400 else "BusinessRuleViolation")
    assert world.values(CUSTOMERS, filter="Number eq 'N-9'") == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"Number":"\xff"}', b'{"\xff":1}', b'{"Number":' + b"[" * 3000],
    ids=["none", "a list", "no end", "no UTF-8", "a name in no UTF-8", "deep"],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(world: World, body: bytes) -> None:
    """[API-42] RFC 8259 §8.1: JSON is UTF-8."""
    headers = {"Content-Type": "application/json"}
    response = world.call(CUSTOMERS, method="POST", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "BadRequest")


def test_an_entity_that_others_refer_to_stays(world: World) -> None:
    [customer] = world.values(CUSTOMERS, top="1")
    response = world.call(customer["Party"]["@odata.id"], method="DELETE")
    assert (response.status_code, response.json()["error"]["type"]) == (
        500,
        "BusinessRuleViolation",
    )


def _application(world: World, **more: Any) -> Any:
    body = {"Name": {"en": "Shop"}, "ApplicationUri": "shop.example.org/portal", **more}
    return world.call(APPLICATIONS, method="POST", json=body)


def test_an_application_is_written_like_by_every_other_way(
    own_world: World, own_database: Database
) -> None:
    response = _application(
        own_world, ApplicationSecretHash=SECRET, Scope="read", AccessTokens="AdministratorsOnly"
    )
    assert response.status_code == 201, response.text
    address = response.json()["@odata.id"]
    assert "ApplicationSecretHash" not in own_world.call(f"{address}?$select=*").json()
    assert own_world.call(address, method="PATCH", json={"IsEnabled": False}).status_code == 204
    key = address[-37:-1]
    with own_database.engine.connect() as connection:
        stored = applications.by_id(connection, INSTANCE.id, key)
        changes = feed.after(connection, INSTANCE.id, 0)
        events = audit.latest(connection, INSTANCE.id)
    assert stored is not None
    assert (stored.is_enabled, stored.application_secret_hash) == (False, SECRET)
    assert [c.subject for c in changes if c.kind == "application"] == [key, key]
    assert [(e.event, e.actor) for e in events] == [
        ("application.changed", ADMIN.login),
        ("application.added", ADMIN.login),
    ]
    assert SECRET not in str(events)
    changed, created = (event.details or {} for event in events)
    assert (changed["before"], changed["after"]) == ({"IsEnabled": True}, {"IsEnabled": False})
    assert created["after"]["ApplicationSecretHash"] == "(set)"
    assert events[0].actor_id == ADMIN.user_id
    assert own_world.call(address, method="DELETE").status_code == 204


BAD_APPLICATIONS: list[tuple[str, dict[str, Any], int]] = [
    ("TAP-14", {"Scope": "fly"}, 500),
    ("TAP-6", {"ApplicationSecretHash": "abc"}, 500),
    ("TAP-11", {"SystemUserAllowed": True}, 500),
    ("TAP-22", {"ImpersonateLoginUrl": "http://shop.example.org"}, 500),
    ("TAP-3", {"ApplicationUri": "a b"}, 500),
    ("TAP-5", {"ClientType": "Robot"}, 400),
    ("TAP-12", {"SystemUser": {"@odata.id": f"{USERS}(11111111-2222-3333-4444-555555555555)"}}, 400),
    ("API-42", {"IsEnabled": None}, 400),
    ("EXT-3", {"BackChannelLogoutUrl": "http://shop.example.org/"}, 500),
    ("EXT-3", {"FrontChannelLogoutUrl": "https://elsewhere.example.org/"}, 500),
]  # fmt: skip


@pytest.mark.parametrize(("more", "status"), [b[1:] for b in BAD_APPLICATIONS], ids=[b[0] for b in BAD_APPLICATIONS])  # fmt: skip
def test_an_invalid_application_is_refused(world: World, more: dict[str, Any], status: int) -> None:
    response = _application(world, **more)
    assert response.status_code == status, response.text


def test_logout_urls_of_an_application(own_world: World) -> None:
    """[EXT-3, API-72]"""
    urls = {
        "BackChannelLogoutUrl": "https://shop.example.org/back",
        "FrontChannelLogoutUrl": "https://shop.example.org/front",
    }
    made = _application(own_world, ImpersonateLoginUrl="https://shop.example.org/cb", **urls)
    assert made.status_code == 201, made.text
    found = own_world.call(f"{made.json()['@odata.id']}?$select=*").json()
    assert {name: found[name] for name in urls} == urls


def test_when_an_application_was_made(own_world: World, own_database: Database) -> None:
    """[TAP-17] the server says it, whatever a body does"""
    sent = {"CreationTimeUtc": "2001-02-03T04:05:06Z"}
    made = _application(own_world, **sent)
    assert made.status_code == 201, made.text
    address = made.json()["@odata.id"]
    for method in ("PATCH", "PUT"):
        body = {**made.json(), **sent} if method == "PUT" else sent
        assert own_world.call(address, method=method, json=body).status_code == 204
        with own_database.engine.connect() as connection:
            stored = applications.by_id(connection, INSTANCE.id, address[-37:-1])
        assert stored is not None
        assert 0 <= own_database.clock() - stored.creation_time_utc < 60
    told = own_world.call(f"{address}?$select=CreationTimeUtc").json()["CreationTimeUtc"]
    assert datetime.fromisoformat(told).timestamp() == stored.creation_time_utc


def test_audiences_of_an_application(own_world: World, own_database: Database) -> None:
    """[EXT-12, API-72] only what the instance declares"""
    assert _application(own_world, Audiences="Shop").status_code == 500
    with own_database.begin() as tx:
        apis.set_secret(tx, INSTANCE.id, "Shop", SECRET)
    made = _application(own_world, Audiences="Shop")
    assert made.status_code == 201, made.text
    address = made.json()["@odata.id"]
    assert own_world.call(f"{address}?$select=Audiences").json()["Audiences"] == "Shop"
    for wrong in ("shop", "Shop Stock", "DomainAPI"):
        refused = own_world.call(address, method="PATCH", json={"Audiences": wrong})
        assert refused.status_code == 500
        assert "Audiences" in refused.json()["error"]["message"]
    assert own_world.call(address, method="PATCH", json={"Audiences": None}).status_code == 204


def test_an_application_uri_is_taken_in_any_case(own_world: World) -> None:
    assert _application(own_world).status_code == 201
    again = _application(own_world, ApplicationUri="SHOP.example.org/portal")
    assert (again.status_code, again.json()["error"]["type"]) == (500, "BusinessRuleViolation")


def test_a_password_is_stored_as_a_hash(own_world: World, own_database: Database) -> None:
    body = {"Login": "petar.d", "Name": {"en": "Petar"}, "Email": "p@orion.example"}
    assert own_world.call(USERS, method="POST", json=body).status_code == 500  # [USR-11]
    body |= {"Password": "first", "EmailConfirmed": True}
    created = own_world.call(USERS, method="POST", json=body).json()
    address = created["@odata.id"]
    change = {"Password": "second", "Email": "q@orion.example"}
    assert own_world.call(address, method="PATCH", json=change).status_code == 204
    assert own_world.call(address).json()["EmailConfirmed"] is False  # [USR-3]
    with own_database.engine.connect() as connection:
        stored = users.password_hash(connection, INSTANCE.id, address[-37:-1])
    assert stored == "hash of second"
    for nothing in (None, "", " "):
        change = {"Password": nothing}
        assert own_world.call(address, method="PATCH", json=change).status_code == 400
    again = {**body, "Login": "PETAR.D", "Email": None}
    assert own_world.call(USERS, method="POST", json=again).status_code == 500
    assert own_world.call(address, method="DELETE").status_code == 204


def test_a_new_user_has_the_language_of_its_creator(
    own_world: World, own_database: Database
) -> None:
    """[USR-6] unless the body says another"""

    def language_of(login: str, **more: Any) -> Any:
        body = {"Login": login, "Name": {"en": "X"}, "UserType": "SystemUserNoLogin", **more}
        created = own_world.call(USERS, method="POST", json=body).json()
        return own_world.call(f"{created['@odata.id']}?$select=*").json()["DefaultLanguage"]

    assert language_of("a") is None  # nor has the creator one
    with own_database.begin() as tx:
        creator = users.by_login(tx.connection, INSTANCE.id, ADMIN.login)
        assert creator is not None
        users.change(tx, INSTANCE.id, msgspec.structs.replace(creator, default_language="bg"))
    assert language_of("b") == "bg"
    assert language_of("c", DefaultLanguage="de-AT") == "de-AT"


def test_who_is_to_sign_in_needs_a_password(own_world: World) -> None:
    """[USR-11] also when the type changes, unless there is one from before"""
    body = {"Login": "svc.x", "Name": {"en": "X"}, "UserType": "SystemUserNoLogin"}
    address = own_world.call(USERS, method="POST", json=body).json()["@odata.id"]

    def changed(**values: Any) -> Any:
        return own_world.call(address, method="PATCH", json=values)

    for user_type in ("InternalUser", "ExternalCommunityUser"):
        refused = changed(UserType=user_type)
        assert refused.status_code == 500
        assert "Password" in refused.json()["error"]["message"]
    assert own_world.call(address).json()["UserType"] == "SystemUserNoLogin"
    assert changed(UserType="VirtualUserNoLogin").status_code == 204
    assert changed(UserType="InternalUser", Password="first").status_code == 204
    for user_type in ("ExternalCommunityUser", "SystemUserNoLogin", "InternalUser"):
        assert changed(UserType=user_type).status_code == 204


SECRET_READS = [
    {"$select": "Password"},
    {"$filter": "Password eq 'x'"},
    {"$filter": "contains(Password,'$argon')"},
    {"$orderby": "Password"},
    {"$expand": "Password"},
]


@pytest.mark.parametrize("options", SECRET_READS, ids=[f"API-72: {o}" for o in SECRET_READS])
def test_a_secret_cannot_be_asked_for(world: World, options: dict[str, str]) -> None:
    assert world.call(USERS, options).status_code == 400
    swapped = {
        name: text.replace("Password", "ApplicationSecretHash") for name, text in options.items()
    }
    assert world.call(APPLICATIONS, swapped).status_code == 400
    below = {
        name: text.replace("Password", "SystemUser/Password") for name, text in options.items()
    }
    assert world.call(APPLICATIONS, below).status_code == 400


def test_secrets_are_in_no_answer(world: World) -> None:
    assert world.values(USERS, search="hash") == []
    for name in ("Password", "password_hash", "ApplicationSecretHash"):
        assert name not in world.call("$metadata").text
        assert name not in world.call(USERS, {"$select": "*"}).text


@pytest.mark.parametrize(
    ("principal", "status"),
    [
        (ADMIN, 404),
        (msgspec.structs.replace(ADMIN, is_admin=False), 403),
        (msgspec.structs.replace(ADMIN, kind="service", is_admin=False, user_id=None), 404),
        (msgspec.structs.replace(ADMIN, kind="service", user_id=None, login="nobody"), 403),
    ],
    ids=["API-33: admin", "API-33: user", "API-33: service", "API-33: unknown service"],
)
def test_changing_security_needs_an_administrator(
    filled_database: Database, principal: Any, status: int
) -> None:
    world = World(filled_database, INSTANCE, principal)
    address = f"{USERS}(11111111-2222-3333-4444-555555555555)"
    response = world.call(address, method="DELETE")
    assert response.status_code == status
    if status == 403:
        assert response.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
