"""Trusted applications and users through OData, with the checks and audit of every other way in.

[API-33], [API-72]: a write passes the validation of the contract, tells the state feed, and leaves
an audit event, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from mintgate.apis.change import Change
from mintgate.contract import applications as application_rules
from mintgate.contract import users as user_rules
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.converting import convert
from mintgate.contract.errors import Forbidden
from mintgate.contract.first_party import is_built_in
from mintgate.contract.record_changes import before_and_after
from mintgate.contract.users import User
from mintgate.identity.lifecycle import telling
from mintgate.store import AuditEvent, Transaction, apis, applications, instances, users
from mintgate.store.records import (
    APPLICATIONS,
    USERS,
    EntitySet,
    NoSuchRecord,
    RuleViolation,
    ValueProblem,
)
from mintgate.verify.principal import Principal

S = TypeVar("S", bound=msgspec.Struct)
NO_ADMINISTRATOR = "Changing this needs an administrator."


def is_administrator(
    connection: Connection, instance_id: str, principal: Principal, now: float
) -> bool:
    """Whether the acting user is an administrator now [API-33], and not shut out [USR-4].

    A user token must say so too; a service token has no such claim.
    """
    user = _caller(connection, instance_id, principal)
    says_so = principal.is_admin or principal.kind == "service"
    may_act = user is not None and user.active and not user.is_locked(now) and user.is_admin
    return says_so and may_act


def _begin(tx: Transaction, instance_id: str, principal: Principal) -> None:
    """Take the lock of the instance, and see that the caller may change what is there now.

    Records are written whole: one that was read before the lock would undo what another process
    has just committed, such as a kill switch [TAP-4]. And what is waited for may be the end of the
    caller's right [TOP-13].

    Raises:
        Forbidden: the caller is no administrator any more.
    """
    instances.lock(tx, instance_id)
    if not is_administrator(tx.connection, instance_id, principal, tx.now):
        raise Forbidden(NO_ADMINISTRATOR)


def _caller(connection: Connection, instance_id: str, principal: Principal) -> User | None:
    """Who acts; a service token may lack the id [TOK-42]."""
    if principal.user_id is not None:
        return users.by_id(connection, instance_id, principal.user_id)
    return users.by_login(connection, instance_id, principal.login)


def add(tx: Transaction, change: Change) -> None:
    """Insert an application or a user.

    Raises:
        Forbidden: the caller is no administrator any more.
        RuleViolation: the record is not a valid one, or is there already.
        ValueProblem: `SystemUser` does not exist.
    """
    _begin(tx, change.instance_id, change.principal)
    if change.entity_set.name == APPLICATIONS:
        application = _built(TrustedApplication, change, {"id": change.key})
        _refuse_built_in(application)
        _check_application(tx.connection, change.instance_id, application)
        _store(applications.add, tx, change.instance_id, application)
        _record(tx, change, "application.added", None, application)
        return
    user = _built(User, change, {"id": change.key})
    _require_password(tx.connection, change, None, user)
    if user.default_language is None:  # [USR-6] a new entity has null for what was left out
        creator = _caller(tx.connection, change.instance_id, change.principal)
        language = creator.default_language if creator else None
        user = msgspec.structs.replace(user, default_language=language)
    _check_user(user)
    _store(users.add, tx, change.instance_id, user, change.hashed_password)
    _record(tx, change, "user.added", None, user)


def update(tx: Transaction, change: Change) -> None:
    """Set attributes of an application or a user; see `add`.

    Raises:
        NoSuchRecord: there is none with this id.
    """
    instance_id, key = change.instance_id, change.key
    _begin(tx, instance_id, change.principal)
    if change.entity_set.name == APPLICATIONS:
        stored_application = applications.by_id(tx.connection, instance_id, key)
        fields = _values(stored_application)
        if "ApplicationSecretHash" in change.values:
            fields["application_secret_end_utc"] = None  # that was the end of the one before
        _refuse_built_in(stored_application)
        application = _built(TrustedApplication, change, fields)
        _refuse_built_in(application)
        _check_application(tx.connection, instance_id, application)
        _store(applications.change, tx, instance_id, application)
        _record(tx, change, "application.changed", stored_application, application)
        return
    stored_user = users.by_id(tx.connection, instance_id, key)
    user = _built(User, change, _values(stored_user))
    if stored_user and user.email != stored_user.email and "EmailConfirmed" not in change.values:
        user = msgspec.structs.replace(user, email_confirmed=False)  # [USR-3]
    _require_password(tx.connection, change, stored_user, user)
    _check_user(user)
    _store(users.change, tx, instance_id, user)
    if change.hashed_password is not None:
        users.set_password(tx, instance_id, key, change.hashed_password)
    _record(tx, change, "user.changed", stored_user, user)


def remove(tx: Transaction, change: Change) -> None:
    """Delete an application or a user.

    Raises:
        Forbidden: the caller is no administrator any more.
        NoSuchRecord: there is none with this id.
        RuleViolation: an application runs as this user.
    """
    connection, instance_id, key = tx.connection, change.instance_id, change.key
    _begin(tx, instance_id, change.principal)
    if change.entity_set.name == APPLICATIONS:
        removed_application = applications.by_id(connection, instance_id, key)
        if removed_application is None:
            raise NoSuchRecord
        _refuse_built_in(removed_application)
        telling.remove_application(tx, instance_id, removed_application, change.principal.login)
        _record(tx, change, "application.removed", removed_application, None)
        return
    removed_user = users.by_id(connection, instance_id, key)
    _values(removed_user)
    if any(a.system_user == key for a in applications.all_of(connection, instance_id)):
        raise RuleViolation("A trusted application has this user as its SystemUser.")
    users.remove(tx, instance_id, key)
    _record(tx, change, "user.removed", removed_user, None)


def _values(record: msgspec.Struct | None) -> dict[str, Any]:
    if record is None:
        raise NoSuchRecord
    return msgspec.structs.asdict(record)


def _built(struct: type[S], change: Change, fields: dict[str, Any]) -> S:
    """The record with the changed attributes, whose columns are the fields' names."""
    known = set(struct.__struct_fields__)
    for attribute in change.entity_set.attributes:
        if attribute.name in change.values and attribute.column in known:
            fields[attribute.column] = change.values[attribute.name]
    encoded = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    names = dict(encoded)
    return convert({names[name]: value for name, value in fields.items()}, struct)


