"""A declared instance as values: what should be, whether or not it is there yet."""

from __future__ import annotations

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.declared_apis import Limits
from mintgate.contract.instance import Instance
from mintgate.contract.policy import Policy
from mintgate.contract.users import User
from mintgate.server.declaration.problems import Problem, Source


class DeclaredApi(msgspec.Struct, frozen=True, kw_only=True):
    """An API that may introspect tokens [ITR-1], and how it is guarded [EXT-12].

    Args:
        secret_hash: None keeps the stored one, an empty text takes it away.
        policy: None when nothing is said of it.
        basic_client: an `ApplicationUri` [LEG-4].
    """

    name: str
    secret_hash: str | None = None
    policy: Policy | None = None
    limits: Limits = Limits()
    basic_client: str | None = None
    source: Source = Source()


class DeclaredApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A trusted application.

    Args:
        record: its attributes; the `id` is empty when the file gives none.
        system_user: the login that `SystemUser` names; the record holds no id of it yet.
        secret_hash: None keeps the stored one with its end, an empty text takes it away.
        second_secret_hash: the same for the second secret.
    """

    record: TrustedApplication
    system_user: str | None = None
    secret_hash: str | None = None
    second_secret_hash: str | None = None
    source: Source = Source()


class DeclaredUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user.

    Args:
        record: the attributes; the `id` is empty when the file gives none.
        password: in clear text, to be compared and hashed; None keeps the stored one.
        password_hash: a hash to be stored as it is.
    """

    record: User
    password: str | None = None
    password_hash: str | None = None
    source: Source = Source()

    def __repr__(self) -> str:
        return f"DeclaredUser({self.record!r})"  # the password must reach no log


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a file says.

    Args:
        instance: its `id` is empty.
        reserved_seats: logins with a licence slot of their own [SES-36]; None when nothing is said
            of them.
        problems: what is wrong with the file by itself; it cannot be applied then.
    """

    instance: Instance
    apis: tuple[DeclaredApi, ...] = ()
    applications: tuple[DeclaredApplication, ...] = ()
    users: tuple[DeclaredUser, ...] = ()
    reserved_seats: tuple[str, ...] | None = None
    instance_source: Source = Source()
    problems: tuple[Problem, ...] = ()
