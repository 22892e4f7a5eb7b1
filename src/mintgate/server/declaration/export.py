"""From the database back to a file that `read` understands and that changes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import tomlkit
from sqlalchemy import Connection
from tomlkit import TOMLDocument
from tomlkit.items import AoT, Table

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.first_party import is_built_in
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.identity.administration.attributes import SECRET_TIMES, SECRETS
from mintgate.server.declaration.api_attributes import declared_limits, declared_policy
from mintgate.server.declaration.differences import (
    attributes_of,
    defaults_of,
)
from mintgate.store import Database, apis, applications, reserved_seats, users
from mintgate.store.apis import StoredApi

WITH_HASHES = (
    "An instance of mintgate; bring it back with: mintgate apply FILE",
    "It holds hashes of passwords and secrets: keep it where you would keep the database.",
    "The signing keys and the data of the APIs are not in it.",
)
WITHOUT_HASHES = (
    "An instance of mintgate, without hashes of passwords and secrets.",
    "mintgate apply FILE keeps those that the database has, and asks for those of new users.",
    "The signing keys and the data of the APIs are not in it.",
)
LEFT_OUT = frozenset({"CreationTimeUtc", "SystemUser", *SECRETS, *SECRET_TIMES})


class _Content(msgspec.Struct, frozen=True):
    apis: list[StoredApi]
    applications: list[TrustedApplication]
    users: list[User]
    password_hashes: Mapping[str, str | None]
    reserved_seats: list[str]


def export(database: Database, instance: Instance, *, secrets: bool = True) -> str:
    """The instance as TOML.

    Args:
        secrets: whether the hashes of passwords and secrets are in it.

    Raises:
        DatabaseUnavailable: it cannot be read.
    """
    content = database.read_now(lambda connection: _content(connection, instance, secrets=secrets))
    document = tomlkit.document()
    for line in WITH_HASHES if secrets else WITHOUT_HASHES:
        document.add(tomlkit.comment(line))
    table = _table(instance, {})
    if content.reserved_seats:
        table.add("reserved_seats", content.reserved_seats)
    document.add("instance", table)
    _add_tables(document, "apis", [_api(api, secrets=secrets) for api in content.apis])
    logins = {user.id: user.login for user in content.users}
    _add_tables(
        document,
        "applications",
        [_application(record, logins, secrets=secrets) for record in content.applications],
    )
    _add_tables(
        document,
        "users",
        [_user(record, content.password_hashes.get(record.id)) for record in content.users],
    )
    return tomlkit.dumps(document)


def _content(connection: Connection, instance: Instance, *, secrets: bool) -> _Content:
    all_users = users.all_of(connection, instance.id)
    hashes = {
        user.id: users.password_hash(connection, instance.id, user.id)
        for user in all_users
        if secrets
    }
    return _Content(
        apis=apis.all_of(connection, instance.id),
        applications=[
            application
            for application in applications.all_of(connection, instance.id)
            if not is_built_in(application.application_uri)
        ],
        users=all_users,
        password_hashes=hashes,
        reserved_seats=[seat.login for seat in reserved_seats.all_of(connection, instance.id)],
    )


def _add_tables(document: TOMLDocument, name: str, tables: list[Table]) -> None:
    if tables:
        list_of_tables: AoT = tomlkit.aot()
        for table in tables:
            list_of_tables.append(table)
        document.add(name, list_of_tables)


def _api(api: StoredApi, *, secrets: bool) -> Table:
    table = tomlkit.table()
    table.add("Name", api.settings.name)
    if api.secret_hash and secrets:
        table.add("SecretHash", api.secret_hash)
    if api.settings.basic_client is not None:
        table.add("basic_client", api.settings.basic_client)
    for key, values in (("limits", declared_limits(api)), ("policy", declared_policy(api))):
        if values:
            inner = tomlkit.table()
            inner.update(values)
            table.add(key, inner)
    return table


def _application(record: TrustedApplication, logins: Mapping[str, str], *, secrets: bool) -> Table:
    added: dict[str, str | datetime] = {}
    for name, hashed, end in (
        ("ApplicationSecret", record.application_secret_hash, record.application_secret_end_utc),
        ("SecondSecret", record.second_secret_hash, record.second_secret_end_utc),
    ):
        if hashed and secrets:
            added[f"{name}Hash"] = hashed
            if end is not None:
                added[f"{name}EndUtc"] = datetime.fromtimestamp(end, UTC)
    if record.system_user and record.system_user in logins:
        added["SystemUser"] = logins[record.system_user]
    return _table(record, added)


def _user(record: User, password_hash: str | None) -> Table:
    return _table(record, {"PasswordHash": password_hash} if password_hash else {})


def _table(
    record: Instance | TrustedApplication | User, added: Mapping[str, str | datetime]
) -> Table:
    """What is not the default anyway."""
    table = tomlkit.table()
    defaults = defaults_of(record)
    for key, value in attributes_of(record).items():
        is_default = key in defaults and value == defaults[key]
        if key == "id" or key in LEFT_OUT or is_default:
            continue
        table.add(key, _item(key, value))
    for key, text in added.items():
        table.add(key, text)
    return table


def _item(key: str, value: object) -> object:
    if isinstance(value, dict):
        if value.keys() == {"en"}:
            return value["en"]
        names = tomlkit.inline_table()
        names.update(value)
        return names
    if key == "LockoutEndUtc" and isinstance(value, int | float):
        return value if math.isinf(value) else datetime.fromtimestamp(math.ceil(value), UTC)
    return str(value) if isinstance(value, str) else value
