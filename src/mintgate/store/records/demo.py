"""Demonstration data: the same few hundred rows on every machine, from a fixed seed."""

from __future__ import annotations

import datetime
import random
import uuid
from typing import Any

from sqlalchemy import insert, select

from mintgate.store.records import demo_names as names
from mintgate.store.records.catalog import ENTITY_SETS
from mintgate.store.transaction import Transaction

CUSTOMERS = 300
ORDERS = 400
_NAMESPACE = uuid.UUID("5b6f3c1e-6a52-4c8f-9f27-0d3a8a4b7e10")
_FIRST_DAY = datetime.date(2019, 1, 1)
_CREATED = 1_700_000_000.0
_CREATOR = "system"
Rows = list[dict[str, Any]]


def fill_demo_data(tx: Transaction, instance_id: str) -> None:
    """Insert the demonstration data of one instance; does nothing when there are customers."""
    customers = ENTITY_SETS["Crm_Sales_Customers"].table
    found = select(customers.c.id).where(customers.c.instance_id == instance_id).limit(1)
    if tx.connection.execute(found).first() is not None:
        return
    chance = random.Random("mintgate")  # noqa: S311 - data for show, nothing secret
    currencies = [
        _row("currency", code, currency_sign=code, name={"en": en, "bg": bg})
        for code, en, bg in names.CURRENCIES
    ]
    types = [
        _row("type", code, code=code, name={"en": en, "bg": bg})
        for code, en, bg in names.CUSTOMER_TYPES
    ]
    companies = [_party(f"C{n:05}", _company_name(n), "Company") for n in range(CUSTOMERS)]
    persons = [
        _party(f"P{n:05}", _texts(en, bg), "Person") for n, (en, bg) in enumerate(names.PERSONS)
    ]
    enterprises = [
        _row(
            "enterprise",
            code,
            code=code,
            company_id=companies[index]["id"],
            base_currency_id=currencies[0]["id"],
        )
        for index, code in enumerate(("MAIN", "NORTH"))
    ]
    sellers = [_seller(number, person) for number, person in enumerate(persons)]
    buyers = [
        _customer(chance, number, party, types, sellers, currencies, enterprises)
        for number, party in enumerate(companies)
    ]
    orders = [_order(chance, number, buyers) for number in range(ORDERS)]
    for set_name, rows in (
        ("General_Currencies", currencies),
        ("Crm_CustomerTypes", types),
        ("General_Contacts_Parties", companies + persons),
        ("General_EnterpriseCompanies", enterprises),
        ("Crm_SalesPersons", sellers),
        ("Crm_Sales_Customers", buyers),
        ("Crm_Sales_SalesOrders", orders),
    ):
        for row in rows:
            row["instance_id"] = instance_id
        tx.connection.execute(insert(ENTITY_SETS[set_name].table), rows)


def _row(family: str, key: str, **values: Any) -> dict[str, Any]:
    tracking = {
        "creation_time": _CREATED,
        "creation_user": _CREATOR,
        "update_time": None,
        "update_user": None,
    }
    return {"id": str(uuid.uuid5(_NAMESPACE, f"{family} {key}")), **values, **tracking}


def _texts(english: str, bulgarian: str | None) -> dict[str, str]:
    return {"en": english} if bulgarian is None else {"en": english, "bg": bulgarian}


def _company_name(number: int) -> dict[str, str]:
    count = len(names.COMPANIES)
    english, bulgarian = names.COMPANIES[number % count]
    branch = names.BRANCHES[number // count % len(names.BRANCHES)]
    form = names.FORMS[number % len(names.FORMS)]
    if bulgarian is None:
        return {"en": f"{english}{branch[0]}{form[0]}"}
    return _texts(f"{english}{branch[0]}{form[0]}", f"{bulgarian}{branch[1]}{form[1]}")


def _party(code: str, name: dict[str, str], party_type: str) -> dict[str, Any]:
    return _row(
        "party", code, party_code=code, party_name=name, party_type=party_type, is_active=True
    )


def _seller(number: int, person: dict[str, Any]) -> dict[str, Any]:
    started = _FIRST_DAY + datetime.timedelta(days=61 * number)
    return _row(
        "seller",
        str(number),
        number=f"SP{number:03}",
        active=number % 6 != 5,
        person_id=person["id"],
        contract_start_date=started,
        contract_end_date=started + datetime.timedelta(days=730) if number % 6 == 5 else None,
    )


def _customer(
    chance: random.Random,
    number: int,
    party: dict[str, Any],
    types: Rows,
    sellers: Rows,
    currencies: Rows,
    enterprises: Rows,
) -> dict[str, Any]:
    since = _FIRST_DAY + datetime.timedelta(days=chance.randrange(2000))
    active = chance.random() < 0.9
    has_limit = chance.random() < 0.7
    currency = chance.choice(currencies[:2]) if party["party_name"].get("bg") else currencies[0]
    return _row(
        "customer",
        str(number),
        number=f"{number + 1:06}",
        active=active,
        credit_limit_value=chance.randrange(5, 500) * 10_000 if has_limit else None,
        credit_limit_currency=currency["currency_sign"] if has_limit else None,
        default_payment_term_days=chance.choice((None, 7, 14, 30, 30, 60)),
        default_delivery_term_days=chance.choice((None, 2, 5, 10)),
        grace_period_days=chance.choice((None, 0, 3, 5)),
        from_date=since,
        thru_date=None if active else since + datetime.timedelta(days=chance.randrange(90, 900)),
        party_id=party["id"],
        customer_type_id=chance.choice(types)["id"],
        sales_person_id=chance.choice(sellers)["id"] if chance.random() < 0.8 else None,
        default_currency_id=currency["id"],
        enterprise_company_id=chance.choice(enterprises)["id"],
    )


def _order(chance: random.Random, number: int, customers: Rows) -> dict[str, Any]:
    customer = chance.choice(customers)
    states = ("New", "Planned", "FirmPlanned", "Released", "Completed", "Closed")
    return _row(
        "order",
        str(number),
        document_no=f"SO{number + 1:07}",
        document_date=datetime.date(2024, 1, 1) + datetime.timedelta(days=number),
        state=chance.choice(states),
        void=chance.random() < 0.05,
        total_amount_value=chance.randrange(1_000, 2_000_000),
        total_amount_currency=customer["credit_limit_currency"] or "EUR",
        notes=None,
        customer_id=customer["id"],
        sales_person_id=customer["sales_person_id"],
        document_currency_id=customer["default_currency_id"],
        enterprise_company_id=customer["enterprise_company_id"],
    )
