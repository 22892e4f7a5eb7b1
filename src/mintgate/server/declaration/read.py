"""From the text of a file to a declaration."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.declared_apis import Limits
from mintgate.contract.identifiers import secret_hash
from mintgate.contract.instance import Instance
from mintgate.contract.policy import Policy
from mintgate.contract.users import ATTRIBUTES, User, UserType
from mintgate.server.declaration import keys
from mintgate.server.declaration.locate import Path, lines_of
from mintgate.server.declaration.model import (
    Declaration,
    DeclaredApi,
    DeclaredApplication,
    DeclaredUser,
)
from mintgate.server.declaration.problems import InvalidDeclaration, Problem, Source
from mintgate.server.declaration.tables import unknown_key, values_of

T = TypeVar("T")
TABLES = ("instance", "apis", "applications", "users")
_SYNTAX_PLACE = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")
# Where a value does not fit, one stands in that causes no further problem: this type may be an
# administrator and a system user, and needs no password.
_STAND_IN_TYPE = UserType.SYSTEM


def read(text: str, environment: Mapping[str, str]) -> Declaration:
    """Read a file; what is wrong inside it is noted in `Declaration.problems`.

    Args:
        environment: where `{ env = "NAME" }` looks.

    Raises:
        InvalidDeclaration: it is not TOML, or says nothing about an instance.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDeclaration([syntax_problem(text, str(error))]) from None
    reader = _Reader(document, lines_of(text))
    return reader.declaration(environment)


class _Reader:
    def __init__(self, document: Mapping[str, object], lines: Mapping[Path, int]) -> None:
        self._document = document
        self._lines = lines
        self._problems: list[Problem] = []

    def declaration(self, environment: Mapping[str, str]) -> Declaration:
        root = Source(self._lines)
        for name in self._document:
            if name not in TABLES:
                self._problems.append(root.problem(name, unknown_key(name, TABLES)))
        instance, reserved_seats = self._instance()
        apis = self._records("apis", keys.api(environment), _api)
        applications = self._records("applications", keys.application(environment), _application)
        users = self._records("users", keys.user(environment), _user)
        if instance is None:
            raise InvalidDeclaration(self._problems)
        return Declaration(
            instance=instance,
            apis=apis,
            applications=applications,
            users=users,
            reserved_seats=reserved_seats,
            instance_source=Source(self._lines, ("instance",)),
            problems=tuple(self._problems),
        )

    def _instance(self) -> tuple[Instance | None, tuple[str, ...] | None]:
        """The instance, and the logins with a licence slot of their own."""
        table = self._document.get("instance")
        source = Source(self._lines, ("instance",))
        if not isinstance(table, dict):
            needed = "must be a table: [instance] with name, database and base_url"
            self._problems.append(Source(self._lines).problem("instance", needed))
            return None, None
        values = values_of(table, keys.INSTANCE, source, self._problems)
        if not values.keys() >= set(keys.INSTANCE.required):
            return None, None
        seats = values.pop("reserved_seats", None)
        reserved = None if seats is None else msgspec.convert(seats, tuple[str, ...])
        return msgspec.convert({"id": "", **values}, Instance), reserved

    def _records(
        self,
        name: str,
        shape: keys.TableShape,
        build: Callable[[dict[str, object], Source], T],
    ) -> tuple[T, ...]:
        tables = self._document.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            wrong = f"must be a list of tables; write [[{name}]] above each"
            self._problems.append(Source(self._lines).problem(name, wrong))
            return ()
        found = []
        for index, table in enumerate(tables):
            source = Source(self._lines, (name, index))
            values = values_of(table, shape, source, self._problems)
            if shape.required[0] in values:  # else nothing can be said about it
                found.append(build(values, source))
        return tuple(found)


def _api(values: dict[str, object], source: Source) -> DeclaredApi:
    policy, basic_client = values.get("policy"), values.get("basic_client")
    return DeclaredApi(
        name=str(values["Name"]),
        secret_hash=_secret_hash(values, "Secret", "SecretHash"),
        policy=msgspec.convert(policy, Policy) if policy is not None else None,
        limits=msgspec.convert(values.get("limits", {}), Limits),
        basic_client=None if basic_client is None else str(basic_client),
        source=source,
    )


def _application(values: dict[str, object], source: Source) -> DeclaredApplication:
    hashed = _secret_hash(values, "ApplicationSecret", "ApplicationSecretHash")
    second = _secret_hash(values, "SecondSecret", "SecondSecretHash")
    system_user = values.pop("SystemUser", None)
    attributes = {"Id": "", "Name": {"en": "?"}, **values}
    return DeclaredApplication(
        record=msgspec.convert(attributes, TrustedApplication),
        system_user=None if system_user is None else str(system_user),
        secret_hash=hashed,
        second_secret_hash=second,
        source=source,
    )


def _user(values: dict[str, object], source: Source) -> DeclaredUser:
    password, hashed = values.pop("Password", None), values.pop("PasswordHash", None)
    attributes = {"Id": "", "Name": {"en": "?"}, "UserType": _STAND_IN_TYPE, **values}
    return DeclaredUser(
        record=msgspec.convert({ATTRIBUTES[key]: value for key, value in attributes.items()}, User),
        password=None if password is None else str(password),
        password_hash=None if hashed is None else str(hashed),
        source=source,
    )


def _secret_hash(values: dict[str, object], clear: str, hashed: str) -> str | None:
    secret, given = values.pop(clear, None), values.pop(hashed, None)
    if secret is not None:
        return secret_hash(str(secret))
    return None if given is None else str(given)


def syntax_problem(text: str, message: str) -> Problem:
    """What `tomllib` says of a text, at its line."""
    place = _SYNTAX_PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    return Problem(line, "", f"this is not TOML: {_SYNTAX_PLACE.sub('', message)}")
