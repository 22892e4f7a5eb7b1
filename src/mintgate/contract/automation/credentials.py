"""Tokens, grants, sign-ins, keys and audit events, as the automation API shows and takes them.

Times are Unix seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")
MAX_PAGE = 200
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="How many items at most.")]


Time = Annotated[float, Meta(ge=0, le=253_402_300_799, description="Unix seconds.")]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next` is the `cursor` of the part that follows, null at the end."""

    items: list[T]
    next: str | None = None


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: str | None = None


class ApplicationQuery(PageQuery, frozen=True, kw_only=True):
    """`uri` is the whole one; `search` is a part of it or of a name, in any case."""

    uri: str | None = None
    search: str | None = None


class UserQuery(PageQuery, frozen=True, kw_only=True):
    """`login` is the whole one; `search` is how it begins, in any case.

    When no login begins so, `search` is how an address begins, else what is anywhere in a login, an
    address or a name. Then 20,000 users are looked at: a part may be empty, and `next` goes on.
    """

    login: str | None = None
    search: str | None = None


class GrantQuery(PageQuery, frozen=True, kw_only=True):
    user_id: str | None = None
    application_id: str | None = None


class SessionQuery(PageQuery, frozen=True, kw_only=True):
    user_id: str | None = None


class AuditQuery(PageQuery, frozen=True, kw_only=True):
    """`since` is included, `until` is not; an `event` that ends with a dot is a group, one
    that begins with a dot is the end of a name, such as `.refused`.

    `request_id` is what a refusal's `X-Request-Id` says. With `looks_through`, at most so many
    events are looked at; `next` goes on behind them, and a part may be empty.
    """

    since: Time | None = None
    until: Time | None = None
    event: str | None = None
    actor: str | None = None
    application: str | None = None
    request_id: str | None = None
    looks_through: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class LegacyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `since`, the last 30 days."""

    since: Time | None = None


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body without unknown members."""


class Hidden:
    """What must reach no log by way of a `repr`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class NoBody(Strict, frozen=True, kw_only=True):
    """Nothing to say; an empty body does as well."""


class SecretChange(Hidden, Strict, frozen=True, kw_only=True):
    """Without `secret` one of 256 bits is made, and returned once."""

    secret: str | None = None


class MadeSecret(Hidden, msgspec.Struct, frozen=True):
    """`secret` is null when the caller gave it."""

    secret: str | None


class PasswordChange(Hidden, Strict, frozen=True, kw_only=True):
    password: str


class Lock(Strict, frozen=True, kw_only=True):
    """`until` is null for a lock without end [SGN-10]."""

    until: Time | None = None


class NewServiceToken(Strict, frozen=True, kw_only=True):
    scopes: tuple[str, ...]
    expires_at: Time
    description: str | None = None


class NewPersonalToken(NewServiceToken, frozen=True, kw_only=True):
    """`application_id` as `GET …/token-applications` lists it."""

    application_id: str


class ReferenceTokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A PAT or SAT; `principal` is whom it acts as, `Name <Login> [TypeCode]` [IMG-3]."""

    id: str
    kind: str
    application_id: str
    application: str | None
    user_id: str | None
    principal: str | None
    scopes: tuple[str, ...]
    description: str | None
    jti: str
    sid: str | None
    created_by: str
    created_at: float
    expires_at: float
    last_used_at: float | None
    revoked_at: float | None
    revoked_by: str | None
    state: str


class MadeToken(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """`value` is shown this once and stored nowhere [REF-3]."""

    value: str
    token: ReferenceTokenRecord


class GrantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A family of refresh tokens: what a person granted an application."""

    id: str
    application_id: str
    application: str | None
    user_id: str
    login: str | None
    sid: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float
    last_used_at: float | None
    revoked_at: float | None
    revoked_because: str | None
    state: str


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in; `address` and `user_agent` are of its last use."""

    sid: str
    user_id: str
    login: str | None
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    created_at: float
    expires_at: float
    last_used_at: float | None = None
    address: str | None = None
    user_agent: str | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much ended by it."""

    sessions: int = 0
    grants: int = 0
    reference_tokens: int = 0


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    kid: str
    algorithm: str
    state: str
    active_from: float
    removed_after: float | None


class Rotation(Strict, frozen=True, kw_only=True):
    """`at_once`: sign with it now instead of in 24 hours."""

    at_once: bool = False


class Compromised(msgspec.Struct, frozen=True, kw_only=True):
    """`ended` is false when it had ended before; `successor` signs from now on."""

    kid: str
    ended: bool
    successor: str | None = None


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    event: str
    actor: str | None
    actor_id: str | None
    subject_id: str | None
    application: str | None
    session: str | None
    jti: str | None
    address: str | None
    cause: str | None
    details: dict[str, Any] | None
    personal: dict[str, Any] | None


class TokenText(Hidden, Strict, frozen=True, kw_only=True):
    token: str


class TokenToRevoke(Hidden, Strict, frozen=True, kw_only=True):
    """Either the token itself, or the `jti` and `exp` of an access token."""

    token: str | None = None
    jti: str | None = None
    exp: Annotated[int, Meta(ge=0, le=253_402_300_799)] | None = None


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """`was_live` is false when it had ended before."""

    kind: str
    was_live: bool


class OwnGrant(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a person's tokens page [PRF-3]."""

    id: str
    kind: str
    application_id: str
    application: str | None
    application_name: str | None
    scopes: tuple[str, ...]
    description: str | None
    created_at: float
    expires_at: float
    last_used_at: float | None
    state: str


class TokenApplication(msgspec.Struct, frozen=True, kw_only=True):
    """An application for which the caller may make a personal token [PRF-4]."""

    id: str
    application: str
    name: str
    scopes: tuple[str, ...]


class ConsentRecord(msgspec.Struct, frozen=True, kw_only=True):
    application_id: str
    application: str | None
    application_name: str | None
    scopes: tuple[str, ...]
    given_at: float


class ConsentQuery(PageQuery, frozen=True, kw_only=True):
    user_id: str | None = None


class GivenConsent(ConsentRecord, frozen=True, kw_only=True):
    """A consent as administrators see it."""

    user_id: str
    login: str | None


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """A token that ends soon."""

    id: str
    application: str | None
    description: str | None
    expires_at: float


class RequestToExplain(Hidden, Strict, frozen=True, kw_only=True):
    """A request to an API, as it would be sent.

    Args:
        token: the credential without its scheme; empty for none.
        path: from the server's root, with its query.
    """

    api: str
    method: str
    path: str
    token: str = ""


class CheckLine(msgspec.Struct, frozen=True, kw_only=True):
    """One check; `outcome` is `passed`, `failed` or `not checked`."""

    id: str
    name: str
    outcome: str
    detail: str
    seen: str
    expected: str
    mend: str


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Every check of a request, in order; `refused_at` is the first that fails."""

    allowed: bool
    refused_at: str | None
    checks: tuple[CheckLine, ...]


class LegacyUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one user did with one application over HTTP Basic or ErpLogin [LEG-1]."""

    scheme: str
    api: str
    application: str
    login: str | None
    user_id: str | None
    count: int
    first_at: float
    last_at: float
    addresses: tuple[str, ...]


class LegacyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who used the legacy schemes since then, the newest first.

    Args:
        apis: for which they are switched on.
        unused_applications: that may use them and did not.
    """

    since: float
    uses: list[LegacyUse]
    apis: list[str]
    unused_applications: list[str]
