"""The TableAPI on both engines: filters against a model, pages, and what is refused [API-71]."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintgate.apis.table_api import TableApi
from mintgate.store import Database
from mintgate.store.records import ENTITY_SETS, Kind
from mintgate.store.records.flat_tables import TABLES
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World
from tests.unit.apis.test_odata_fuzz import expressions
from tests.world import NOW

CUSTOMERS, ORDERS = "Crm_Customers", "Crm_Sales_Orders"
NAMESPACE = "{http://docs.oasis-open.org/odata/ns/edm}"
Row = dict[str, Any]


@pytest.fixture
def tables(filled_database: Database) -> World:
    return table_world(filled_database)


def table_world(database: Database, scopes: str = "read sec") -> World:
    caller = msgspec.structs.replace(ADMIN, scopes=frozenset(scopes.split()))
    api = TableApi(INSTANCE, database, lambda: NOW)
    return World(database, INSTANCE, caller, api, "/tableapi/odata/")


def refusal(tables: World, path: str, **options: str) -> tuple[int, str]:
    answer = tables.call(path, {f"${name}": value for name, value in options.items()})
    return answer.status_code, answer.json()["error"]["message"]


def test_every_entity_set_is_a_table_with_its_values(tables: World) -> None:
    assert len(TABLES) == len(ENTITY_SETS)
    row = next(r for r in tables.values(CUSTOMERS) if r["Credit_Limit_Value"] is not None)
    address = f"Crm_Sales_Customers({row['Id']})"
    entity = World(tables.database, INSTANCE, ADMIN).call(address).json()
    amount = {"Value": row["Credit_Limit_Value"], "Currency": row["Credit_Limit_Currency"]}
    assert amount == entity["CreditLimit"]
    assert entity["Party"] == {"@odata.id": f"General_Contacts_Parties({row['Party_Id']})"}
    assert [row[n] for n in ("Number", "Active", "From_Date")] == [
        entity[n] for n in ("Number", "Active", "FromDate")
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["Creation_Time"])


def test_the_documents_list_tables_and_columns(tables: World) -> None:
    document = tables.call("").json()
    assert [t["name"] for t in document["value"]] == list(TABLES)
    root = ElementTree.fromstring(tables.call("$metadata").content)  # noqa: S314 - our own
    types = {t.get("Name"): t for t in root.iter(f"{NAMESPACE}EntityType")}
    columns = {p.get("Name"): p for p in types["Crm_Customers_Row"].iter(f"{NAMESPACE}Property")}
    assert columns["Credit_Limit_Value"].get("Type") == "Edm.Decimal"
    assert columns["Party_Id"].get("Type") == "Edm.Guid"
    everything = {p.get("Name") for t in types.values() for p in t.iter(f"{NAMESPACE}Property")}
    assert not everything & {"Password_Hash", "Application_Secret_Hash"}


def test_selected_columns_in_the_table_s_order(tables: World) -> None:
    answer = tables.call(CUSTOMERS, {"$select": "Active, Number", "$top": "2"}).json()
    assert [list(row) for row in answer["value"]] == [["Number", "Active"]] * 2
    assert answer["@odata.context"].endswith(
        "/tableapi/odata/$metadata#Crm_Customers(Number,Active)"
    )


def test_pages_show_every_row_once(tables: World) -> None:
    """[API-65]"""
    options = {"$top": "70", "$select": "Id", "$filter": "Active eq true"}
    everything = tables.values(CUSTOMERS, select="Id", filter="Active eq true")
    seen: list[Row] = []
    while True:
        page = tables.call(CUSTOMERS, options).json()
        seen += page["value"]
        if "@odata.nextLink" not in page:
            break
        link = urlsplit(page["@odata.nextLink"])
        assert page["@odata.nextLink"].startswith("https://orion.my.example/tableapi/odata/Crm_C")
        options = dict(parse_qsl(link.query))
    assert seen == everything
    assert len(seen) > 140


# --- filters, against a model in Python ---


def like(text: str, pattern: str) -> bool:
    """`fnmatch` does it, with other signs."""
    shell = pattern.replace("[", "[[]").replace("%", "*").replace("_", "?")
    return fnmatch.fnmatchcase(text.lower(), shell.lower())


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "le": operator.le,
    "ge": operator.ge,
    "in": lambda value, items: value in items,
    "like": like,
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Document_No": st.integers(1, 400).map(lambda n: f"SO{n:07}"),
    "State": st.sampled_from(["New", "Planned", "FirmPlanned", "Released", "Completed", "Closed"]),
    "Total_Amount_Value": st.integers(0, 3_000_000).map(lambda n: n / 100),
    "Total_Amount_Currency": st.sampled_from(["EUR", "BGN", "USD"]),
    "Document_Date": st.dates(date(2023, 12, 1), date(2025, 3, 1)).map(lambda d: f"{d}T00:00:00Z"),
}
PATTERNS = st.text(alphabet="SOso0123%_", min_size=1, max_size=6)


def quoted(column: str, value: Any) -> str:
    return str(value) if column in {"Total_Amount_Value", "Document_Date"} else f"'{value}'"


@st.composite
def comparisons(draw: st.DrawFn, column: str) -> tuple[str, Callable[[Row], bool]]:
    kinds = ["eq", "in", "le", "ge"] if column != "State" else ["eq", "in"]
    name = draw(st.sampled_from([*kinds, "like"] if column == "Document_No" else kinds))
    if name == "in":
        value = draw(st.lists(VALUES[column], min_size=1, max_size=4))
        text = f"{column} in ({', '.join(quoted(column, v) for v in value)})"
    else:
        value = draw(PATTERNS if name == "like" else VALUES[column])
        text = f"{column} {name} {quoted(column, value)}"
    compare = COMPARE[name]
    return text, lambda row: row[column] is not None and compare(row[column], value)


@st.composite
def groups(draw: st.DrawFn) -> tuple[str, Callable[[Row], bool]]:
    """One comparison, or several of one column joined by `or`."""
    column = draw(st.sampled_from(list(VALUES)))
    some = draw(st.lists(comparisons(column), min_size=1, max_size=3))
    text = " or ".join(t for t, _ in some)
    holds = [h for _, h in some]
    return (f"({text})" if len(some) > 1 else text), lambda row: any(h(row) for h in holds)


@settings(max_examples=60, deadline=None)
@given(some=st.lists(groups(), min_size=1, max_size=3))
def test_filters_find_what_the_model_finds(
    some: list[tuple[str, Callable[[Row], bool]]], filled_database: Database
) -> None:
    tables = table_world(filled_database)
    found = tables.values(ORDERS, filter=" and ".join(text for text, _ in some))
    holds = [h for _, h in some]
    assert found == [row for row in _every_order(tables) if all(h(row) for h in holds)]


_orders: dict[str, list[Row]] = {}


def _every_order(tables: World) -> list[Row]:
    key = str(id(tables.database))
    if key not in _orders:
        _orders[key] = tables.values(ORDERS)
    return _orders[key]


@pytest.mark.parametrize("pattern", ["a%", "%a_d%", "%ЪЛ%", "%", "a", "%[A-Z]%", "%.%"])
def test_like_looks_at_every_language_and_ignores_case(pattern: str, tables: World) -> None:
    found = tables.values("Gen_Parties", filter=f"Party_Name like '{pattern}'")
    every = tables.values("Gen_Parties")
    assert found == [r for r in every if any(like(t, pattern) for t in r["Party_Name"].values())]


def test_like_takes_wildcards_for_themselves_after_a_backslash(tables: World) -> None:
    for pattern in ("%\\%%", "%\\_%", "%\\\\"):
        assert tables.values("Gen_Parties", filter=f"Party_Name like '{pattern}'") == []
    rows = tables.values(ORDERS, filter="Document_No like '%\\0\\01'")
    assert rows == tables.values(ORDERS, filter="Document_No like '%001'") != []


def test_null_and_times_can_be_compared(tables: World) -> None:
    rows = tables.values(CUSTOMERS)
    assert tables.values(CUSTOMERS, filter="Thru_Date eq null") == [
        r for r in rows if r["Thru_Date"] is None
    ]
    moment = rows[0]["Creation_Time"]
    assert tables.values(CUSTOMERS, filter=f"Creation_Time ge {moment}") == rows
    assert tables.values(CUSTOMERS, filter="Creation_Time le 2001-01-01T00:00:00Z") == []


REFUSED = [
    ({"filter": "State ne 'New'"}, "ne is not available here"),
    ({"filter": "Document_Date gt 2024-01-01T00:00:00Z"}, "gt is not available here"),
    ({"filter": "not (State eq 'New')"}, "no comparison"),
    ({"filter": "Void"}, "no comparison"),
    ({"filter": "contains(Document_No,'1')"}, "no comparison"),
    ({"filter": "State eq 'New' or Void eq true"}, "one and the same column"),
    (
        {"filter": "Void eq true and (State eq 'New' or Document_No eq '1')"},
        "one and the same column",
    ),
    ({"filter": "State eq 'New' or (State eq 'Closed' and Void eq true)"}, "no comparison"),
    ({"filter": "Total_Amount_Value le Total_Amount_Value"}, "value at its right side"),
    ({"filter": "Customer_Id/Number eq '1'"}, "column's name at its left side"),
    ({"filter": "5 le Total_Amount_Value"}, "value at its right side"),
    ({"filter": "Document_No like 5"}, "not a valid expression"),
    ({"filter": "Document_No like 'x\\'"}, "must not end with a backslash"),
    ({"filter": "Document_No like '%%%%%%%%%'"}, "percent signs"),
    ({"filter": "Void like 'x'"}, "no text"),
    ({"filter": "Nothing eq 1"}, "has no attribute 'Nothing'"),
    ({"filter": "State eq 'Unknown'"}, "is one of: New"),
    ({"filter": "Document_Date eq 'x'"}, "wrong type"),
    ({"filter": "State eq"}, "not a valid expression"),
    ({"select": "Nothing"}, "has no attribute 'Nothing'"),
    ({"top": "-1"}, "whole number"),
    ({"skiptoken": "x"}, "not one that this server gave"),
    ({"orderby": "State"}, "not known here, but: $filter, $format, $select, $skiptoken, $top"),
    ({"expand": "Customer_Id"}, "not known here"),
    ({"skip": "1"}, "not known here"),
    ({"format": "xml"}, "must be json"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_a_malformed_query_is_refused_with_help(
    options: dict[str, str], words: str, tables: World
) -> None:
    """[API-43]"""
    status, message = refusal(tables, ORDERS, **options)
    assert (status, words in message) == (400, True), message


@pytest.mark.parametrize(
    "path",
    [
        "Crm_Sales_Customers",
        "crm_customers",
        "Users",
        "identity_sessions",
        "Crm_Customers/x",
        "Crm_Customers(1)",
        "Crm Customers",
        "../x",
        "$batch",
    ],
)
def test_an_unknown_table_is_not_found(path: str, tables: World) -> None:
    """[API-43]"""
    status, message = refusal(tables, path)
    assert status == 404
    assert "/tableapi/odata/" in message


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_not_there(method: str, filled_database: Database) -> None:
    """[API-35]"""
    answer = table_world(filled_database, "read update sec").call(CUSTOMERS, method=method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


SECRETS = [("Sec_Users", "Password_Hash"), ("Sec_Trusted_Applications", "Application_Secret_Hash")]


@pytest.mark.parametrize(("table", "column"), SECRETS)
def test_secrets_are_never_told(table: str, column: str, tables: World) -> None:
    """[API-72]"""
    for options in ({}, {"select": "*"}):
        assert all(column not in row for row in tables.values(table, **options))
    for options in (
        {"select": column},
        {"filter": f"{column} eq 'x'"},
        {"filter": f"{column} like '%'"},
    ):
        status, message = refusal(tables, table, **options)
        assert (status, "never read" in message) == (400, True)


def test_no_other_column_of_a_security_table_is_there(tables: World) -> None:
    """[API-72] Whatever the tables keep besides, such as a second secret, has no name here."""
    shown = {
        row_name
        for name in ("Sec_Users", "Sec_Trusted_Applications")
        for row_name in (a.name for a in TABLES[name].visible)
    }
    assert not {name for name in shown if re.search("Secret|Hash|Password|Key", name)}


def test_security_tables_need_sec(filled_database: Database) -> None:
    """[API-34] also behind a guard that does not ask for it."""
    answer = table_world(filled_database, "read").call("Sec_Users")
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="sec"' in answer.headers["www-authenticate"]
    assert table_world(filled_database, "update sec").call("Sec_Users").status_code == 200


@settings(max_examples=150, deadline=None)
@given(text=expressions)
def test_hostile_filters_get_an_answer(text: str, filled_database: Database) -> None:
    answer = table_world(filled_database).call(ORDERS, {"$filter": text, "$top": "1"})
    assert answer.status_code in {200, 400}


def test_every_kind_of_column_has_a_form(tables: World) -> None:
    kinds = {a.kind for table in TABLES.values() for a in table.attributes}
    assert not kinds & {Kind.AMOUNT, Kind.REFERENCE, Kind.DISPLAY}
    for name in TABLES:
        assert tables.call(name, {"$top": "3"}).status_code == 200
