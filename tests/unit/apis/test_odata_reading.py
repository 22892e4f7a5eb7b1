# ruff: noqa: E501 - the cases read as a table, one a line
"""Lists, entities and their options, on every database [API-61..68]."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from mintgate.store import Database
from mintgate.store.records import ENTITY_SETS, fill_demo_data
from mintgate.store.tables import metadata
from tests.unit.apis.domain_world import INSTANCE, World

CUSTOMERS = "Crm_Sales_Customers"
EVERY_PAGE = {"none": "", "number": "Number desc", "party": "Party/PartyName,Number"}


def _pages(world: World, options: dict[str, str]) -> list[str]:
    numbers: list[str] = []
    for _ in range(40):
        body = world.call(CUSTOMERS, options).json()
        numbers += [customer["Number"] for customer in body["value"]]
        link = body.get("@odata.nextLink")
        if link is None:
            return numbers
        assert link.startswith(INSTANCE.odata_root + CUSTOMERS + "?")
        options = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        assert ("$skiptoken" in options) == ("$orderby" not in options)
    raise AssertionError("the links do not end")


@pytest.mark.parametrize("order", EVERY_PAGE.values(), ids=[f"API-65: {k}" for k in EVERY_PAGE])
def test_pages_show_every_entity_once(world: World, order: str) -> None:
    options = {"$top": "70", "$select": "Number", "culture": "bg"}
    if order:
        options["$orderby"] = order
    numbers = _pages(world, options)
    assert len(numbers) == len(set(numbers)) == 300


def test_pages_start_after_skipped_entities(world: World) -> None:
    everything = [c["Number"] for c in world.values(CUSTOMERS)]
    assert _pages(world, {"$top": "50", "$skip": "40"}) == everything[40:]


@pytest.mark.parametrize("order", ["SalesPerson", "SalesPerson desc"], ids=["API-63", "API-63d"])
def test_null_is_less_than_every_value(world: World, order: str) -> None:
    is_null = [c["SalesPerson"] is None for c in world.values(CUSTOMERS, orderby=order)]
    assert is_null == sorted(is_null, reverse=not order.endswith("desc"))


def test_order_follows_the_language_of_the_response(world: World) -> None:
    options = {"$orderby": "PartyName desc", "$top": "1", "$filter": "PartyType eq 'Person'"}
    [english] = world.call("General_Contacts_Parties", options).json()["value"]
    [bulgarian] = world.call("General_Contacts_Parties", {**options, "culture": "bg"}).json()[
        "value"
    ]
    assert english["PartyName"]["en"] == "Todor Vasilev"
    assert bulgarian["PartyName"]["bg"] == "Тодор Василев"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("000017", 1),
        ("рила", 10),
        ("RILA foods", 10),
        ('"Foods Sofia"', 1),
        ('"Sofia Foods"', 0),
        ("rila AND varna", 1),
        ("%", 0),
        ("o'neill", 10),
    ],
    ids=lambda value: f"API-63: {value}",
)
def test_search_finds_all_words_in_any_language(world: World, words: str, count: int) -> None:
    assert len(world.values(CUSTOMERS, search=words)) == count


def test_count_goes_with_a_list_or_alone(world: World) -> None:
    options = {"$filter": "Active eq false", "$search": "foods"}
    alone = world.call(f"{CUSTOMERS}/$count", options)
    listed = world.call(CUSTOMERS, {**options, "$count": "true", "$top": "1"}).json()
    assert alone.headers["content-type"].startswith("text/plain")
    assert int(alone.text) == listed["@odata.count"]
    assert "@odata.count" not in world.call(CUSTOMERS, {"$top": "1"}).json()


def test_expand_opens_references(world: World) -> None:
    [customer] = world.values(
        CUSTOMERS,
        filter="SalesPerson ne null",
        top="1",
        select="Number,CustomerType",
        expand="SalesPerson($select=Number;$expand=Person($select=PartyName,Id)),Party",
    )
    assert set(customer) == {"@odata.id", "Number", "CustomerType", "SalesPerson", "Party"}
    assert set(customer["CustomerType"]) == {"@odata.id"}
    assert set(customer["SalesPerson"]) == {"@odata.id", "Number", "Person"}
    assert set(customer["SalesPerson"]["Person"]) == {"@odata.id", "Id", "PartyName"}
    assert customer["Party"]["PartyCode"]


def test_selected_attributes_decide_the_body(world: World) -> None:
    [plain] = world.values(CUSTOMERS, top="1")
    [default] = world.values(CUSTOMERS, top="1", select="default,Id")
    [every] = world.values(CUSTOMERS, top="1", select="*")
    assert set(default) == {*plain, "Id"}
    assert set(every) == {*plain, "Id", "DisplayText"}
    assert plain["@odata.id"] == f"{CUSTOMERS}({default['Id']})"


def test_nulls_are_skipped_on_request(world: World) -> None:
    body = world.call(CUSTOMERS, {"options": "skipnulls"}).json()
    assert all(value is not None for customer in body["value"] for value in customer.values())


@pytest.mark.parametrize(
    ("culture", "name"), [("bg", "Рила Фуудс ООД"), ("bg-BG", "Рила Фуудс ООД"), ("fr", "Rila Foods Ltd")]
)  # fmt: skip
def test_the_display_text_is_in_the_language_of_the_response(
    world: World, culture: str, name: str
) -> None:
    options = {"$filter": "Number eq '000001'", "$select": "DisplayText", "culture": culture}
    assert world.call(CUSTOMERS, options).json()["value"][0]["DisplayText"] == name


def test_demo_data_is_filled_in_once(world: World, filled_database: Database) -> None:
    customers = ENTITY_SETS[CUSTOMERS].table
    with filled_database.begin() as tx:
        fill_demo_data(tx, INSTANCE.id)
        rows = tx.connection.execute(select(func.count()).select_from(customers)).scalar_one()
    assert rows == 300


def test_migrations_make_the_tables_that_are_declared(filled_database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with filled_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            if "crm_" in str(difference) or "gen_" in str(difference)
        ]
    assert differences == []


def test_names_of_constraints_fit_postgresql() -> None:
    names = [str(c.name) for t in metadata.tables.values() for c in t.constraints if c.name]
    assert max(len(name) for name in names) <= 63


BAD_OPTIONS = [
    {"$top": "-1"},
    {"$top": "x"},
    {"$top": "99999999999"},
    {"$skip": "1.5"},
    {"$count": "yes"},
    {"$skiptoken": "abc"},
    {"$skiptoken": "é"},
    {"$select": "Nothing"},
    {"$select": ""},
    {"$select": "Party/PartyName"},
    {"$orderby": "Number up"},
    {"$orderby": ""},
    {"$orderby": "Nothing"},
    {"$orderby": ",".join(["Number"] * 20)},
    {"$expand": "Number"},
    {"$expand": "Party("},
    {"$expand": "Party)"},
    {"$expand": "Party($filter=1)"},
    {"$expand": "Party($select=Nothing)"},
    {"$search": '"open'},
    {"$search": "a OR b"},
    {"$search": ""},
    {"$apply": "x"},
    {"$format": "atom"},
    {"$Top": "1"},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=[f"API-43: {o}" for o in BAD_OPTIONS])
def test_a_malformed_option_is_refused(world: World, options: dict[str, str]) -> None:
    response = world.call(CUSTOMERS, options)
    assert response.status_code == 400, response.text
    assert set(response.json()["error"]) == {"message", "code", "type", "info"}
