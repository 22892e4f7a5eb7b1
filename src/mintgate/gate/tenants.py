"""Several identity servers behind one guard: each token is checked by the one that it names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import cast

import msgspec

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import InvalidToken
from mintgate.contract.reference_tokens import UNKNOWN
from mintgate.gate.settings import TenantSettings
from mintgate.jose.encoding import base64url_decode
from mintgate.verify import OpenSession, Principal, RemoteState, StateUnavailable, Verifier
from mintgate.verify.checks import REFERENCE_TOKEN_PREFIX, CheckOutcome, Examined
from mintgate.verify.connect import connect_guard
from mintgate.verify.counters import Counters
from mintgate.verify.limits import Headers
from mintgate.verify.rate_limits import RateLimits
from mintgate.verify.sessions import SessionSource


class Tenant:
    """One identity server's tokens for one API.

    Args:
        verifier: checks them against the issuer and the database [API-8, API-12].
        sessions: opens their ERP sessions; None where none are kept.
    """

    def __init__(
        self,
        settings: TenantSettings,
        api: str,
        verifier: Verifier,
        sessions: SessionSource | None = None,
    ) -> None:
        self.settings = settings
        self.api = api
        self.verifier = verifier
        self.sessions = sessions

    @property
    def state(self) -> RemoteState | None:
        state = self.verifier.state
        return state if isinstance(state, RemoteState) else None

    @property
    def is_known(self) -> bool:
        """Whether the issuer has been heard of a moment ago."""
        return self.state is None or self.state.is_fresh


Connect = Callable[[TenantSettings, str], Tenant]


def connected(settings: TenantSettings, api: str) -> Tenant:
    """A tenant that is known over HTTP; nothing is asked yet."""
    guard = connect_guard(
        settings.issuer,
        api=api,
        secret=settings.secrets[api],
        database=settings.database,
        sessions="leases" if settings.sessions else None,
        algorithms=settings.algorithms,
    )
    return Tenant(settings, api, cast("Verifier", guard.verifier), guard.sessions)


class TenantVerifier:
    """What a guard asks, when tokens of several tenants are taken.

    The unverified `iss` only chooses among the tenants; the verifier of that tenant then checks
    the token as if it were the only one. So a token of one tenant with the claims of another is
    refused by both.

    Args:
        tenants: at least one, each for the guard's API.
        served: the (issuer, database) pairs that the route has an upstream for; None is all. It is
            looked at before a session is opened.
    """

    def __init__(
        self, tenants: Sequence[Tenant], served: frozenset[tuple[str, str]] | None = None
    ) -> None:
        if not tenants:
            raise ValueError("no tenant has a secret for this API")
        self._served = served
        self._first = tenants[0].verifier
        self._is_single = len(tenants) == 1
        self._by_issuer: dict[str, dict[str, Verifier]] = {}
        for tenant in tenants:
            databases = self._by_issuer.setdefault(tenant.settings.issuer, {})
            databases[tenant.settings.database] = tenant.verifier
        self._asked = [t.verifier for t in tenants if t.settings.reference_tokens]

    def verify(self, token: str, audience: str, scopes: Collection[str] = frozenset()) -> Principal:
        """As `Verifier.verify`."""
        if not self._is_a_question(token):
            return self._admitted(self._named_in(token).verify(token, audience, scopes))
        search = _Search(self._asked)
        for verifier in search:
            try:
                return self._admitted(verifier.verify(token, audience, scopes))
            except (InvalidToken, StateUnavailable) as error:
                search.note(error)
        raise search.outcome()

    async def verify_async(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal:
        """As `Verifier.verify_async`."""
        if not self._is_a_question(token):
            verifier = self._named_in(token)
            return self._admitted(await verifier.verify_async(token, audience, scopes))
        search = _Search(self._asked)
        for verifier in search:
            try:
                return self._admitted(await verifier.verify_async(token, audience, scopes))
            except (InvalidToken, StateUnavailable) as error:
                search.note(error)
        raise search.outcome()

    def verify_at_once(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal | None:
        """As `Verifier.verify_at_once`; never for a token that several tenants are asked about."""
        if self._is_a_question(token):
            return None
        found = self._named_in(token).verify_at_once(token, audience, scopes)
        return None if found is None else self._admitted(found)

    def explain(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> list[CheckOutcome]:
        """As `Verifier.explain`, by the tenant that the token names."""
        return self._named_in(token).explain(token, audience, scopes)

    def examined(self, token: str) -> Examined:
        """As `Verifier.examined`, by the tenant that the token names."""
        return self._named_in(token).examined(token)

    def _is_a_question(self, token: str) -> bool:
        """Whether tenants are to be asked, as a reference token names none."""
        return token.startswith(REFERENCE_TOKEN_PREFIX)

    def _named_in(self, token: str) -> Verifier:
        if self._is_single or token.startswith(REFERENCE_TOKEN_PREFIX):
            return self._first
        claims = _claimed(token)
        if claims is None:
            return self._first  # it says what is wrong with such a token
        databases = self._by_issuer.get(claims.iss)
        if databases is None:
            raise InvalidToken(
                "The token is from another issuer.", cause="iss is none of the gate's tenants"
            )
        found = databases.get(claims.client_db) or databases.get(claims.db)
        return found or next(iter(databases.values()))

    def _admitted(self, principal: Principal) -> Principal:
        if self._served is not None and (
            (principal.issuer, principal.database) not in self._served
        ):
            # [API-12] As for a database that is not here, which it is not.
            raise InvalidToken(
                "The token is for another database.",
                cause=f"the route has no upstream for {principal.database!r}",
            )
        return principal


class TenantSessions:
    """The sessions of several tenants, each with a source of its own.

    Args:
        sources: by issuer and database.
    """

    def __init__(self, sources: dict[tuple[str, str], SessionSource]) -> None:
        self._sources = sources

    def touch(self, principal: Principal) -> OpenSession | None:
        return self._of(principal).touch(principal)

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        return self._of(principal).open(principal, credential)

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        return await self._of(principal).open_async(principal, credential)

    def close(self) -> None:
        """Tell what is left of them, where a source has something to tell."""
        for source in self._sources.values():
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def _of(self, principal: Principal) -> SessionSource:
        return self._sources[principal.issuer, principal.database]


class LimitsByTenant:
    """Requests per minute, counted for each tenant by itself.

    Applications have the same names everywhere, and copies of a database the same users: nobody
    is to use up what another tenant's callers may.

    Args:
        limits, counters, api: as for `RateLimits`.
    """

    def __init__(self, limits: Limits, counters: Counters, *, api: str) -> None:
        self._limits = limits
        self._counters = counters
        self._api = api
        self._by_tenant: dict[tuple[str, str], RateLimits] = {}

    def use(self, limits: Limits) -> None:
        """As `RateLimits.use`, for every tenant."""
        self._limits = limits
        for counted in self._by_tenant.values():
            counted.use(limits)

    def hit(self, principal: Principal, session: OpenSession | None, address: str) -> Headers:
        """As `RequestLimits.hit`."""
        tenant = (principal.issuer, principal.database)
        limits = self._by_tenant.get(tenant)
        if limits is None:
            api = "\0".join((self._api, *tenant))
            limits = RateLimits(self._limits, self._counters, api=api)
            self._by_tenant[tenant] = limits
        return limits.hit(principal, session, address)


class _Search:
    """Asking one tenant after the other, and what is said when none knows the token."""

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        self._verifiers = verifiers
        self._refused: InvalidToken | None = None
        self._away: StateUnavailable | None = None

    def __iter__(self) -> Iterator[Verifier]:
        return iter(self._verifiers)

    def note(self, error: InvalidToken | StateUnavailable) -> None:
        if isinstance(error, StateUnavailable):
            self._away = error
        elif self._refused is None or error.description != UNKNOWN:
            self._refused = error  # the tenant that knows the token says what is wrong with it

    def outcome(self) -> Exception:
        # While one tenant cannot be asked it may be the one that knows the token.
        return self._away or self._refused or InvalidToken(cause="no tenant takes such tokens")


class _Claimed(msgspec.Struct):
    """What a token says before anything of it is checked."""

    iss: str
    db: str = ""
    client_db: str = ""


_decoder = msgspec.json.Decoder(_Claimed)


def _claimed(token: str) -> _Claimed | None:
    parts = token.split(".", 3)
    if len(parts) != 3:
        return None
    try:
        return _decoder.decode(base64url_decode(parts[1].encode("ascii")))
    except (ValueError, RecursionError):
        return None
