"""The people and the applications of a company, and what each of them has at the moment."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Table, select

from bench.growth.rows import DAY, Row
from bench.pages.sizes import Sizes
from mintgate.contract.licences import Seat
from mintgate.store import Database
from mintgate.store.tables import (
    applications,
    consents,
    erp_sessions,
    identity_sessions,
    reference_tokens,
    refresh_families,
    refresh_tokens,
    users,
)

PERSON, PROGRAM = "person.zero", "company.example/program"
"""Login and URI of the declared records that the others are copies of."""
ADMINISTRATOR = "mira.k"
GIVEN = {
    "Ivan": "Иван", "Maria": "Мария", "Georgi": "Георги", "Elena": "Елена", "Dimitar": "Димитър",
    "Petya": "Петя", "Nikolay": "Николай", "Anna": "Анна", "Stefan": "Стефан", "Yana": "Яна",
    "Hristo": "Христо", "Olga": "Олга", "Todor": "Тодор", "Rada": "Рада", "Krum": "Крум",
}  # fmt: skip
FAMILY = {
    "Petrov": "Петров", "Ivanov": "Иванов", "Dimitrov": "Димитров", "Georgiev": "Георгиев",
    "Stoyanov": "Стоянов", "Kolev": "Колев", "Todorov": "Тодоров", "Nikolov": "Николов",
    "Hristov": "Христов", "Angelov": "Ангелов", "Marinov": "Маринов", "Popov": "Попов",
    "Vasilev": "Василев", "Yordanov": "Йорданов", "Iliev": "Илиев", "Kostov": "Костов",
}  # fmt: skip
PROGRAMS = ("orders", "warehouse", "payroll", "reports", "shop", "crm-sync", "mobile", "kiosk")
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
# So many of each has a person, on the average.
SESSIONS, FAMILIES, TOKENS, CONSENTS = 0.3, 1.5, 0.3, 0.5
OPEN_AT_ONCE = 250
"""ERP sessions: people at work."""
STAYS = 7200.0
"""Seconds that these are not idle, however long the run takes."""


class Person(msgspec.Struct, frozen=True):
    id: str
    login: str


class Program(msgspec.Struct, frozen=True):
    id: str
    uri: str


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """Args: people: the administrator is the first of them."""

    instance_id: str
    people: list[Person]
    programs: list[Program]


def rows_of_people(database: Database, sizes: Sizes) -> tuple[list[Person], list[Row]]:
    """Everyone with the password of `PERSON`; the administrator comes first and is there."""
    first = _stored(database, users, "login", PERSON)
    administrator = _stored(database, users, "login", ADMINISTRATOR)
    people = [Person(administrator["id"], ADMINISTRATOR)]
    rows: list[Row] = []
    names = [(given, family) for family in FAMILY for given in GIVEN]
    for number in range(sizes.users - 2):
        given, family = names[number % len(names)]
        login = f"{given}.{family}.{number}".lower()
        person = Person(f"00000000-0000-4000-8000-{number:012d}", login)
        people.append(person)
        values = first | {
            "id": person.id,
            "login": login,
            "login_key": login,
            "name": {"en": f"{given} {family}", "bg": f"{GIVEN[given]} {FAMILY[family]}"},
            "email": f"{login}@company.example",
            "email_key": f"{login}@company.example",
            "email_confirmed": True,
            "active": number % 50 != 7,
        }
        rows.append(row(users, **values))
    return people, rows


def rows_of_programs(database: Database, sizes: Sizes) -> tuple[list[Program], list[Row]]:
    first = _stored(database, applications, "application_uri", PROGRAM)
    programs: list[Program] = []
    rows: list[Row] = []
    for number in range(sizes.applications):
        name = PROGRAMS[number % len(PROGRAMS)]
        program = Program(
            f"00000000-0000-4000-9000-{number:012d}", f"company.example/{name}-{number}"
        )
        programs.append(program)
        values = first | {
            "id": program.id,
            "name": {"en": f"{name.title()} {number}"},
            "application_uri": program.uri,
            "application_uri_key": program.uri,
            "is_enabled": number % 40 != 3,
        }
        rows.append(row(applications, **values))
    return programs, rows


def rows_of_the_moment(company: Company, now: float) -> Iterator[tuple[Table, Row]]:
    """Sign-ins, open ERP sessions, refresh tokens, personal tokens and consents."""
    chance = random.Random(4)  # noqa: S311 - the same in every run
    common = {"instance_id": company.instance_id}

    def hex_of(bits: int) -> str:
        return f"{chance.getrandbits(bits):0{bits // 4}x}"

    # A few applications are used by nearly everybody.
    by_use = list(itertools.accumulate(1.0 / (n + 2) for n in range(len(company.programs))))

    def some_program() -> Program:
        return chance.choices(company.programs, cum_weights=by_use)[0]

    def somebody() -> Person:
        # The administrator has much of everything: those pages are looked at.
        return company.people[0] if chance.random() < 0.01 else chance.choice(company.people)

    count = len(company.people)
    for _ in range(int(count * SESSIONS)):
        began = now - chance.random() * 14 * DAY
        values = {
            "sid": hex_of(128).upper(),
            "cookie_hash": hex_of(256),
            "user_id": somebody().id,
            "auth_time": int(began),
            "amr": ["pwd"],
            "idp": "local",
            "created_at": began,
            "expires_at": now + 14 * DAY,
            "last_used_at": began + 600.0,
            "address": _address(chance),
            "user_agent": chance.choice(BROWSERS),
        }
        yield identity_sessions, row(identity_sessions, **common, **values)
    for _ in range(int(count * FAMILIES)):
        yield from _family(company, somebody(), some_program(), chance, now)
    for number in range(int(count * TOKENS)):
        yield reference_tokens, _token(company, somebody(), some_program(), number, chance, now)
    for number in range(int(count * CONSENTS)):
        values = {
            "user_id": company.people[number % count].id,
            "application_id": company.programs[number % len(company.programs)].id,
            "scopes": ["read", "update"],
            "given_at": now - chance.random() * 180 * DAY,
        }
        yield consents, row(consents, **common, **values)
    for number in range(min(OPEN_AT_ONCE, count)):
        person = company.people[number]
        values = {
            "key": hex_of(256),
            "kind": "interactive",
            "user_id": person.id,
            "login": person.login,
            "login_key": person.login,
            "client_ids": [some_program().uri],
            "started_at": now - chance.random() * 4 * 3600,
            "last_request_at": now + STAYS,
            "seat": Seat.GENERAL.value,
            "current_requests": 0,
            "total_requests": chance.randrange(2000),
            "uploaded": chance.randrange(10**7),
            "downloaded": chance.randrange(10**8),
        }
        yield erp_sessions, row(erp_sessions, **common, **values)


def _family(
    company: Company, person: Person, program: Program, chance: random.Random, now: float
) -> Iterator[tuple[Table, Row]]:
    began = now - chance.random() * 60 * DAY
    family_id = f"{chance.getrandbits(128):032x}"
    values = {
        "id": family_id,
        "application_id": program.id,
        "user_id": person.id,
        "sid": f"{chance.getrandbits(128):032X}",
        "scopes": ["openid", "read", "offline_access"],
        "auth_time": int(began),
        "amr": ["pwd"],
        "idp": "local",
        "id_token_claims": [],
        "userinfo_claims": [],
        "created_at": began,
        "expires_at": now + 30 * DAY,
    }
    yield refresh_families, row(refresh_families, instance_id=company.instance_id, **values)
    parent = None
    for step in range(3):
        token = f"{chance.getrandbits(256):064x}"
        values = {
            "token_hash": token,
            "family_id": family_id,
            "parent_hash": parent,
            "issued_at": began + step * 3600,
            "consumed_at": began + (step + 1) * 3600 if step < 2 else None,
        }
        yield refresh_tokens, row(refresh_tokens, instance_id=company.instance_id, **values)
        parent = token


def _token(
    company: Company,
    person: Person,
    program: Program,
    number: int,
    chance: random.Random,
    now: float,
) -> Row:
    began = now - chance.random() * 300 * DAY
    return row(
        reference_tokens,
        instance_id=company.instance_id,
        token_key=f"{chance.getrandbits(256):064x}",
        id=f"{chance.getrandbits(128):032x}",
        kind="PAT",
        application_id=program.id,
        user_id=person.id,
        scopes=["read"],
        description=f"Report {number}",
        jti=f"{chance.getrandbits(128):032X}",
        sid=f"{chance.getrandbits(128):032X}",
        created_by=person.login,
        created_at=began,
        expires_at=began + 365 * DAY,
    )


def _stored(database: Database, table: Table, column: str, value: str) -> dict[str, Any]:
    found = database.read_now(
        lambda c: c.execute(select(table).where(table.c[column] == value)).mappings().one()
    )
    return dict(found)


def row(table: Table, **values: Any) -> Row:
    """In the order of the table's columns, as drivers take it; what is not given is null."""
    return tuple(_plain(values.get(column.name)) for column in table.columns)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value


def _address(chance: random.Random) -> str:
    return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
