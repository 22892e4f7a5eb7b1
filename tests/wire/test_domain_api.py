# ruff: noqa: E501 - the cases read as tables, one a line
"""The DomainAPI over a real HTTP server, with the caller put where the guard puts it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
import uvicorn
from sqlalchemy import insert

from mintgate.apis.domain import DomainApi
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import Database, schema, users
from mintgate.store.records import ENTITY_SETS, fill_demo_data
from mintgate.store.tables import instances
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

CUSTOMERS = "Crm_Sales_Customers"
USERS = "Systems_Security_Users"
ADMIN_ID = "5a8c7b1e-0f40-4c43-9b1e-72a6c1d0ef02"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"


def _instance(port: int) -> Instance:
    return Instance(
        id="0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10",
        name="orion",
        database="ORION_PROD",
        base_url=f"http://127.0.0.1:{port}",
    )


def _principal(instance: Instance, scopes: str, kind: str, locale: str) -> Principal:
    return Principal(
        kind="service" if kind == "service" else "user",
        issuer=instance.issuer,
        client_id="shop.example.org/backoffice",
        login="mira.k",
        user_id=ADMIN_ID,
        user_type="InternalUser",
        database=instance.database,
        scopes=frozenset(scopes.split()),
        jti="556E74D7D09AEBD078F3097B3C48F12A",
        session="73F0BA2F800B9E2CF58BED92D8040FD3",
        expires_at=2**31,
        is_admin=kind == "admin",
        locale=locale,
    )


def _guarded(instance: Instance, database: Database) -> Any:
    """Stands for the guard: the test's headers say who calls; without them nobody does."""
    api = DomainApi(instance, database)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if "x-scopes" in headers:
            scope[PRINCIPAL] = _principal(
                instance, headers["x-scopes"], headers["x-kind"], headers["x-locale"]
            )
        mounted = {**scope, "root_path": "/api"}
        await api(mounted, receive, send)

    return app


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The OData root of a running server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    instance = _instance(listener.getsockname()[1])
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('domain') / 'domain.db'}")
    schema.upgrade(database)
    with database.begin() as tx:
        columns = {c.name for c in instances.columns} - {"feed_position"}
        row = {k: v for k, v in msgspec.structs.asdict(instance).items() if k in columns}
        tx.connection.execute(insert(instances).values(row))
        fill_demo_data(tx, instance.id)
        name = {"en": "Mira Kolarova"}
        administrator = User(
            id=ADMIN_ID, login="mira.k", name=name, user_type=UserType.INTERNAL, is_admin=True
        )
        users.add(tx, instance.id, administrator)
    config = uvicorn.Config(_guarded(instance, database), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield instance.odata_root
    server.should_exit = True
    thread.join()
    database.close()


def _client(root: str, scopes: str, kind: str = "user", **headers: str) -> httpx.Client:
    caller = {"x-scopes": scopes, "x-kind": kind, "x-locale": "en", **headers}
    return httpx.Client(base_url=root, headers=caller)


@pytest.fixture
def reader(root: str) -> Iterator[httpx.Client]:
    with _client(root, "read") as client:
        yield client


@pytest.fixture
def writer(root: str) -> Iterator[httpx.Client]:
    with _client(root, "update") as client:
        yield client


def _error(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.headers["content-type"].startswith("application/json")
    return body["error"]  # type: ignore[no-any-return]


def test_five_customers(reader: httpx.Client) -> None:
    response = reader.get(f"{CUSTOMERS}?$top=5")
    assert response.status_code == 200
    assert response.headers["OData-Version"] == "4.0"
    assert len(response.json()["value"]) == 5


AUTHORIZATION = [
    ("API-30", "GET", CUSTOMERS, "read", 200, None),
    ("API-30", "GET", "$metadata", "read", 200, None),
    ("API-30", "GET", "", "read", 200, None),
    ("API-30", "GET", f"{CUSTOMERS}/$count", "read", 200, None),
    ("API-30", "GET", CUSTOMERS, "openid profile", 403, "read"),
    ("API-30", "GET", "$metadata", "openid", 403, "read"),
    ("API-38", "GET", CUSTOMERS, "update", 200, None),
    ("API-39", "GET", CUSTOMERS, "DomainApi offline_access", 403, "read"),
    ("API-31", "POST", CUSTOMERS, "read", 403, "update"),
    ("API-31", "PATCH", f"{CUSTOMERS}({ADMIN_ID})", "read", 403, "update"),
    ("API-31", "PUT", f"{CUSTOMERS}({ADMIN_ID})", "read", 403, "update"),
    ("API-31", "DELETE", f"{CUSTOMERS}({ADMIN_ID})", "read sec", 403, "update"),
    ("API-33", "GET", USERS, "read", 403, "sec"),
    ("API-33", "GET", USERS, "read sec", 200, None),
    ("API-33", "GET", f"{USERS}/$count", "read", 403, "sec"),
    ("API-33", "GET", "Systems_Security_Nothing", "read", 403, "sec"),
    ("API-33", "POST", USERS, "update", 403, "sec"),
    ("API-43", "GET", "Nothing", "read", 404, None),
    ("API-43", "GET", f"{CUSTOMERS}({ADMIN_ID})", "read", 404, None),
    ("API-43", "GET", f"{CUSTOMERS}(7)", "read", 404, None),
    ("API-60", "GET", f"{CUSTOMERS}({ADMIN_ID})/Party", "read", 404, None),
]


@pytest.mark.parametrize(("method", "path", "scopes", "status", "needed"), [a[1:] for a in AUTHORIZATION], ids=[f"{a[0]}: {a[1]} {a[2]} {a[3]}" for a in AUTHORIZATION])  # fmt: skip
def test_an_operation_needs_its_scope(
    root: str, method: str, path: str, scopes: str, status: int, needed: str | None
) -> None:
    with _client(root, scopes) as client:
        response = client.request(method, path)
    assert response.status_code == status, response.text
    if status == 403:
        assert _error(response)["type"] == "insufficient_scope"
        expected = f'Bearer realm="DomainAPI", error="insufficient_scope", scope="{needed}"'
        assert response.headers["www-authenticate"] == expected


def test_without_a_caller_nothing_is_answered(root: str) -> None:
    response = httpx.get(root + CUSTOMERS)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
    assert _error(response)["code"] == 401


@pytest.mark.parametrize(
    ("kind", "status"), [("admin", 400), ("service", 400), ("user", 403)], ids=lambda v: f"API-33: {v}"
)  # fmt: skip
def test_security_is_changed_by_administrators(root: str, kind: str, status: int) -> None:
    with _client(root, "update sec", kind) as client:
        response = client.post(USERS, json={})
    assert response.status_code == status, response.text
    if status == 403:  # [API-18] rights, not scopes: no error attribute
        assert response.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
        assert _error(response)["code"] == 403


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("TRACE", CUSTOMERS, "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("PURGE", "", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("PATCH", CUSTOMERS, "GET, HEAD, POST"),
        ("DELETE", "$metadata", "GET, HEAD"),
        ("POST", f"{CUSTOMERS}({ADMIN_ID})", "GET, HEAD, PATCH, PUT, DELETE"),
        ("GET", "$batch", "POST"),
    ],
    ids=lambda value: f"API-15: {value}",
)
def test_an_unknown_method_is_told_the_known_ones(
    writer: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = writer.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert _error(response)["code"] == 405


def test_an_empty_batch_has_an_empty_answer(reader: httpx.Client) -> None:
    response = reader.post("$batch", json={"requests": []})
    assert (response.status_code, response.json()) == (200, {"responses": []})
    assert response.headers["odata-version"] == "4.0"


def test_head_answers_like_get_without_a_body(reader: httpx.Client) -> None:
    for path in ("", "$metadata", f"{CUSTOMERS}?$top=2", f"{CUSTOMERS}/$count", "Nothing"):
        head, get = reader.head(path), reader.get(path)
        assert head.content == b""
        assert head.status_code == get.status_code
        assert head.headers["content-length"] == str(len(get.content))


def test_the_body_of_a_list(reader: httpx.Client, root: str) -> None:
    """[API-61] [API-62] [API-67] [API-70]"""
    query = {"$top": "1", "$count": "true", "$filter": "CreditLimit ne null"}
    body = reader.get(CUSTOMERS, params=query).json()
    assert list(body) == ["@odata.context", "@odata.count", "value", "@odata.nextLink"]
    assert body["@odata.context"] == f"{root}$metadata#{CUSTOMERS}"
    [customer] = body["value"]
    assert set(customer) == {
        "@odata.id",
        *("Number", "Active", "CreditLimit", "DefaultPaymentTermDays"),
        *("DefaultDeliveryTermDays", "GracePeriodDays", "FromDate", "ThruDate"),
        *("CreationTime", "CreationUser", "UpdateTime", "UpdateUser"),
        *("Party", "CustomerType", "SalesPerson", "DefaultCurrency", "EnterpriseCompany"),
    }
    assert set(customer["CreditLimit"]) == {"Value", "Currency"}
    assert set(customer["Party"]) == {"@odata.id"}
    party = reader.get(customer["Party"]["@odata.id"]).json()
    assert party["@odata.context"] == f"{root}$metadata#General_Contacts_Parties/$entity"
    assert party["PartyName"]["en"]


def test_links_lead_through_every_page_whatever_the_host_header(root: str) -> None:
    """[API-65]"""
    seen: list[str] = []
    url: str | None = f"{root}{CUSTOMERS}?$top=70&$select=Number"
    with _client(root, "read", host="evil.example") as client:
        while url is not None:
            assert url.startswith(root)  # [TOP-2]
            body = client.get(url).json()
            seen += [customer["Number"] for customer in body["value"]]
            url = body.get("@odata.nextLink")
    assert len(seen) == len(set(seen)) >= 300
    with _client(root, "read") as client:
        assert "@odata.nextLink" not in client.get(f"{CUSTOMERS}?$select=Number").json()


def test_an_entity_lives_from_post_to_delete(writer: httpx.Client, root: str) -> None:
    """[API-66] [API-24]"""
    party = writer.get("General_Contacts_Parties?$top=1").json()["value"][0]["@odata.id"]
    body = {"Number": "WIRE-1", "Party@odata.bind": root + party}
    created = writer.post(CUSTOMERS, json=body)
    assert created.status_code == 201, created.text
    address = created.json()["@odata.id"]
    assert created.headers["location"] == root + address
    assert created.json()["CreationUser"] == "mira.k"
    assert writer.patch(address, json={"GracePeriodDays": 5}).status_code == 204
    assert writer.get(address).json()["UpdateUser"] == "mira.k"
    assert (
        writer.put(address, json={"Number": "WIRE-2", "Party": {"@odata.id": party}}).status_code
        == 204
    )
    assert writer.get(address).json()["GracePeriodDays"] is None
    assert writer.delete(address).status_code == 204
    assert writer.get(address).status_code == 404


@pytest.mark.parametrize(
    ("query", "headers", "name"),
    [
        ({"culture": "bg"}, {"cookie": ".AspNetCore.Culture=c=en|uic=en"}, "Рила Фуудс ООД"),
        ({}, {"cookie": ".AspNetCore.Culture=c%3Dbg%7Cuic%3Dbg", "accept-language": "en"}, "Рила Фуудс ООД"),
        ({}, {"accept-language": "en;q=0.5, bg-BG"}, "Рила Фуудс ООД"),
        ({}, {"x-locale": "bg"}, "Рила Фуудс ООД"),
        ({}, {}, "Rila Foods Ltd"),
        ({"culture": "'; --"}, {}, "Rila Foods Ltd"),
    ],
    ids=["API-68: query", "API-68: cookie", "API-68: header", "API-68: token", "API-68: none", "API-68: bad"],
)  # fmt: skip
def test_the_language_of_a_response(
    root: str, query: dict[str, str], headers: dict[str, str], name: str
) -> None:
    options = {"$filter": "Number eq '000001'", "$select": "DisplayText", **query}
    with _client(root, "read", **headers) as client:
        [customer] = client.get(CUSTOMERS, params=options).json()["value"]
    assert customer["DisplayText"] == name


def test_the_metadata_document_names_what_the_sets_have(reader: httpx.Client) -> None:
    response = reader.get("$metadata")
    assert response.headers["content-type"].startswith("application/xml")
    document = ElementTree.fromstring(response.content)  # noqa: S314 - our own
    assert (document.tag, document.get("Version")) == (f"{EDMX}Edmx", "4.0")
    schema_element = document.find(f"{EDMX}DataServices/{EDM}Schema")
    assert schema_element is not None
    declared = {
        f"Erp.{element.get('Name')}"
        for kind in ("EntityType", "ComplexType", "EnumType")
        for element in schema_element.findall(EDM + kind)
    }
    used = {
        str(element.get("Type"))
        for kind in ("Property", "NavigationProperty")
        for element in schema_element.iter(EDM + kind)
    }
    assert {name for name in used if not name.startswith("Edm.")} <= declared
    sets = {str(element.get("Name")) for element in schema_element.iter(EDM + "EntitySet")}
    assert sets == set(ENTITY_SETS)
    service = reader.get("").json()
    assert {entry["url"] for entry in service["value"]} == sets


def test_plain_data_leads_to_no_security_data() -> None:
    """[API-33] Otherwise $expand and $filter would open it to tokens without `sec`."""
    for entity_set in ENTITY_SETS.values():
        if not entity_set.name.startswith("Systems_Security_"):
            targets = [a.target for a in entity_set.attributes if a.target]
            assert not any(name.startswith("Systems_Security_") for name in targets)
