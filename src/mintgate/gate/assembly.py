"""A gate put together from its settings: verifiers, guards, upstreams."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization

from mintgate.contract.clock import system_clock
from mintgate.gate.access_log import note
from mintgate.gate.draining import Draining
from mintgate.gate.gateway import Gateway, ServedRoute
from mintgate.gate.identity import TOKEN_HEADER, InternalTokens, identity_headers
from mintgate.gate.proxy import Forwarder, UpstreamClient
from mintgate.gate.proxy.forwarding import IdentityOf
from mintgate.gate.proxy.upstreams import upstreams_of
from mintgate.gate.readable_answers import ReadableAnswers
from mintgate.gate.route_limits import RouteLimits
from mintgate.gate.settings import GateSettings, RouteSettings
from mintgate.gate.tenants import (
    Connect,
    Tenant,
    TenantSessions,
    TenantVerifier,
    connected,
)
from mintgate.jose import ALGORITHMS, KeySet, SigningKey
from mintgate.store.valkey_counters import ValkeyCounters
from mintgate.verify import Guard, GuardMiddleware
from mintgate.verify.asgi import Application
from mintgate.verify.limits import RequestLimits
from mintgate.verify.sessions import SessionSource

SessionsOf = Callable[[Tenant], SessionSource | None]
LimitsOf = Callable[[RouteSettings], RequestLimits | None]
Guarded = Callable[[Application, Guard, RouteSettings], Application]


def with_middleware(app: Application, guard: Guard, route: RouteSettings) -> Application:
    """The checks of a route, and what is noted of its refusals."""
    return GuardMiddleware(
        app,
        guard,
        on_refusal=note,
        batch_limits=route.batch,
        concurrency=route.concurrency.limits(),
        watches_websockets=False,  # the forwarder does, as it has two ends to close
    )


class Gate:
    """A gate that can be served.

    Args:
        sessions_of: what opens a tenant's ERP sessions; by default what `connect` gave it.
        limits_of: counts a route's requests, instead of the gate itself.
        guarded: puts a guard in front of an application.
        connect: makes a tenant for one API: its verifier and its sessions.
        draining: tells whether the gate ends.
        valkey: where requests are counted, unless `limits_of` is given; see `RouteLimits`.

    Raises:
        ValueError: settings that do not fit together.
    """

    def __init__(
        self,
        settings: GateSettings,
        *,
        sessions_of: SessionsOf = lambda tenant: tenant.sessions,
        limits_of: LimitsOf | None = None,
        guarded: Guarded = with_middleware,
        connect: Connect = connected,
        draining: Draining | None = None,
        valkey: ValkeyCounters | None = None,
    ) -> None:
        self.settings = settings
        self._draining = draining or Draining()
        self._client = UpstreamClient()
        self._name = settings.name or f"mintgate-{secrets.token_hex(6)}"
        self.signing_key = _signing_key(settings)
        self._tenants = {
            api: [connect(tenant, api) for tenant in settings.tenants if api in tenant.secrets]
            for api in dict.fromkeys(route.api for route in settings.routes)
        }
        self._sessions = {
            api: _sessions(tenants, sessions_of) for api, tenants in self._tenants.items()
        }
        self._limits = RouteLimits(settings, valkey)
        limits = limits_of or self._limits.of
        served = [
            (route.prefix, ServedRoute(route.api, self._served(route, limits, guarded)))
            for route in settings.routes
        ]
        key_set = KeySet([self.signing_key.public]).to_dict() if self.signing_key else None
        self.app = Gateway(
            served, key_set=key_set, is_ready=self.is_ready, start=self._start, stop=self._stop
        )

    @property
    def tenants(self) -> list[Tenant]:
        return [tenant for tenants in self._tenants.values() for tenant in tenants]

    def is_ready(self) -> bool:
        """Whether the gate goes on, and every identity server has been heard of a moment ago."""
        return not self._draining.is_announced and all(tenant.is_known for tenant in self.tenants)

    def _served(self, route: RouteSettings, limits_of: LimitsOf, guarded: Guarded) -> Application:
        verifier = TenantVerifier(self._tenants[route.api], upstreams_of(route).served)
        guard = Guard(
            verifier,
            route.api,
            route.policy,
            sessions=self._sessions[route.api],
            limits=limits_of(route),
        )
        forwarder = Forwarder(route, guard, self._client, self._name, self._identity_of(route))
        if not route.allowed_origins:
            return guarded(forwarder, guard, route)
        readable = ReadableAnswers(route.allowed_origins)
        return readable.around(guarded(readable.behind(forwarder), guard, route))

    def _identity_of(self, route: RouteSettings) -> IdentityOf:
        if route.identity == "headers":
            return identity_headers
        key = self.signing_key
        if route.identity == "none" or key is None:
            return lambda principal: []
        tokens = InternalTokens(lambda: key, self.settings.issuer or self._name, system_clock)
        return lambda principal: [
            (TOKEN_HEADER, tokens.token_for(principal, route.api).encode("ascii"))
        ]

    def _start(self) -> None:
        self._limits.start()
        # Now rather than at the first request, so that it need not wait, and a wrong secret shows.
        for tenant in self.tenants:
            if tenant.state is not None:
                tenant.state.ensure_followed()

    async def _stop(self) -> None:
        await self._client.close()
        await self._limits.stop()
        states = [tenant.state for tenant in self.tenants if tenant.state is not None]
        kept = [sessions for sessions in self._sessions.values() if sessions is not None]
        ending = [*(sessions.close for sessions in kept), *(state.stop for state in states)]
        await asyncio.gather(*(asyncio.to_thread(end) for end in ending))


def _sessions(tenants: list[Tenant], sessions_of: SessionsOf) -> TenantSessions | None:
    found = {(t.settings.issuer, t.settings.database): sessions_of(t) for t in tenants}
    sources = {key: source for key, source in found.items() if source is not None}
    if sources and len(sources) < len(found):
        raise ValueError("either every tenant of an API keeps sessions, or none does")
    return TenantSessions(sources) if sources else None


def _signing_key(settings: GateSettings) -> SigningKey | None:
    if not any(route.identity == "token" for route in settings.routes):
        return None
    if settings.signing_key is None:
        return SigningKey.generate(secrets.token_hex(8), "ES256")
    return signing_key_of(settings.signing_key)


def signing_key_of(pem: bytes) -> SigningKey:
    """The key in a PEM file; its name is made from its public half, so that it stays the same.

    Raises:
        ValueError: it is no private key without a password, or of a kind that is not used here.
    """
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError("the key has a password") from error
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    der = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    kid = hashlib.sha256(public).hexdigest()[:16]
    for algorithm in ALGORITHMS:
        try:
            return SigningKey.from_pkcs8(kid, der, algorithm)
        except ValueError:
            continue
    raise ValueError("the key must be RSA of 2048 bit or more, on P-256, or Ed25519")
