"""One instance's rooms put together: identity, sites and APIs under one base URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.apis.management.answers import refusal_parts
from mintgate.contract.automation.routes import AUTOMATION_ROOT, SITE_PATHS
from mintgate.contract.clock import Clock
from mintgate.contract.instance import (
    APP_SERVER_PATH,
    DOMAIN_API_PATH,
    ID_PATH,
    MANAGE_PATH,
    OLAP_PATH,
    PROFILE_PATH,
    TABLE_API_PATH,
    Instance,
)
from mintgate.contract.lifecycle_events import MARKETPLACE_KEY_PATH, MARKETPLACE_PATH
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
from mintgate.gate.sums import DatabaseSums, Sums, ValkeySums
from mintgate.identity import client_tries
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.marketplace import MarketplaceEndpoint
from mintgate.identity.lifecycle.delivery import LifecycleDelivery
from mintgate.identity.logout.delivery import LogoutDelivery
from mintgate.identity.mail.post import Post
from mintgate.identity.outgoing.rounds import Rounds
from mintgate.identity.references import References
from mintgate.identity.rendering import Methods
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.jose import ALGORITHMS
from mintgate.server import built_in_apis
from mintgate.server.api_limits import ApiLimits
from mintgate.server.cors import CrossOrigin
from mintgate.server.failures import BASE_HEADERS, Failures
from mintgate.server.identity_routes import TOKEN_PATH, identity_routes, token_endpoint
from mintgate.server.late import Late
from mintgate.server.legacy_route import LegacyRoute
from mintgate.server.mailing import mailing
from mintgate.server.sites import FormsAndJson, SiteParts, manage_site, profile_site, routes_of
from mintgate.sites.browser_errors import BrowserErrors
from mintgate.sites.pages import SitePages
from mintgate.sites.root import RootTools
from mintgate.store import Change, Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.valkey_counters import ValkeyCounters
from mintgate.verify import Guard, GuardMiddleware, Verifier
from mintgate.verify.concurrency import usual_concurrency
from mintgate.verify.refusals import refusal_response

if TYPE_CHECKING:
    from mintgate.apis.management.tables import ManagementApis


class InstanceApplication:
    """Everything that answers for one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
        goes_on: whether tokens are judged by what is known all the same, as the database is away.
        before: the instance's application before one of its settings changed; what is counted
            and who is in session goes on.
        valkey: where rate limits are counted; None counts them in the database.
        post: takes letters; None where this server sends none.
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
        valkey: ValkeyCounters | None = None,
        post: Post | None = None,
    ) -> None:
        self.instance = instance
        self._valkey = valkey
        self._database = database
        self._clock = clock
        self.directory = Directory(
            instance, database, key_encryption_key, is_fresh, clock, goes_on=goes_on
        )
        self.references: References = References(
            self.directory, database, is_fresh, clock, before.references if before else None
        )
        self.logout_delivery = LogoutDelivery(self.directory, database, clock)
        self.lifecycle_delivery = LifecycleDelivery(instance, database, key_encryption_key, clock)
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
        accounts, self.mail_delivery = mailing(
            self.directory, database, key_encryption_key, passwords, post, clock
        )
        self.outboxes: list[Rounds[Any]] = [
            delivery.rounds
            for delivery in (self.logout_delivery, self.lifecycle_delivery, self.mail_delivery)
            if delivery is not None
        ]
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
        of_people = self._verifier_of(MAY_SIGN_IN)
        pages = SitePages(instance)
        token = token_endpoint(self.directory, database, clock, self.client_tries)
        sites = SiteParts(
            self.directory,
            database,
            key_encryption_key,
            pages,
            token,
            passwords,
            of_people,
            clock,
            self.mail_delivery is not None,
        )
        routes = [
            *self._apis(),
            *self._management(key_encryption_key, sites),
            *identity_routes(
                self.directory,
                database,
                self._verifier,
                of_people,
                pages,
                clock,
                passwords,
                self.client_tries,
                key_encryption_key,
                accounts,
            ),
            self._session_leases(),
            *RootTools(instance).routes(),
            *self._marketplace(),
            Route("/", pages.landing),
        ]
        self._token = CrossOrigin(Failures(token), self.directory.browser_origins)
        self.token = Failures(token, headers=BASE_HEADERS)
        """The same for who is no browser, with every header that an answer needs."""
        self.forward_auth = ForwardAuth(
            self.directory,
            database,
            self._verifier,
            clock,
            sessions=self.erp_sessions,
            limits_of=lambda settings: self.limits.of(settings.name),
            legacy_of=self.legacy.of_api,
        )
        others = Failures(ExceptionMiddleware(Router(routes)))
        self._others = BrowserErrors(others, pages.unavailable)

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
            elif change.kind == "user" and self.mail_delivery is not None:
                self.mail_delivery.rounds.wake()  # letters are mostly about a change of a user
            elif change.kind == "sid" and change.instance_id == self.instance.id:
                self.logout_delivery.rounds.wake()
            elif change.kind == "application" and change.instance_id == self.instance.id:
                self.lifecycle_delivery.rounds.wake()

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
        sums: Sums = DatabaseSums(self._database, self.instance.id)
        if self._valkey is not None:
            sums = ValkeySums(self._valkey, self.instance.id, sums)
        return SharedCounters(sums, key, self._clock)

    def _management(
        self, key_encryption_key: KeyEncryptionKey, parts: SiteParts
    ) -> list[BaseRoute]:
        """The automation API, and the two sites with their addresses for programs."""

        @cache
        def apis() -> ManagementApis:
            return built_in_apis.management_apis(
                self.instance,
                self._database,
                key_encryption_key,
                self._verifier,
                parts.people,
                self.erp_sessions,
                can_mail=self.mail_delivery is not None,
            )

        def site(path: str) -> ASGIApp:
            return apis().site(path)

        def late(make: Callable[[], ASGIApp]) -> Failures:
            return Failures(Late(make), lambda refusal: refusal_parts(refusal, "InstanceManager"))

        profile = Failures(Late(partial(profile_site, parts)))
        manage = Failures(Late(partial(manage_site, parts)))
        # The others below are for programs only.
        pages = {f"{PROFILE_PATH}/security/": profile, f"{MANAGE_PATH}/apps/": manage}

        def both(path: str) -> ASGIApp:
            program = late(partial(site, path))
            forms = next((site for root, site in pages.items() if path.startswith(root)), None)
            return program if forms is None else FormsAndJson(forms, program)

        return [
            Mount(AUTOMATION_ROOT, late(lambda: apis().automation())),
            *(Route(path, both(path)) for path in SITE_PATHS),
            *routes_of(PROFILE_PATH, profile),
            *routes_of(MANAGE_PATH, manage),
        ]

    def _marketplace(self) -> list[BaseRoute]:
        endpoint = MarketplaceEndpoint(self.instance, self._database)
        return [
            Route(MARKETPLACE_PATH, endpoint.document),
            Route(MARKETPLACE_KEY_PATH, endpoint.public_key),
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
        parts = (self.instance, self._database, self._clock)
        made = {
            (DOMAIN_API_PATH, "DomainAPI"): built_in_apis.domain_api,
            (TABLE_API_PATH, "TableAPI"): built_in_apis.table_api,
            (OLAP_PATH, "OLAP"): built_in_apis.olap_api,
            (APP_SERVER_PATH, "AppServer"): built_in_apis.app_server,
        }
        return [
            self._legacy_route("DomainAPI"),
            *(self._guarded(*of, Late(partial(make, *parts))) for of, make in made.items()),
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
