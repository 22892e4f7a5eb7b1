"""What a gate is told: its tenants, its routes and how it listens."""

from __future__ import annotations

from typing import Literal

import msgspec

from mintgate.contract.declared_apis import Limits
from mintgate.contract.policy import Policy
from mintgate.verify.batch import USUAL_LIMITS, BatchLimits
from mintgate.verify.concurrency import Bound, ConcurrencyLimits

IdentityKind = Literal["none", "headers", "token"]
MEGABYTE = 1024 * 1024


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An identity server whose tokens are taken, and one database of it.

    Args:
        issuer: the exact `iss`.
        database: the `db` or `client_db` of its tokens [API-12].
        secrets: by API, that API's secret at the issuer [ITR-1]; tokens of this tenant are taken
            for these APIs only.
        algorithms: the signature algorithms that are accepted [EXT-6].
        reference_tokens: whether the issuer is asked about reference tokens. With several tenants
            it then sees those of the others, too, as nothing in such a token tells whose it is.
        sessions: whether the issuer is asked for ERP sessions and licence slots [API-16].
    """

    name: str
    issuer: str
    database: str
    secrets: dict[str, str]
    algorithms: tuple[str, ...] = ("RS256",)
    reference_tokens: bool = True
    sessions: bool = True

    def __repr__(self) -> str:
        return f"TenantSettings({self.name!r}, {self.issuer!r}, {self.database!r})"


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A server behind the gate.

    Args:
        url: its base; a path in it comes before the request's.
        issuer, database: whose callers it serves; None serves everybody of the route.
    """

    url: str
    issuer: str | None = None
    database: str | None = None


class ConcurrencySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that run at once; None is any number.

    Args:
        per_session: of one ERP session [API-51].
        overall: of everybody [API-53].
        waiting: how many more wait for each of these places; others are refused with 429.
    """

    per_session: int | None = None
    overall: int | None = None
    waiting: int = 5

    def limits(self) -> ConcurrencyLimits | None:
        """What counts them, for one event loop."""
        if self.per_session is None and self.overall is None:
            return None

        def bound(at_once: int | None) -> Bound | None:
            return None if at_once is None else Bound(at_once, self.waiting)

        return ConcurrencyLimits(per_session=bound(self.per_session), overall=bound(self.overall))


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix of paths, the API that it is, and where that is.

    Args:
        prefix: without a slash at its end, so that the root is empty.
        api: the audience.
        policy: None for a built-in API, or for reading by `read` and the rest by `update`.
        upstreams: one for everybody, or one for each issuer and database.
        identity: how the upstream learns who calls.
        pass_credential: whether it gets the caller's token as well.
        strip_prefix: forward the path without the prefix.
        keep_host: forward the client's `Host` instead of the upstream's.
        connect_seconds: until a connection stands.
        idle_seconds: without a byte in either direction.
        total_seconds: for a whole request; 0 is without end, as for a stream of events.
        max_body_bytes: of a request; 0 is without end.
        limits: requests per minute, counted in this process; off unless given [EXT-11].
        concurrency: how many run at once in this process; any number unless given.
        batch: what one OData batch may be.
        allowed_origins: whose pages may read what the gate itself answers [API-23].
    """

    prefix: str
    api: str
    upstreams: tuple[UpstreamSettings, ...]
    policy: Policy | None = None
    identity: IdentityKind = "none"
    pass_credential: bool = True
    strip_prefix: bool = False
    keep_host: bool = False
    websocket: bool = False
    connect_seconds: float = 5.0
    idle_seconds: float = 60.0
    total_seconds: float = 0.0
    max_body_bytes: int = 64 * MEGABYTE
    limits: Limits = Limits()
    concurrency: ConcurrencySettings = ConcurrencySettings()
    batch: BatchLimits = USUAL_LIMITS
    allowed_origins: tuple[str, ...] = ()

    @property
    def is_by_tenant(self) -> bool:
        return any(upstream.issuer is not None for upstream in self.upstreams)


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the gate listens.

    Args:
        max_header_bytes: of the request line and all header fields.
        header_seconds: from the first byte of a request, or of a connection, to its last header.
        keep_alive_seconds: an idle connection is kept.
        drain_seconds: after SIGTERM it says that it is not ready, and goes on as before.
        shutdown_seconds: running requests may go on then, while nothing new is accepted.
        trusted_proxies: whose `X-Forwarded-For` and `-Proto` are believed.
    """

    host: str = "127.0.0.1"
    port: int = 8088
    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    header_seconds: float = 10.0
    keep_alive_seconds: int = 60
    drain_seconds: float = 1.0
    shutdown_seconds: int = 10
    trusted_proxies: tuple[str, ...] = ()
    access_log: bool = True


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole gate.

    Args:
        name: by which it knows a request that it has forwarded itself; None takes a random one.
        issuer: the `iss` of the tokens that it makes for upstreams.
        signing_key: PKCS #8 in PEM, to sign those; None makes one when the gate starts.
    """

    tenants: tuple[TenantSettings, ...]
    routes: tuple[RouteSettings, ...]
    listener: ListenerSettings = ListenerSettings()
    name: str | None = None
    issuer: str | None = None
    signing_key: bytes | None = None

    def __repr__(self) -> str:
        return f"GateSettings({self.name!r}, {self.tenants!r}, {self.routes!r})"
