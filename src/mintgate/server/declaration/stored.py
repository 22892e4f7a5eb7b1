"""What the database holds of the declared instance, read in one go so that it can be compared."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.server.declaration.model import Declaration
from mintgate.store import apis, applications, instances, reserved_seats, users
from mintgate.store.apis import StoredApi


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as stored; `instance` is None when there is none of that name.

    `password_hashes` holds those of the declared users only.
    """

    instance: Instance | None = None
    other_instances: tuple[Instance, ...] = ()
    apis: dict[str, StoredApi] = {}
    applications: tuple[TrustedApplication, ...] = ()
    users: tuple[User, ...] = ()
    password_hashes: dict[str, str | None] = {}
    reserved_seats: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Stored({self.instance!r})"  # hashes must reach no log


def stored(connection: Connection, declaration: Declaration) -> Stored:
    """Read what `declaration` is about."""
    everything = instances.all_of(connection)
    name = declaration.instance.name
    instance = next((found for found in everything if found.name == name), None)
    others = tuple(found for found in everything if found is not instance)
    if instance is None:
        return Stored(other_instances=others)
    stored_users = users.all_of(connection, instance.id)
    declared = {user.record.id for user in declaration.users}
    logins = {key_of(user.record.login) for user in declaration.users}
    return Stored(
        instance=instance,
        other_instances=others,
        apis={api.settings.name: api for api in apis.all_of(connection, instance.id)},
        applications=tuple(applications.all_of(connection, instance.id)),
        users=tuple(stored_users),
        password_hashes={
            user.id: users.password_hash(connection, instance.id, user.id)
            for user in stored_users
            if user.id in declared or key_of(user.login) in logins
        },
        reserved_seats=tuple(seat.login for seat in reserved_seats.all_of(connection, instance.id)),
    )


def key_of(name: str) -> str:
    """Logins, emails and application URIs are unique without regard to case [TAP-3]."""
    return name.casefold()
