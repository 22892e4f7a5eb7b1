"""What applying a declaration would change, in the order in which it can be carried out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mintgate.contract.applications import ClientType, TrustedApplication, warnings_of
from mintgate.contract.declared_apis import settings_of
from mintgate.contract.instance import API_AUDIENCES, Instance
from mintgate.contract.users import User
from mintgate.identity.passwords import hash_password, needs_upgrade, password_matches
from mintgate.server.declaration.check import problems_with
from mintgate.server.declaration.check_seats import seats_left
from mintgate.server.declaration.model import Declaration, DeclaredUser
from mintgate.server.declaration.problems import InvalidDeclaration
from mintgate.server.declaration.resolve import Resolved, UserTarget, resolve
from mintgate.server.declaration.stored import Stored, key_of
from mintgate.store.apis import StoredApi


class InstanceChange(msgspec.Struct, frozen=True):
    before: Instance | None
    after: Instance


class ApiChange(msgspec.Struct, frozen=True):
    """`before` is None when it is added, `after` when it is removed."""

    before: StoredApi | None
    after: StoredApi | None


class ApplicationChange(msgspec.Struct, frozen=True):
    """`before` is None when it is added, `after` when it is removed."""

    before: TrustedApplication | None
    after: TrustedApplication | None


class UserChange(msgspec.Struct, frozen=True):
    """`before` is None when it is added, `after` when it is removed."""

    before: User | None
    after: User | None
    password_hash: str | None = None
    """The new one; None leaves the stored one."""

    def __repr__(self) -> str:
        return f"UserChange({self.before!r}, {self.after!r})"  # hashes must reach no log


class SeatChange(msgspec.Struct, frozen=True):
    """A licence slot reserved for a login, or (`after` is None) not any more [SES-36]."""

    before: str | None
    after: str | None


Change = InstanceChange | ApiChange | ApplicationChange | UserChange | SeatChange


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The changes, and what is allowed and yet probably not meant.

    `logins` names users by id, for whoever prints the plan.
    """

    instance: Instance
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    logins: Mapping[str, str] = {}

    @property
    def is_new_instance(self) -> bool:
        return any(isinstance(c, InstanceChange) and c.before is None for c in self.changes)


def plan_of(declaration: Declaration, stored: Stored, *, prune: bool) -> Plan:
    """Compare what should be with what is.

    Raises:
        InvalidDeclaration: with every problem.
    """
    resolved = resolve(declaration, stored, prune=prune)
    problems = problems_with(declaration, resolved, stored)
    if problems:
        raise InvalidDeclaration(problems)
    changes = (
        *_instance_changes(resolved, stored),
        *(ApplicationChange(application, None) for application in resolved.removed_applications),
        *(UserChange(user, None) for user in resolved.removed_users),
        *(ApiChange(stored.apis[name], None) for name in resolved.removed_apis),
        *_user_changes(resolved.users, stored),
        *(
            ApplicationChange(target.before, target.after)
            for target in resolved.applications
            if target.before != target.after
        ),
        *_api_changes(declaration, stored),
        *_seat_changes(declaration, resolved, stored),
    )
    users = (*stored.users, *(target.after for target in resolved.users))
    return Plan(
        instance=resolved.instance,
        changes=changes,
        warnings=tuple(_warnings(declaration, resolved, stored)),
        logins={user.id: user.login for user in users},
    )


def _instance_changes(resolved: Resolved, stored: Stored) -> Iterator[Change]:
    if stored.instance != resolved.instance:
        yield InstanceChange(stored.instance, resolved.instance)


def _api_changes(declaration: Declaration, stored: Stored) -> Iterator[Change]:
    for api in declaration.apis:
        before = stored.apis.get(api.name)
        kept = before.secret_hash if before else None
        after = StoredApi(
            settings=settings_of(api.name, api.policy, api.limits, api.basic_client),
            secret_hash=kept if api.secret_hash is None else api.secret_hash or None,
        )
        if after != before:
            yield ApiChange(before, after)


def _seat_changes(declaration: Declaration, resolved: Resolved, stored: Stored) -> Iterator[Change]:
    """Those given up come first, as there may be no slot left for new ones until then."""
    if declaration.reserved_seats is None:
        return
    wanted = {key_of(login) for login in declaration.reserved_seats}
    there = {key_of(login) for login in seats_left(resolved, stored)}
    for login in seats_left(resolved, stored):
        if key_of(login) not in wanted:
            yield SeatChange(login, None)
    for login in declaration.reserved_seats:
        if key_of(login) not in there:
            yield SeatChange(None, login)


def _user_changes(targets: Iterable[UserTarget], stored: Stored) -> Iterator[Change]:
    for target in targets:
        current = stored.password_hashes.get(target.after.id)
        new_hash = _new_password_hash(target.declared, current)
        if target.before != target.after or new_hash:
            yield UserChange(target.before, target.after, new_hash)


def _new_password_hash(declared: DeclaredUser, current: str | None) -> str | None:
    if declared.password is not None:
        if current and password_matches(declared.password, current):
            return None
        return hash_password(declared.password)
    wanted = declared.password_hash
    if not wanted or wanted == current:
        return None
    # [EXT-1] A sign-in replaces an imported hash of an older kind by one of the same password;
    # applying the file again must not undo that, nor end the user's refresh tokens.
    if current and needs_upgrade(wanted) and not needs_upgrade(current):
        return None
    return wanted


def _warnings(declaration: Declaration, resolved: Resolved, stored: Stored) -> Iterator[str]:
    for target in resolved.applications:
        application = target.after
        for sentence in warnings_of(application):
            yield f"{application.application_uri}: {sentence}"
        if (
            application.client_type is ClientType.CONFIDENTIAL
            and not application.application_secret_hash
        ):
            yield (
                f"{application.application_uri}: has no secret, so it gets no token; declare "
                "ApplicationSecret, or set one with: mintgate app set-secret"
            )
    yield from _api_warnings(declaration, resolved)
    before = stored.instance
    if before is not None and before.base_url != resolved.instance.base_url:
        yield (
            f"base_url changes the issuer from {before.issuer} to {resolved.instance.issuer}: "
            "tokens issued until now are refused"
        )
    left = [*resolved.kept_users, *(target.after for target in resolved.users)]
    if any(_is_administrator(u) for u in stored.users) and not any(map(_is_administrator, left)):
        names = ", ".join(repr(user.login) for user in stored.users if _is_administrator(user))
        yield f"no administrator is left afterwards (now: {names})"


def _api_warnings(declaration: Declaration, resolved: Resolved) -> Iterator[str]:
    everyone = {a.application_uri: a for a in resolved.applications_afterwards}
    listed = {name for application in everyone.values() for name in application.audience_names}
    for api in declaration.apis:
        if api.name not in API_AUDIENCES and api.name not in listed:
            yield (
                f"{api.name}: no application lists it in Audiences, so no token is for it "
                "and all that it is sent is refused"
            )
        client = everyone.get(api.basic_client) if api.basic_client else None
        if client is not None and not client.basic_authentication_allowed:
            yield (
                f"{api.name}: basic_client names {client.application_uri}, which does not "
                "take HTTP Basic; set its BasicAuthenticationAllowed = true, or name none"
            )


def _is_administrator(user: User) -> bool:
    return user.is_admin and user.active
