"""Trusted applications: list, show, add, change, remove, secret [TAP-1..33]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from mintgate.contract import first_party
from mintgate.contract.applications import TrustedApplication, problems_of
from mintgate.contract.automation import credentials, records
from mintgate.contract.automation.problems import BuiltIn, InvalidInput, NoSuchRecord
from mintgate.contract.identifiers import new_guid, new_secret, secret_hash
from mintgate.identity.administration.attributes import text_of
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.identity.administration.changes import change_event
from mintgate.identity.administration.names import merged_texts, texts_of
from mintgate.identity.lifecycle import telling
from mintgate.store import apis, applications, listings, users

MAX_SECRET = 1024


def list_all(call: Call) -> credentials.Page[Any]:
    query = call.given(credentials.ApplicationQuery)
    after, limit = place_of(query.cursor), query.limit
    return page_of(
        lambda: listings.applications_part(
            call.connection, call.instance.id, after, limit, query.uri, query.search
        ),
        lambda application: shown(call, application),
    )


def get(call: Call) -> msgspec.Struct:
    return shown(call, stored(call))


def create(call: Call) -> msgspec.Struct:
    """Raises InvalidInput with every problem of the record."""
    call.lock()
    values = _values(call, msgspec.structs.asdict(call.body))
    secret = values.pop("secret")
    application = TrustedApplication(
        **values | {"name": texts_of(values["name"])},
        id=new_guid(),
        application_secret_hash=_hash_of(secret) if secret is not None else None,
        creation_time_utc=int(call.now),
    )
    add(call, application, "application.added")
    return shown(call, application)


def add(call: Call, application: TrustedApplication, event: str) -> None:
    """Store a new record, and note it as `event`. Raises InvalidInput."""
    _require_valid(call, application)
    applications.add(call.writing, call.instance.id, application)
    _record(call, event, None, application)


def change(call: Call) -> msgspec.Struct:
    """Raises BuiltIn, InvalidInput, NoSuchRecord, PreconditionFailed."""
    before = _to_change(call)
    values = _values(call, msgspec.structs.asdict(call.body))
    changes = {name: value for name, value in values.items() if value is not UNSET}
    if "name" in changes:
        changes["name"] = merged_texts(before.name, changes["name"])
    return _changed(call, before, replace(before, **changes))


def enable(call: Call) -> msgspec.Struct:
    before = _to_change(call)
    return _changed(call, before, replace(before, is_enabled=True), is_checked=False)


def disable(call: Call) -> msgspec.Struct:
    """All flows and APIs refuse it at once; its refresh tokens end [LIF-15]."""
    before = _to_change(call)
    return _changed(call, before, replace(before, is_enabled=False), is_checked=False)


def set_secret(call: Call) -> credentials.MadeSecret:
    """Access tokens already issued stay valid [TAP-32]; the answer has a secret made here.

    Both secrets of before end [EXT-10].
    """
    before = _to_change(call)
    given = call.given(credentials.SecretChange).secret
    secret = given if given is not None else new_secret()
    after = replace(
        before,
        application_secret_hash=_hash_of(secret),
        application_secret_end_utc=None,
        second_secret_hash=None,
        second_secret_end_utc=None,
    )
    _changed(call, before, after)
    return credentials.MadeSecret(None if given is not None else secret)


def change_secrets(
    call: Call, changed: Callable[[TrustedApplication], TrustedApplication]
) -> msgspec.Struct:
    """Store what `changed` makes of the record that the path names."""
    before = _to_change(call)
    return _changed(call, before, changed(before))


def remove(call: Call) -> None:
    """Its refresh and reference tokens die with it [TAP-33]; it is told, if it was installed so."""
    application = _to_change(call)
    # Who works at the machine itself is nobody's login, and no application's business.
    login = call.acting.user.login if call.acting.user.id else None
    telling.remove_application(call.writing, call.instance.id, application, login)
    _record(call, "application.removed", application, None)


def stored(call: Call) -> TrustedApplication:
    """The application that the path names. Raises NoSuchRecord."""
    found = applications.by_id(call.connection, call.instance.id, call.path["application_id"])
    if found is None:
        raise NoSuchRecord("There is no application with this id.")
    return found


def shown(call: Call, application: TrustedApplication) -> msgspec.Struct:
    """The record for those who may see it; secrets are never part of it."""
    values = msgspec.structs.asdict(application)
    if application.system_user is not None:
        user = users.by_id(call.connection, call.instance.id, application.system_user)
        values["system_user"] = user.login if user else None
    values["creation_time_utc"] = text_of("CreationTimeUtc", application.creation_time_utc)
    values["has_secret"] = application.application_secret_hash is not None
    values["is_built_in"] = first_party.is_built_in(application.application_uri)
    fields = records.Application.__struct_fields__
    return records.Application(**{name: values[name] for name in fields})


def _to_change(call: Call) -> TrustedApplication:
    call.lock()
    found = stored(call)
    if first_party.is_built_in(found.application_uri):
        raise BuiltIn
    call.require_match(shown(call, found))
    return found


def _changed(
    call: Call, before: TrustedApplication, after: TrustedApplication, *, is_checked: bool = True
) -> msgspec.Struct:
    if after == before:
        return shown(call, before)
    if is_checked:  # the two that only stop or start it must work with any old record
        _require_valid(call, after)
    applications.change(call.writing, call.instance.id, after)
    _record(call, "application.changed", before, after)
    return shown(call, after)


def _values(call: Call, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a body; `SystemUser` names a login there, and an id in the record."""
    login = values["system_user"]
    if isinstance(login, str):
        user = users.by_login(call.connection, call.instance.id, login)
        if user is None:
            sentence = f"names no user: there is no login {login!r}"
            raise InvalidInput(problems=[("SystemUser", sentence)])
        values["system_user"] = user.id
    return values


def _require_valid(call: Call, application: TrustedApplication) -> None:
    connection, instance_id = call.connection, call.instance.id
    user = users.by_id(connection, instance_id, application.system_user or "")
    problems = problems_of(
        application,
        user.user_type if user else None,
        apis.names_of(connection, instance_id),
    )
    other = applications.by_uri_in_any_case(connection, instance_id, application.application_uri)
    if other is not None and other.id != application.id:
        problems.append(("ApplicationUri", "exists already; it must be unique in any case [TAP-3]"))
    elif first_party.is_built_in(application.application_uri):
        problems.append(("ApplicationUri", "is that of a built-in application [TOP-12]"))
    if problems:
        raise InvalidInput(problems=problems)


def _hash_of(secret: str) -> str:
    if not 1 <= len(secret) <= MAX_SECRET:
        raise InvalidInput(problems=[("Secret", f"must have 1 to {MAX_SECRET} characters")])
    return secret_hash(secret)


def _record(
    call: Call, event: str, before: TrustedApplication | None, after: TrustedApplication | None
) -> None:
    told = change_event(call.instance.id, call.now, event, before=before, after=after, actor=None)
    call.record(event, application=told.application, details=told.details)
