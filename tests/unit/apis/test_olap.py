"""The OLAP API on both engines: groups against a model, and what is refused [API-36]."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from mintgate.apis.olap import OlapApi
from mintgate.store import Database
from mintgate.store.records import DATA_SETS, ENTITY_SETS
from mintgate.store.records.cubes import CUBES
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World
from tests.unit.apis.test_odata_fuzz import expressions
from tests.world import NOW

SALES = "cubes/SalesOrders/query"
CURRENCY = "TotalAmount/Currency"
Row = dict[str, Any]


@pytest.fixture
def cubes(filled_database: Database) -> World:
    return olap_world(filled_database)


def olap_world(database: Database) -> World:
    caller = msgspec.structs.replace(ADMIN, scopes=frozenset({"read"}))
    api = OlapApi(INSTANCE, database, lambda: NOW)
    return World(database, INSTANCE, caller, api, "/olap/")


def groups(cubes: World, path: str = SALES, **options: str) -> list[Row]:
    answer = cubes.call(path, options)
    assert answer.status_code == 200, answer.text
    found: list[Row] = answer.json()["value"]
    return found


# --- groups, against a model in Python ---


def _of(name: str, *more: str) -> Callable[[Row], Any]:
    def value(order: Row) -> Any:
        found: Any = order
        for step in (name, *more):
            found = None if found is None else found[step]
        return found

    return value


DIMENSIONS: dict[str, Callable[[Row], Any]] = {
    "State": _of("State"),
    "Void": _of("Void"),
    "DocumentDate": _of("DocumentDate"),
    "year(DocumentDate)": lambda o: o["DocumentDate"] and int(o["DocumentDate"][:4]),
    "month(DocumentDate)": lambda o: o["DocumentDate"] and int(o["DocumentDate"][5:7]),
    "Customer/Active": _of("Customer", "Active"),
    "Customer/CustomerType/Code": _of("Customer", "CustomerType", "Code"),
    "Customer/Party/PartyName": _of("Customer", "Party", "PartyName", "en"),
    "SalesPerson/Number": _of("SalesPerson", "Number"),
    "EnterpriseCompany/Code": _of("EnterpriseCompany", "Code"),
}
AMOUNT = _of("TotalAmount", "Value")
MEASURES: dict[str, Callable[[Sequence[Row]], Any]] = {
    "count": len,
    "sum(TotalAmount)": lambda orders: _over(AMOUNT, orders, sum),
    "avg(TotalAmount)": lambda orders: _over(AMOUNT, orders, lambda v: sum(v) / len(v)),
    "min(TotalAmount)": lambda orders: _over(AMOUNT, orders, min),
    "max(TotalAmount)": lambda orders: _over(AMOUNT, orders, max),
    "min(DocumentDate)": lambda orders: _over(_of("DocumentDate"), orders, min),
    "max(DocumentDate)": lambda orders: _over(_of("DocumentDate"), orders, max),
}


def _over(value: Callable[[Row], Any], orders: Sequence[Row], compute: Callable[[Any], Any]) -> Any:
    values = [v for v in map(value, orders) if v is not None]
    return compute(values) if values else None


FILTERS: dict[str | None, Callable[[Row], bool]] = {
    None: lambda o: True,
    "State in ('New','Released') and Void eq false": lambda o: (
        o["State"] in {"New", "Released"} and not o["Void"]
    ),
    "DocumentDate ge 2024-06-01": lambda o: (
        o["DocumentDate"] is not None and o["DocumentDate"] >= "2024-06-01"
    ),
    "Customer/CustomerType/Code eq 'nobody'": lambda o: False,
}
_orders: dict[int, list[Row]] = {}


def _every_order(database: Database) -> list[Row]:
    if id(database) not in _orders:
        expand = "Customer($expand=CustomerType,Party),SalesPerson,EnterpriseCompany"
        domain = World(database, INSTANCE, ADMIN)
        _orders[id(database)] = domain.values("Crm_Sales_SalesOrders", expand=expand)
    return _orders[id(database)]


def _expected(
    orders: Sequence[Row], dimensions: Sequence[str], measures: Sequence[str]
) -> list[Row]:
    value_of = DIMENSIONS | {CURRENCY: _of("TotalAmount", "Currency")}
    grouped: dict[tuple[Any, ...], list[Row]] = {} if dimensions else {(): list(orders)}
    for order in orders if dimensions else ():
        grouped.setdefault(tuple(value_of[d](order) for d in dimensions), []).append(order)
    return [
        dict(zip(dimensions, key, strict=True)) | {m: MEASURES[m](some) for m in measures}
        for key, some in grouped.items()
    ]


def _sorted(rows: Sequence[Row], dimensions: Sequence[str]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps([row[d] for d in dimensions]))


@settings(max_examples=40, deadline=None)
@given(
    dimensions=st.lists(st.sampled_from(list(DIMENSIONS)), max_size=3, unique=True),
    measures=st.lists(st.sampled_from(list(MEASURES)), min_size=1, max_size=4, unique=True),
    condition=st.sampled_from(list(FILTERS)),
    by_post=st.booleans(),
)
def test_groups_are_those_of_the_model(
    dimensions: list[str],
    measures: list[str],
    condition: str | None,
    by_post: bool,
    filled_database: Database,
) -> None:
    if any("TotalAmount" in m for m in measures):
        dimensions = [*dimensions, CURRENCY]
    cubes = olap_world(filled_database)
    if by_post:
        body = {"dimensions": dimensions, "measures": measures, "filter": condition}
        found = cubes.call(SALES, method="POST", json=body).json()["value"]
    else:
        options = {"dimensions": ",".join(dimensions), "measures": ",".join(measures)}
        found = groups(cubes, **{n: v for n, v in {**options, "filter": condition}.items() if v})
    orders = [o for o in _every_order(filled_database) if FILTERS[condition](o)]
    expected = _sorted(_expected(orders, dimensions, measures), dimensions)
    # Floats may be added up in any order.
    assert [pytest.approx(row, abs=1e-5) for row in expected] == _sorted(found, dimensions)
    assert all(list(row) == [*dimensions, *measures] for row in found)


# --- order, language, what can be named ---


def test_the_top_groups_by_a_measure(cubes: World) -> None:
    options = {"dimensions": "Customer/Number", "measures": "count"}
    everything = groups(cubes, **options)
    assert [r["Customer/Number"] for r in everything] == sorted(
        r["Customer/Number"] for r in everything
    )
    answer = cubes.call(
        SALES, options | {"orderby": "count desc, Customer/Number", "top": "3"}
    ).json()
    expected = sorted(everything, key=lambda r: (-r["count"], r["Customer/Number"]))
    assert (answer["value"], answer["more"]) == (expected[:3], True)
    assert cubes.call(SALES, options | {"top": "1000"}).json()["more"] is False
    assert groups(cubes, **options, top="0") == []


def test_null_is_a_group_and_comes_first(cubes: World) -> None:
    rows = groups(cubes, "cubes/Customers/query", dimensions="SalesPerson/Number", measures="count")
    values = [row["SalesPerson/Number"] for row in rows]
    assert values.count(None) <= 1
    assert values == sorted(values, key=lambda v: (v is not None, v or ""))


def test_groups_are_in_the_language_of_the_response(cubes: World) -> None:
    """[API-68]"""
    options = {"dimensions": "CustomerType/Name", "measures": "count"}
    english, bulgarian = (
        groups(cubes, "cubes/Customers/query", **options, culture=culture)
        for culture in ("en", "bg")
    )
    assert sorted(r["count"] for r in english) == sorted(r["count"] for r in bulgarian)
    assert {r["CustomerType/Name"] for r in english} != {r["CustomerType/Name"] for r in bulgarian}


def test_metadata_lists_what_a_query_can_name(cubes: World) -> None:
    listed = cubes.call("cubes").json()["value"]
    assert cubes.call("").json()["value"] == listed
    assert [c["name"] for c in listed] == list(CUBES)
    for cube in listed:
        metadata = cubes.call(f"cubes/{cube['name']}").json()
        for dimension in metadata["dimensions"]:
            rows = groups(
                cubes,
                f"cubes/{cube['name']}/query",
                dimensions=dimension["name"],
                measures="count",
                top="2",
            )
            kinds = {"text": str, "integer": int, "boolean": bool, "date": str}
            values = [row[dimension["name"]] for row in rows]
            assert all(v is None or isinstance(v, kinds[dimension["type"]]) for v in values), (
                dimension
            )
        for measure in metadata["measures"]:
            needed = {"dimensions": measure["needs"]} if measure["needs"] else {}
            assert groups(cubes, f"cubes/{cube['name']}/query", measures=measure["name"], **needed)


def test_no_cube_and_no_filter_of_one_reaches_security_records() -> None:
    """[API-33] OLAP does not ask for `sec`: no data set may refer to a security record."""
    for name in DATA_SETS:
        targets = {a.target for a in ENTITY_SETS[name].attributes if a.target}
        assert targets <= DATA_SETS


def test_a_sum_does_not_overflow(own_database: Database) -> None:
    table = ENTITY_SETS["Crm_Sales_SalesOrders"].table
    with own_database.begin() as tx:
        tx.connection.execute(
            update(table).values(total_amount_value=9 * 10**18, total_amount_currency="EUR")
        )
        count = len(tx.connection.execute(select(table.c.id)).all())
    [row] = groups(olap_world(own_database), dimensions=CURRENCY, measures="sum(TotalAmount),count")
    assert row["sum(TotalAmount)"] == pytest.approx(count * 9e16)


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"dimensions": "State"}, "at least one measure"),
    ({"measures": "count", "dimensions": "Nothing"}, "no dimension 'Nothing'; its metadata lists"),
    ({"measures": "sum(Nothing)"}, "no measure 'sum(Nothing)'"),
    ({"measures": "median(TotalAmount)"}, "no measure"),
    ({"measures": "count", "dimensions": "Notes"}, "no dimension"),
    ({"measures": "sum(TotalAmount)"}, "would mix currencies: have TotalAmount/Currency"),
    ({"measures": "count,count"}, "named twice"),
    ({"measures": "count", "orderby": "State"}, "names dimensions and measures of the query only"),
    ({"measures": "count", "orderby": "count down"}, "asc or desc"),
    ({"measures": "count", "orderby": ",".join(["count"] * 3000)}, "the order names a dimension"),
    ({"measures": "count", "top": "-1"}, "whole number"),
    ({"measures": "count", "top": "x"}, "whole number"),
    ({"measures": "count", "filter": "Nothing eq 1"}, "has no attribute 'Nothing'"),
    ({"measures": "count", "filter": "State eq"}, "not a valid expression"),
    (
        {"measures": "count", "$top": "1"},
        "not known here, but: dimensions, measures, filter, orderby, top, culture",
    ),
    ({"measures": "count", "dimensions": ",".join(["State"] * 9)}, "at most 8 dimensions"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_a_malformed_query_is_refused_with_help(
    options: dict[str, str], words: str, cubes: World
) -> None:
    """[API-43]"""
    answer = cubes.call(SALES, options)
    message = answer.json()["error"]["message"]
    assert (answer.status_code, words in message) == (400, True), message


BODIES: list[tuple[bytes, str]] = [
    (b"", "no JSON object"),
    (b"[]", "Expected `object`"),
    (b"{", "no JSON object"),
    (b'{"measures": ["\xff"]}', "no JSON object"),
    (b'{"measures": "count"}', "Expected `array`"),
    (b'{"measures": ["count"], "limit": 1}', "unknown field"),
    (b'{"measures": ["count"], "top": -1}', "whole number"),
    (b'{"measures": ["count"], "top": 99999999999}', "whole number"),
    (b'{"measures": ["count"], "filter": 5}', "Expected `str"),
    (b'{"measures": [' * 3000, "malformed"),
]


@pytest.mark.parametrize(("body", "words"), BODIES)
def test_a_malformed_body_is_refused_with_help(body: bytes, words: str, cubes: World) -> None:
    answer = cubes.call(SALES, method="POST", content=body)
    message = answer.json()["error"]["message"]
    assert (answer.status_code, words in message) == (400, True), message


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "cubes/Nothing", 404),
        ("GET", "cubes/Nothing/query", 404),
        ("GET", "cubes/SalesOrders/other", 404),
        ("GET", "elsewhere", 404),
        ("POST", "cubes", 405),
        ("POST", "cubes/SalesOrders", 405),
        ("PUT", SALES, 405),
        ("DELETE", SALES, 405),
        ("GET", "cubes?x=1", 400),
        ("POST", SALES + "?measures=count", 400),
    ],
)
def test_other_addresses_and_methods(method: str, path: str, status: int, cubes: World) -> None:
    answer = cubes.call(path, method=method)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


def test_no_body_but_json_and_none_too_long(cubes: World) -> None:
    assert cubes.call(SALES, method="POST", content=b" " * 1_048_577).status_code == 413


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(expressions, min_size=3, max_size=3))
def test_hostile_queries_get_an_answer(texts: list[str], filled_database: Database) -> None:
    names = ("dimensions", "measures", "filter")
    answer = olap_world(filled_database).call(SALES, dict(zip(names, texts, strict=True)))
    assert answer.status_code in {200, 400}
