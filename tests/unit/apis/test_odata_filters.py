# ruff: noqa: E501 - the cases read as a table, one a line
"""`$filter` against an oracle in Python, on every database [API-64, EXT-8]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from mintgate.store import Database, users
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World

Customer = dict[str, Any]
Predicate = Callable[[Customer], bool]
CUSTOMERS = "Crm_Sales_Customers"


def _english(party: dict[str, Any]) -> str:
    return str(party["PartyName"]["en"])


def _days(name: str, holds: Callable[[int], bool]) -> Predicate:
    return lambda c: c[name] is not None and holds(c[name])


PAYMENT = "DefaultPaymentTermDays"
CASES: list[tuple[str, str, Predicate]] = [
    ("API-64", "Active eq true", lambda c: c["Active"]),
    ("API-64", "Number eq '000007'", lambda c: c["Number"] == "000007"),
    ("API-64", f"{PAYMENT} ge 14", _days(PAYMENT, lambda d: d >= 14)),
    ("API-64", f"{PAYMENT} ge 7.5", _days(PAYMENT, lambda d: d >= 8)),
    ("API-64", f"{PAYMENT} le 14 and Active eq false", lambda c: not c["Active"] and c[PAYMENT] in (7, 14)),
    ("API-64", f"{PAYMENT} in (7,14)", _days(PAYMENT, lambda d: d in (7, 14))),
    ("API-64", f"{PAYMENT} in (7)", _days(PAYMENT, lambda d: d == 7)),
    ("API-64", f"{PAYMENT} in(7, 60)", _days(PAYMENT, lambda d: d in (7, 60))),
    ("API-64", f"{PAYMENT} in (7,null)", lambda c: c[PAYMENT] in (7, None)),
    ("API-64", "contains(Number,'01')", lambda c: "01" in c["Number"]),
    ("API-64", "startswith(Number,'0001') and endswith(Number,'5')", lambda c: c["Number"][:4] == "0001" and c["Number"][-1] == "5"),
    ("API-64", "endswith(Number,'00000000')", lambda c: False),
    ("API-64", "contains(Party/PartyName,'O''Neill')", lambda c: "O'Neill" in _english(c["Party"])),
    ("API-64", "contains(Party/PartyName,'Рила')", lambda c: "Рила" in c["Party"]["PartyName"].get("bg", "")),
    ("API-64", "contains(Party/PartyName,'rila')", lambda c: False),
    ("API-64", "contains(Party/PartyName,'%')", lambda c: False),
    ("API-64", "Party/PartyName eq 'Рила Фуудс ООД'", lambda c: _english(c["Party"]) == "Rila Foods Ltd"),
    ("API-64", "Party/PartyName in ('Rila Foods Ltd','x')", lambda c: _english(c["Party"]) == "Rila Foods Ltd"),
    ("API-64", f"equalnull({PAYMENT},7)", lambda c: c[PAYMENT] in (7, None)),
    ("API-64", f"lessequalnull({PAYMENT},14)", lambda c: c[PAYMENT] is None or c[PAYMENT] <= 14),
    ("API-64", f"greaterequalnull({PAYMENT},30)", lambda c: c[PAYMENT] is None or c[PAYMENT] >= 30),
    ("API-64", "greaterequalnull(ThruDate,2022-01-01T00:00:00.000Z)", lambda c: c["ThruDate"] is None or c["ThruDate"] >= "2022"),
    ("API-64", "FromDate ge 2020-01-01", lambda c: c["FromDate"] >= "2020"),
    ("API-64", "CreditLimitValue ge 10000.5", lambda c: bool(c["CreditLimit"]) and c["CreditLimit"]["Value"] >= 10000.5),
    ("API-64", "Party/PartyType eq Erp.General_Contacts_Party_PartyType'Company'", lambda c: True),
    ("EXT-8", f"{PAYMENT} gt 14 or Number eq '000001'", lambda c: (c[PAYMENT] or 0) > 14 or c["Number"] == "000001"),
    ("EXT-8", f"{PAYMENT} ne 30", lambda c: c[PAYMENT] != 30),
    ("EXT-8", f"not ({PAYMENT} gt 10)", lambda c: not (c[PAYMENT] or 0) > 10),
    ("EXT-8", f"not {PAYMENT} gt 10", lambda c: not (c[PAYMENT] or 0) > 10),
    ("EXT-8", "not Active", lambda c: not c["Active"]),
    ("EXT-8", "not contains(Number,'1')", lambda c: "1" not in c["Number"]),
    ("EXT-8", f"{PAYMENT} eq null", lambda c: c[PAYMENT] is None),
    ("EXT-8", f"null ne {PAYMENT}", lambda c: c[PAYMENT] is not None),
    ("EXT-8", f"{PAYMENT} gt null", lambda c: False),
    ("EXT-8", "SalesPerson eq null", lambda c: c["SalesPerson"] is None),
    ("EXT-8", "CreditLimit ne null", lambda c: c["CreditLimit"] is not None),
    ("EXT-8", "CreditLimit/Currency eq 'BGN' and CreditLimit/Value lt 20000", lambda c: bool(c["CreditLimit"]) and c["CreditLimit"]["Currency"] == "BGN" and c["CreditLimit"]["Value"] < 20000),
    ("EXT-8", f"14 lt {PAYMENT}", _days(PAYMENT, lambda d: d > 14)),
    ("EXT-8", "GracePeriodDays eq DefaultDeliveryTermDays", lambda c: c["GracePeriodDays"] == c["DefaultDeliveryTermDays"]),
    ("EXT-8", "GracePeriodDays ne DefaultDeliveryTermDays", lambda c: c["GracePeriodDays"] != c["DefaultDeliveryTermDays"]),
    ("EXT-8", "tolower(Party/PartyName) eq 'o''neill hardware ltd'", lambda c: _english(c["Party"]).lower() == "o'neill hardware ltd"),
    ("EXT-8", "startswith(toupper(CustomerType/Code),'RE')", lambda c: c["CustomerType"]["Code"] == "RETAIL"),
    ("EXT-8", "length(Party/PartyName) gt 20", lambda c: len(_english(c["Party"])) > 20),
    ("EXT-8", "indexof(Number,'1') eq 5", lambda c: c["Number"].find("1") == 5),
    ("EXT-8", "substring(Number,4) eq '01' or substring(Number,3,2) eq '12'", lambda c: c["Number"][4:] == "01" or c["Number"][3:5] == "12"),
    ("EXT-8", "concat(Number,'x') eq '000009x' or trim(Number) eq '000008'", lambda c: c["Number"] in ("000009", "000008")),
    ("EXT-8", "year(FromDate) eq 2020 and month(FromDate) ge 6", lambda c: "2020-06" <= c["FromDate"] < "2021"),
    ("EXT-8", "day(FromDate) eq 1", lambda c: c["FromDate"][8:10] == "01"),
    ("EXT-8", "hour(CreationTime) eq 22 and minute(CreationTime) eq 13 and second(CreationTime) eq 20", lambda c: True),
    ("EXT-8", "date(CreationTime) eq 2023-11-14", lambda c: True),
    ("EXT-8", "CreationTime lt now() and CreationTime gt 2023-11-14T23:13:19.5+01:00", lambda c: True),
    ("EXT-8", "contains(Number,'1') eq true", lambda c: "1" in c["Number"]),
    ("EXT-8", f"{PAYMENT} lt 99999999999 and {PAYMENT} gt -1e30", lambda c: c[PAYMENT] is not None),
    ("EXT-8", "contains(DisplayText,'Pirin')", lambda c: "Pirin" in _english(c["Party"])),
]  # fmt: skip


@pytest.fixture(scope="module")
def customers() -> dict[int, list[Customer]]:
    return {}


@pytest.mark.parametrize(("text", "holds"), [c[1:] for c in CASES], ids=[f"{c[0]}: {c[1]}" for c in CASES])  # fmt: skip
def test_a_filter_finds_what_it_says(
    world: World, customers: dict[int, list[Customer]], text: str, holds: Predicate
) -> None:
    everyone = customers.setdefault(
        id(world.database), world.values(CUSTOMERS, expand="Party,CustomerType")
    )
    expected = {c["Number"] for c in everyone if holds(c)}
    assert {c["Number"] for c in world.values(CUSTOMERS, filter=text)} == expected


def test_a_reference_is_compared_with_its_address_or_id(world: World) -> None:
    someone = world.values(CUSTOMERS, top="1", filter="SalesPerson ne null")[0]
    link = someone["SalesPerson"]["@odata.id"]
    guid = link[-37:-1]
    forms = [
        f"SalesPerson eq '{link}'",
        f"SalesPerson in ('{link}')",
        f"SalesPerson eq {guid}",
        f"SalesPerson/Id eq {guid.upper()}",
        f"SalesPerson eq '{world.instance.odata_root}{link}'",
    ]
    counts = {len(world.values(CUSTOMERS, filter=form)) for form in forms}
    assert len(counts) == 1
    assert counts != {0}


def test_states_are_ordered_as_declared(world: World) -> None:
    orders = world.values("Crm_Sales_SalesOrders", filter="State ge 'Released'")
    assert {order["State"] for order in orders} == {"Released", "Completed", "Closed"}


REFUSED = [
    "",
    " ",
    "Number",
    "Number eq",
    "Number eq 1",
    "Number eq 'x",
    "Number eq 'x') or (1 eq 1",
    "Active ge true",
    "Party ge null and Party gt 'x'",
    "Nothing eq 1",
    "Number/Deep eq 1",
    "Party/Nothing eq 1",
    "Party eq 'Crm_SalesPersons(5a8c7b1e-0f40-4c43-9b1e-72a6c1d0ef02)'",
    "FromDate eq 2024-02-31",
    "FromDate eq 2024-02-01T10:00:00Z",
    "CreationTime gt 9999-12-31T23:59:59-10:00",
    f"{PAYMENT} eq 1e400",
    f"{PAYMENT} add 1 eq 2",
    "CreditLimit/Value eq 1e300",
    f"{PAYMENT} eq " + "9" * 50,
    "substring(Number,-1) eq 'x'",
    "length(Active) eq 1",
    "year(Number) eq 2024",
    "unknown(Number) eq 1",
    "cast(Number,Edm.Int32) eq 1",
    "Orders/any(o:o/Void eq true)",
    "Number in ()",
    "Number eq 'a\x00b'",
    "1 eq 1",
    "Erp.Number eq 'x'",
    "PartyType eq 'Company'",
    "Party/PartyType eq 'Robot'",
    "equalnull(Number)",
    "now(1) eq 1",
    "(" * 50 + "Active" + ")" * 50,
    "not " * 50 + "Active",
    " and ".join(["Active"] * 900),
    "/".join(["Party"] * 60) + " eq 1",
    "tolower(" * 50 + "Number" + ")" * 50 + " eq 'x'",
    "Number eq '" + "x" * 20_000 + "'",
]


@pytest.mark.parametrize("text", REFUSED, ids=[f"API-43: {text[:40]!r}" for text in REFUSED])
def test_a_filter_that_means_nothing_is_refused(world: World, text: str) -> None:
    response = world.call(CUSTOMERS, {"$filter": text})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == 400


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(["Active"] * 700),
        "Number in (" + ",".join(f"'{n}'" for n in range(700)) + ")",
        "(" * 38 + "Active" + ")" * 38,
    ],
    ids=["EXT-8: chain", "EXT-8: list", "EXT-8: nested"],
)
def test_a_long_filter_is_answered(world: World, text: str) -> None:
    assert world.call(CUSTOMERS, {"$filter": text, "$top": "1"}).status_code == 200


def test_the_year_of_a_lock_without_an_end(own_database: Database) -> None:
    """[SGN-10] is one that every database knows"""
    world = World(own_database, INSTANCE, ADMIN)
    with own_database.begin() as tx:
        found = users.by_id(tx.connection, INSTANCE.id, ADMIN.user_id or "")
        assert found is not None
        users.change(tx, INSTANCE.id, replace(found, locked_until=math.inf))
    for text in ("year(LockoutEndUtc) eq 9999", "LockoutEndUtc ge now()"):
        [locked] = world.values("Systems_Security_Users", filter=text)
        assert locked["LockoutEndUtc"] == "9999-12-31T23:59:59Z"
