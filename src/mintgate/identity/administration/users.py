"""Users: list, show, add, change, lock, password, remove [USR-1..12]."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from mintgate.contract.automation import credentials, records
from mintgate.contract.automation.problems import Conflict, InvalidInput, NoSuchRecord
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import (
    MAX_PASSWORD_BYTES,
    MAY_SIGN_IN,
    User,
    begins_to_sign_in,
    problems_of,
)
from mintgate.identity.accounts.confirmation import tell_of_change
from mintgate.identity.administration.attributes import text_of
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.identity.administration.changes import change_event
from mintgate.identity.administration.names import merged_texts, texts_of
from mintgate.identity.mail.letters import Kind
from mintgate.identity.passwords import hash_password
from mintgate.store import applications, user_search, users


def list_all(call: Call) -> credentials.Page[Any]:
    query = call.given(credentials.UserQuery)
    after, limit = place_of(query.cursor), query.limit
    return page_of(
        lambda: user_search.users_part(
            call.connection, call.instance.id, after, limit, query.login, query.search
        ),
        shown,
    )


def get(call: Call) -> msgspec.Struct:
    return shown(stored(call))


def prepared_password(body: Any, _: Instance) -> str | None:
    """The hash of the password in a body, which takes too long for a transaction [EXT-1]."""
    password = body.password
    if password is None:
        return None
    if not 1 <= len(password.encode()) <= MAX_PASSWORD_BYTES:
        sentence = f"must have 1 to {MAX_PASSWORD_BYTES} bytes"
        raise InvalidInput(problems=[("Password", sentence)])
    return hash_password(password)


def create(call: Call) -> msgspec.Struct:
    """Raises InvalidInput with every problem of the record."""
    call.lock()
    values = msgspec.structs.asdict(call.body)
    del values["password"]
    if values["default_language"] is UNSET:
        values["default_language"] = call.acting.user.default_language  # [USR-6]
    user = User(**values | {"name": texts_of(values["name"])}, id=new_guid())
    problems = problems_of(user) + conflicts(call, user)
    if begins_to_sign_in(None, user) and call.prepared is None:
        problems.append(("Password", f"is needed for a user of type {user.user_type} [USR-11]"))
    if problems:
        raise InvalidInput(problems=problems)
    users.add(call.writing, call.instance.id, user, call.prepared)
    record(call, "user.added", None, user, has_new_password=call.prepared is not None)
    return shown(user)


def change(call: Call) -> msgspec.Struct:
    """Raises InvalidInput, NoSuchRecord, PreconditionFailed."""
    before = _to_change(call)
    values = msgspec.structs.asdict(call.body)
    changes = {name: value for name, value in values.items() if value is not UNSET}
    if "name" in changes:
        changes["name"] = merged_texts(before.name, changes["name"])
    if "email" in changes and changes["email"] != before.email:
        changes.setdefault("email_confirmed", False)  # [USR-3]
    after = replace(before, **changes)
    problems = problems_of(after) + conflicts(call, after)
    if begins_to_sign_in(before, after) and not users.password_hash(
        call.connection, call.instance.id, after.id
    ):
        problems.append(("UserType", f"{after.user_type} needs a password: set one first [USR-11]"))
    if problems:
        raise InvalidInput(problems=problems)
    return changed(call, before, after)


def activate(call: Call) -> msgspec.Struct:
    before = _to_change(call)
    return changed(call, before, replace(before, active=True))


def deactivate(call: Call) -> msgspec.Struct:
    """No sign-in, no tokens, no API calls, at once [USR-4]."""
    before = _to_change(call)
    return changed(call, before, replace(before, active=False))


def lock(call: Call) -> msgspec.Struct:
    """[SGN-10]"""
    until = call.given(credentials.Lock).until
    if until is not None and until <= call.now:
        raise InvalidInput("The end of a lock must be in the future.")
    before = _to_change(call)
    return changed(call, before, replace(before, locked_until=until or math.inf))


def unlock(call: Call) -> msgspec.Struct:
    before = _to_change(call)
    return changed(call, before, replace(before, locked_until=None))


def set_password(call: Call) -> None:
    """Refresh tokens, open codes and sign-ins of the user end; PATs survive [USR-22]."""
    user = _to_change(call)
    users.set_password(call.writing, call.instance.id, user.id, call.prepared)
    record(call, "user.changed", user, user, has_new_password=True)
    tell_of_password(call, user)


def tell_of_password(call: Call, user: User) -> None:
    """Write to a user whose password was changed: it may not have been the user who did."""
    if call.can_mail and user.email_confirmed:
        call.outbox().put(call.writing, Kind.PASSWORD_CHANGED, user)


def remove(call: Call) -> None:
    """Everything that acts as the user ends. Raises Conflict for a system user."""
    user = _to_change(call)
    instance_id = call.instance.id
    of = [a for a in applications.all_of(call.connection, instance_id) if a.system_user == user.id]
    if of:
        raise Conflict(f"The application {of[0].application_uri} has this user as its SystemUser.")
    users.remove(call.writing, instance_id, user.id)
    record(call, "user.removed", user, None)


def stored(call: Call) -> User:
    """The user that the path names. Raises NoSuchRecord."""
    found = users.by_id(call.connection, call.instance.id, call.path["user_id"])
    if found is None:
        raise NoSuchRecord("There is no user with this id.")
    return found


def shown(user: User) -> msgspec.Struct:
    """The record for administrators; the lock as text, for JSON has no infinity."""
    values = msgspec.structs.asdict(user)
    values["locked_until"] = text_of("LockoutEndUtc", user.locked_until)
    return records.UserRecord(**values)


def _to_change(call: Call) -> User:
    call.lock()
    found = stored(call)
    call.require_match(shown(found))
    return found


def changed(call: Call, before: User, after: User) -> msgspec.Struct:
    """Store a record that was checked, and note what differs."""
    if after != before:
        users.change(call.writing, call.instance.id, after)
        record(call, "user.changed", before, after)
        if call.can_mail and after.user_type in MAY_SIGN_IN:
            tell_of_change(call.writing, call.outbox(), before, after)
    return shown(after)


def conflicts(call: Call, user: User) -> list[tuple[str, str]]:
    """What of the record another user has already."""
    found = []
    logins, emails = users.owners(call.connection, call.instance.id, user.login, user.email)
    if logins - {user.id}:
        found.append(("Login", "exists already; it must be unique in any case [USR-2]"))
    if emails - {user.id}:
        found.append(("Email", "is that of another user; it must be unique [USR-3]"))
    return found


def record(
    call: Call,
    event: str,
    before: User | None,
    after: User | None,
    *,
    has_new_password: bool = False,
) -> None:
    """Note an event of a user, with what differs."""
    told = change_event(
        call.instance.id,
        call.now,
        event,
        before=before,
        after=after,
        actor=None,
        new_password=has_new_password,
    )
    call.record(event, subject_id=told.subject_id, details=told.details, personal=told.personal)
