"""Matches what is declared with what is stored: which record becomes which."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.server.declaration.model import Declaration, DeclaredApplication, DeclaredUser
from mintgate.server.declaration.stored import Stored, key_of

BUILT_IN_URI = "internal.erp.net/"
"""[TOP-12] First-party applications: a file that does not name them does not mean them."""
BUILT_IN_LOGINS = frozenset(map(key_of, ("SYSTEM", "SYSTEM_APPLICATION_USER")))
"""[USR-24, USR-25]"""


class UserTarget(msgspec.Struct, frozen=True):
    declared: DeclaredUser
    before: User | None
    after: User


class ApplicationTarget(msgspec.Struct, frozen=True):
    declared: DeclaredApplication
    before: TrustedApplication | None
    after: TrustedApplication
    system_user: User | None


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """Every declared record with its stored one, and what stays or goes beside them."""

    instance: Instance
    users: tuple[UserTarget, ...]
    applications: tuple[ApplicationTarget, ...]
    kept_users: tuple[User, ...]
    kept_applications: tuple[TrustedApplication, ...]
    removed_users: tuple[User, ...]
    removed_applications: tuple[TrustedApplication, ...]
    removed_apis: tuple[str, ...]

    @property
    def applications_afterwards(self) -> tuple[TrustedApplication, ...]:
        """Those that there are when all is applied."""
        return (*self.kept_applications, *(target.after for target in self.applications))


def resolve(declaration: Declaration, stored: Stored, *, prune: bool) -> Resolved:
    """Match by `Id` where the file gives one, else by login or application URI."""
    instance_id = stored.instance.id if stored.instance else new_guid()
    user_targets = _user_targets(declaration.users, stored.users)
    logins = {key_of(target.after.login): target.after for target in user_targets}

    matches = _matches(
        [(a.record.id, a.record.application_uri) for a in declaration.applications],
        {a.id: a.application_uri for a in stored.applications},
    )
    others = _others(stored.applications, matches)
    kept_applications = [
        a for a in others if not prune or a.application_uri.startswith(BUILT_IN_URI)
    ]
    needed = {a.system_user for a in kept_applications}
    other_users = _others(stored.users, [target.after.id for target in user_targets])
    kept_users = [
        user
        for user in other_users
        if not prune or user.id in needed or key_of(user.login) in BUILT_IN_LOGINS
    ]
    kept_ids = {a.id for a in kept_applications} | {user.id for user in kept_users}
    for user in kept_users:
        logins.setdefault(key_of(user.login), user)
    by_id = {a.id: a for a in stored.applications}
    return Resolved(
        instance=replace(declaration.instance, id=instance_id),
        users=tuple(user_targets),
        applications=tuple(
            _application_target(declared, by_id.get(match or ""), logins)
            for declared, match in zip(declaration.applications, matches, strict=True)
        ),
        kept_users=tuple(kept_users),
        kept_applications=tuple(kept_applications),
        removed_users=tuple(user for user in other_users if user.id not in kept_ids),
        removed_applications=tuple(a for a in others if a.id not in kept_ids),
        removed_apis=tuple(
            sorted(stored.apis.keys() - {api.name for api in declaration.apis}) if prune else ()
        ),
    )


def _user_targets(declared: Sequence[DeclaredUser], stored: Sequence[User]) -> list[UserTarget]:
    matches = _matches(
        [(user.record.id, user.record.login) for user in declared],
        {user.id: user.login for user in stored},
    )
    by_id = {user.id: user for user in stored}
    return [
        _user_target(user, by_id.get(match or ""))
        for user, match in zip(declared, matches, strict=True)
    ]


def _user_target(declared: DeclaredUser, before: User | None) -> UserTarget:
    wanted = declared.record
    locked_until = wanted.locked_until
    if before is not None and before.locked_until is not None:
        # A file that says nothing of it must not undo an administrator's lock [SGN-10]; files
        # hold whole seconds.
        same = locked_until is None or locked_until == _whole(before.locked_until)
        locked_until = before.locked_until if same else locked_until
    user_id = before.id if before else wanted.id or new_guid()
    return UserTarget(declared, before, replace(wanted, id=user_id, locked_until=locked_until))


def _application_target(
    declared: DeclaredApplication,
    before: TrustedApplication | None,
    logins: Mapping[str, User],
) -> ApplicationTarget:
    wanted = declared.record
    first, second = _secrets(declared, before)
    system_user = logins.get(key_of(declared.system_user)) if declared.system_user else None
    after = replace(
        wanted,
        id=before.id if before else wanted.id or new_guid(),
        application_secret_hash=first.hash,
        application_secret_end_utc=first.end,
        application_secret_made_utc=before.application_secret_made_utc if before else None,
        second_secret_hash=second.hash,
        second_secret_end_utc=second.end,
        second_secret_made_utc=before.second_secret_made_utc if before else None,
        system_user=system_user.id if system_user else None,
        creation_time_utc=before.creation_time_utc if before else None,
    )
    return ApplicationTarget(declared, before, after, system_user)


class _Secret(NamedTuple):
    hash: str | None
    end: int | None


def _secrets(
    declared: DeclaredApplication, before: TrustedApplication | None
) -> tuple[_Secret, _Secret]:
    """What the file says; what it leaves out stays as it is, with its end [EXT-10]."""
    wanted = declared.record
    stored = before if before is not None and not wanted.is_public else wanted
    first = _Secret(declared.secret_hash or None, wanted.application_secret_end_utc)
    second = _Secret(declared.second_secret_hash or None, wanted.second_secret_end_utc)
    if declared.secret_hash is None:
        end = first.end or stored.application_secret_end_utc
        first = _Secret(stored.application_secret_hash, end)
    if declared.second_secret_hash is None:
        end = second.end or stored.second_secret_end_utc
        second = _Secret(stored.second_secret_hash, end)
    nothing = _Secret(None, None)
    return (
        first if first.hash else nothing,
        second if second.hash and second.hash != first.hash else nothing,
    )


def _matches(wanted: Iterable[tuple[str, str]], stored: Mapping[str, str]) -> list[str | None]:
    """For each (id or "", name) the id of the stored record that it means."""
    wanted = list(wanted)
    taken = {record_id for record_id, _ in wanted if record_id in stored}
    by_name = {key_of(name): record_id for record_id, name in stored.items()}
    found: list[str | None] = []
    for record_id, name in wanted:
        match = record_id if record_id else by_name.get(key_of(name))
        # A name that belongs to a record matched by its id is about to become free.
        usable = match in stored and (bool(record_id) or match not in taken)
        found.append(match if usable else None)
    return found


R = TypeVar("R", TrustedApplication, User)


def _others(records: Sequence[R], matched: Iterable[str | None]) -> list[R]:
    ids = set(matched)
    return [record for record in records if record.id not in ids]


def _whole(seconds: float) -> float:
    return seconds if math.isinf(seconds) else math.ceil(seconds)
