"""One instance's rooms put together: identity, sites and APIs under one base URL."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.apis.app_server import AppServer
from mintgate.apis.domain import DomainApi
from mintgate.apis.management.answers import refusal_parts
from mintgate.apis.management.tables import ManagementApis
from mintgate.apis.olap import OlapApi
from mintgate.apis.table_api import TableApi
from mintgate.contract.automation.routes import AUTOMATION_ROOT
from mintgate.contract.clock import Clock
from mintgate.contract.instance import (
    APP_SERVER_PATH,
    DOMAIN_API_PATH,
    ID_PATH,
    OLAP_PATH,
    TABLE_API_PATH,
    Instance,
)
from mintgate.contract.session_leases import SESSION_LEASE_PATH
from mintgate.contract.users import MAY_CALL_APIS_AS_USER, MAY_SIGN_IN, UserType
from mintgate.gate import shared_counters
from mintgate.gate.forward_auth import ForwardAuth
from mintgate.gate.forward_targets import ROOT as FORWARD_AUTH_ROOT
from mintgate.gate.legacy import LegacyAccess, LegacyEndpoints, LegacyUses
from mintgate.gate.refusal_log import RefusalLog
from mintgate.gate.session_lease_endpoint import SessionLeaseEndpoint
from mintgate.gate.session_leases import SessionLeases
from mintgate.gate.sessions import ErpSessions
from mintgate.gate.shared_counters import SharedCounters
from mintgate.identity import client_tries
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.logout.delivery import LogoutDelivery
from mintgate.identity.passwords import hash_password
from mintgate.identity.references import References
from mintgate.identity.rendering import Methods
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.jose import ALGORITHMS
from mintgate.server.api_limits import ApiLimits
from mintgate.server.cors import CrossOrigin
from mintgate.server.failures import Failures
from mintgate.server.identity_routes import TOKEN_PATH, identity_routes, token_endpoint
from mintgate.server.legacy_route import LegacyRoute
from mintgate.sites.pages import SitePages
from mintgate.sites.root import RootTools
from mintgate.store import Change, Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Guard, GuardMiddleware, Verifier
from mintgate.verify.concurrency import usual_concurrency
from mintgate.verify.refusals import refusal_response


class InstanceApplication:
    """Everything that answers for one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
        goes_on: whether tokens are judged by what is known all the same, as the database is away.
        before: the instance's application before one of its settings changed; what is counted
            and who is in session goes on.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        is_fresh: Callable[[], bool],
        clock: Clock,
        goes_on: Callable[[], bool] = lambda: False,
        before: InstanceApplication | None = None,
    ) -> None:
        self.instance = instance
        self._database = database
        self._clock = clock
        self.directory = Directory(
            instance, database, key_encryption_key, is_fresh, clock, goes_on=goes_on
        )
        self.references = References(self.directory, database, is_fresh, clock)
        self.logout_delivery = LogoutDelivery(self.directory, database, clock)
        self.erp_sessions: ErpSessions = (
            before.erp_sessions
            if before is not None
            else ErpSessions(instance.id, database, is_fresh, clock, goes_on)
        )
        self.legacy_uses: LegacyUses = (
            before.legacy_uses if before is not None else LegacyUses(instance.id, database, clock)
        )
        counters = before.limits.counters if before is not None else self._counters()
        self.limits: ApiLimits = ApiLimits(self.directory, counters)
        self.client_tries: ClientTries = (
            before.client_tries if before is not None else self._client_tries()
        )
        passwords = PasswordSignIn(self.directory, database, clock)
        self.legacy = LegacyAccess(
            self.directory,
            passwords,
            self.erp_sessions,
            self.legacy_uses,
            database,
            is_fresh,
            clock,
        )
        self._verifier = self._verifier_of(MAY_CALL_APIS_AS_USER)
        pages = SitePages(instance)
        routes = [
            *self._apis(),
            *self._management(key_encryption_key),
            *identity_routes(
                self.directory,
                database,
                self._verifier,
                pages,
                clock,
                passwords,
                self.client_tries,
            ),
            self._session_leases(),
            *RootTools(instance).routes(),
            Route("/", pages.landing),
        ]
        self._token = token_endpoint(self.directory, database, clock, self.client_tries)
        self.forward_auth = ForwardAuth(
            self.directory,
            database,
            self._verifier,
            clock,
            sessions=self.erp_sessions,
            limits_of=lambda settings: self.limits.of(settings.name),
            legacy_of=self.legacy.of_api,
        )
        self._others = Failures(ExceptionMiddleware(Router(routes)))

    async def start(self) -> None:
        """Load keys, revoked tokens and the settings of APIs."""
        await self.directory.start()
        await self.limits.refresh()

    def apply(self, changes: list[Change]) -> None:
        """Drop what committed changes concern."""
        self.directory.apply(changes)
        for change in changes:
            if change.instance_id == self.instance.id:
                self.erp_sessions.apply(change)
                self.legacy.apply(change)
            if change.kind == "reference" and change.instance_id == self.instance.id:
                self.references.forget(change.subject)
            elif change.kind == "sid" and change.instance_id == self.instance.id:
                self.logout_delivery.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The token endpoint and forward auth do not wait for a router to go through other paths.
        path = scope["path"]
        if path == TOKEN_PATH:
            await self._token(scope, receive, send)
        elif path.startswith(FORWARD_AUTH_ROOT):
            await self.forward_auth(scope, receive, send)
        else:
            await self._others(scope, receive, send)

    def _verifier_of(self, user_types: frozenset[UserType]) -> Verifier:
        return Verifier(
            self.instance.issuer,
            self.instance.database,
            self.directory,
            keys=self.directory,
            references=self.references,
            user_types=user_types,
            # [EXT-6] Those of the living keys: each key vouches for its own algorithm only.
            algorithms=ALGORITHMS,
            clock=self._clock,
        )

    def _client_tries(self) -> ClientTries:
        key = self.directory.derived_key(client_tries.PURPOSE)
        return ClientTries(self.instance.id, self._database, key, self._clock)

    def _counters(self) -> SharedCounters:
        key = self.directory.derived_key(shared_counters.PURPOSE)
        return SharedCounters(self.instance.id, self._database, key, self._clock)

    def _management(self, key_encryption_key: KeyEncryptionKey) -> list[BaseRoute]:
        people = self._verifier_of(MAY_SIGN_IN)
        apis = ManagementApis(
            self.instance,
            self._database,
            key_encryption_key,
            self._verifier,
            people,
            self.erp_sessions,
        )

        def answering(app: ASGIApp) -> Failures:
            return Failures(app, lambda refusal: refusal_parts(refusal, "InstanceManager"))

        return [
            Mount(AUTOMATION_ROOT, answering(apis.automation())),
            *(Route(a.path, answering(a.endpoint)) for a in (*apis.profile(), *apis.manage())),
        ]

    def _session_leases(self) -> Route:
        parts = (self._database, self._verifier, self._clock)
        leases = SessionLeases(self.instance.id, *parts)
        endpoint = SessionLeaseEndpoint(
            self.instance.id, leases, self._database, self._clock, self.client_tries
        )
        # An API's server calls it, never a browser: no CORS [EP-8].
        return Route(ID_PATH + SESSION_LEASE_PATH, Methods(POST=endpoint.post))

    def _apis(self) -> list[BaseRoute]:
        instance, database, clock = self.instance, self._database, self._clock
        return [
            self._legacy_route("DomainAPI"),
            self._guarded(
                DOMAIN_API_PATH,
                "DomainAPI",
                DomainApi(instance, database, clock, hash_password),
            ),
            self._guarded(TABLE_API_PATH, "TableAPI", TableApi(instance, database, clock)),
            self._guarded(OLAP_PATH, "OLAP", OlapApi(instance, database, clock)),
            self._guarded(APP_SERVER_PATH, "AppServer", AppServer(instance)),
        ]

    def _guarded(self, path: str, audience: str, app: ASGIApp) -> Mount:
        """A built-in API behind the checks of its audience, all with the same sessions."""
        guarded = GuardMiddleware(
            app,
            self._guard(audience),
            on_refusal=self._log(audience),
            concurrency=usual_concurrency(audience),
        )
        answering = Failures(guarded, lambda refusal: refusal_response(refusal, audience))
        return Mount(path, CrossOrigin(answering, self.directory.browser_origins))

    def _legacy_route(self, audience: str) -> LegacyRoute:
        """Signing in to ErpLogin, and out of it [LEG-10, LEG-13]."""
        endpoints = LegacyEndpoints(
            self.legacy, self._guard(audience), on_refusal=self._log(audience)
        )
        return LegacyRoute(Failures(endpoints, lambda refusal: refusal_response(refusal, audience)))

    def _guard(self, audience: str) -> Guard:
        return Guard(
            self._verifier,
            audience,
            sessions=self.erp_sessions,
            limits=self.limits.of(audience),
            legacy=self.legacy.of_api(audience),
        )

    def _log(self, audience: str) -> RefusalLog:
        return RefusalLog(self.instance, audience, self._database, self._clock)