def _check_application(
    connection: Connection, instance_id: str, application: TrustedApplication
) -> None:
    system_user = None
    if application.system_user is not None:
        system_user = users.by_id(connection, instance_id, application.system_user)
        if system_user is None:
            raise ValueProblem(f"{USERS}({application.system_user}) does not exist.")
    system_user_type = system_user.user_type if system_user else None
    declared = apis.names_of(connection, instance_id)
    _refuse(application_rules.problems_of(application, system_user_type, declared))
    other = applications.by_uri_in_any_case(connection, instance_id, application.application_uri)
    if other is not None and other.id != application.id:
        raise RuleViolation("ApplicationUri: another application has it [TAP-3].")


def _check_user(user: User) -> None:
    _refuse(user_rules.problems_of(user))


def _require_password(
    connection: Connection, change: Change, before: User | None, after: User
) -> None:
    """[USR-11] Raises RuleViolation: somebody would sign in who has no password."""
    if not user_rules.begins_to_sign_in(before, after) or change.hashed_password is not None:
        return
    if not users.password_hash(connection, change.instance_id, change.key):
        raise RuleViolation(f"Password: a user of type {after.user_type} needs one [USR-11].")


def _refuse_built_in(application: TrustedApplication | None) -> None:
    if application is not None and is_built_in(application.application_uri):
        raise RuleViolation("This application belongs to the instance itself [TOP-12].")


def _refuse(problems: Sequence[tuple[str, str]]) -> None:
    if problems:
        raise RuleViolation("; ".join(f"{name} {sentence}" for name, sentence in problems))


def _store(write: Any, tx: Transaction, *arguments: Any) -> None:
    try:
        write(tx, *arguments)
    except IntegrityError:
        raise RuleViolation("Another record has this name, address or Id.") from None


def _record(
    tx: Transaction,
    change: Change,
    event: str,
    before: msgspec.Struct | None,
    after: msgspec.Struct | None,
) -> None:
    principal = change.principal
    told = before_and_after(
        _attributes(change.entity_set, before),
        _attributes(change.entity_set, after),
        new_password=change.hashed_password is not None,
    )
    values = {"before": told.before, "after": told.after}
    is_user = change.entity_set.name == USERS
    tx.record(
        AuditEvent(
            instance_id=change.instance_id,
            at=tx.now,
            event=event,
            actor=principal.login,
            actor_id=_acting_user(tx.connection, change.instance_id, principal),
            subject_id=change.key if is_user else None,
            application=principal.client_id,
            session=principal.session,
            jti=principal.jti,
            details={
                "id": change.key,
                "attributes": told.attributes,
                **({} if is_user else values),
            },
            # A person's data must be erasable: its values are told apart from what stays.
            personal=values if is_user else None,
        )
    )


def _acting_user(connection: Connection, instance_id: str, principal: Principal) -> str | None:
    if principal.user_id is not None:
        return principal.user_id
    user = users.by_login(connection, instance_id, principal.login)
    return user.id if user else None


def _attributes(entity_set: EntitySet, record: msgspec.Struct | None) -> dict[str, object] | None:
    """Values by the names of the API."""
    if record is None:
        return None
    return {
        attribute.name: getattr(record, attribute.column)
        for attribute in entity_set.attributes
        if attribute.column in record.__struct_fields__
    }
