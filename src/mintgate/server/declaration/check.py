"""Everything that forbids applying a declaration, beside what its file says by itself."""

from __future__ import annotations

from collections.abc import Iterator

from mintgate.contract import applications as application_rules
from mintgate.contract import instance as instance_rules
from mintgate.contract import users as user_rules
from mintgate.contract.first_party import is_built_in
from mintgate.contract.users import User
from mintgate.server.declaration.check_apis import api_problems, names_afterwards
from mintgate.server.declaration.check_seats import seat_problems
from mintgate.server.declaration.model import Declaration
from mintgate.server.declaration.problems import Problem, Source
from mintgate.server.declaration.resolve import ApplicationTarget, Resolved, UserTarget
from mintgate.server.declaration.stored import Stored, key_of


def problems_with(declaration: Declaration, resolved: Resolved, stored: Stored) -> list[Problem]:
    """All problems; what follows from a value that the file's problems name is left out."""
    found = list(declaration.problems)
    known = {(problem.line, problem.key) for problem in found if problem.line is not None}
    found += [
        problem
        for problem in (
            *_instance_problems(declaration, stored),
            *api_problems(declaration, resolved, stored),
            *_user_problems(resolved, stored),
            *_application_problems(resolved, names_afterwards(declaration, resolved, stored)),
            *seat_problems(declaration, resolved, stored),
        )
        if (problem.line, problem.key) not in known
    ]
    return found


def _instance_problems(declaration: Declaration, stored: Stored) -> Iterator[Problem]:
    instance, source = declaration.instance, declaration.instance_source
    for key, sentence in instance_rules.problems_of(instance):
        yield source.problem(key, sentence)
    for other in stored.other_instances:
        if other.base_url == instance.base_url:
            yield source.problem(
                "base_url",
                f"is the address of the instance {other.name!r} in this database; "
                "give another one, or that name",
            )


def _user_problems(resolved: Resolved, stored: Stored) -> Iterator[Problem]:
    logins = {key_of(user.login): _stored_user(user) for user in resolved.kept_users}
    emails = {key_of(user.email): _stored_user(user) for user in resolved.kept_users if user.email}
    ids: dict[str, str] = {}
    for target in resolved.users:
        user, source = target.after, target.declared.source
        for attribute, sentence in user_rules.problems_of(user):
            yield source.problem(attribute, sentence, *_OTHER_SPELLINGS.get(attribute, ()))
        if _lacks_password(target, stored):
            yield source.problem(
                "Password",
                f"is needed for a new user of type {user.user_type} [USR-11]; "
                'write Password = { env = "NAME" } or PasswordHash',
            )
        if target.declared.record.id:
            yield from _taken("Id", user.id, ids, source)
        yield from _taken("Login", user.login, logins, source)
        if user.email:
            yield from _taken("Email", user.email, emails, source)


def _stored_user(user: User) -> str:
    return f"the stored user {user.login!r} with Id {user.id}"


def _lacks_password(target: UserTarget, stored: Stored) -> bool:
    if target.after.user_type in user_rules.NEEDS_NO_PASSWORD:
        return False
    given = target.declared.password or target.declared.password_hash
    return not given and not stored.password_hashes.get(target.after.id)


def _application_problems(resolved: Resolved, apis: frozenset[str]) -> Iterator[Problem]:
    uris = {
        key_of(a.application_uri): f"the stored application with Id {a.id}"
        for a in resolved.kept_applications
    }
    ids: dict[str, str] = {}
    for target in resolved.applications:
        application, source = target.after, target.declared.source
        if is_built_in(application.application_uri):
            yield source.problem("ApplicationUri", "is built in; leave it out of the file [TOP-12]")
            continue
        yield from _system_user_problems(target, resolved)
        type_of_user = target.system_user.user_type if target.system_user else None
        for attribute, sentence in application_rules.problems_of(application, type_of_user, apis):
            if attribute == "SystemUser" and target.declared.system_user and not type_of_user:
                continue  # said already, and better
            yield source.problem(attribute, sentence, *_OTHER_SPELLINGS.get(attribute, ()))
        if target.declared.record.id:
            yield from _taken("Id", application.id, ids, source)
        yield from _taken("ApplicationUri", application.application_uri, uris, source)


def _system_user_problems(target: ApplicationTarget, resolved: Resolved) -> Iterator[Problem]:
    login = target.declared.system_user
    if login is None or target.system_user is not None:
        return
    sentence = f"no user has the login {login!r}, neither in this file nor in the database"
    if any(key_of(user.login) == key_of(login) for user in resolved.removed_users):
        sentence = (
            f"the user {login!r} is only in the database, where pruning would remove it; "
            "declare it under [[users]]"
        )
    yield target.declared.source.problem("SystemUser", sentence)


def _taken(attribute: str, value: str, owners: dict[str, str], source: Source) -> Iterator[Problem]:
    """A problem when another record has the value; `owners` learns of this one."""
    key = key_of(value)
    if key in owners:
        sentence = f"{value!r} is that of {owners[key]}, too; it must be unique in any case"
        yield source.problem(attribute, sentence)
        return
    line = source.line
    owners[key] = "another declared record" if line is None else f"the record in line {line}"


_OTHER_SPELLINGS = {
    "ApplicationSecretHash": ("ApplicationSecret",),
    "SecondSecretHash": ("SecondSecret",),
    "DefaultLanguage": ("Locale",),
    "EmailConfirmed": ("EmailVerified",),
    "ReferenceTokens": ("AccessTokens",),
    "Password": ("PasswordHash",),
}
