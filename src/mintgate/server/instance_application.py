"""One instance's rooms put together: identity, sites and APIs under one base URL."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.apis.domain import AUDIENCE, DomainApi
from mintgate.apis.management.answers import refusal_parts
from mintgate.apis.management.tables import ManagementApis
from mintgate.contract.automation.routes import AUTOMATION_ROOT
from mintgate.contract.clock import Clock
from mintgate.contract.instance import DOMAIN_API_PATH, Instance
from mintgate.contract.users import MAY_CALL_APIS_AS_USER, MAY_SIGN_IN, UserType
from mintgate.gate import shared_counters
from mintgate.gate.refusal_log import RefusalLog
from mintgate.gate.sessions import ErpSessions
from mintgate.gate.shared_counters import SharedCounters
from mintgate.identity import client_tries
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.logout.delivery import LogoutDelivery
from mintgate.identity.passwords import hash_password
from mintgate.identity.references import References
from mintgate.jose import ALGORITHMS
from mintgate.server.api_limits import ApiLimits
from mintgate.server.cors import CrossOrigin
from mintgate.server.failures import Failures
from mintgate.server.identity_routes import TOKEN_PATH, identity_routes, token_endpoint
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
        before: InstanceApplication | None = None,
    ) -> None:
        self.instance = instance
        self._database = database
        self._clock = clock
        self.directory = Directory(instance, database, key_encryption_key, is_fresh, clock)
        self.references = References(self.directory, database, is_fresh, clock)
        self.logout_delivery = LogoutDelivery(self.directory, database, clock)
        self.erp_sessions: ErpSessions = (
            before.erp_sessions
            if before is not None
            else ErpSessions(instance.id, database, is_fresh, clock)
        )
        counters = before.limits.counters if before is not None else self._counters()
        self.limits: ApiLimits = ApiLimits(self.directory, counters)
        self.client_tries: ClientTries = (
            before.client_tries if before is not None else self._client_tries()
        )
        self._verifier = self._verifier_of(MAY_CALL_APIS_AS_USER)
        pages = SitePages(instance)
        routes = [
            self._domain_api(),
            *self._management(key_encryption_key),
            *identity_routes(
                self.directory, database, self._verifier, pages, clock, self.client_tries
            ),
            *RootTools(instance).routes(),
            Route("/", pages.landing),
        ]
        self._token = token_endpoint(self.directory, database, clock, self.client_tries)
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
            if change.kind == "reference" and change.instance_id == self.instance.id:
                self.references.forget(change.subject)
            elif change.kind == "sid" and change.instance_id == self.instance.id:
                self.logout_delivery.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The token endpoint does not wait for a router to go through the other paths.
        app = self._token if scope["path"] == TOKEN_PATH else self._others
        await app(scope, receive, send)

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
            self.instance, self._database, key_encryption_key, self._verifier, people
        )

        def answering(app: ASGIApp) -> Failures:
            return Failures(app, lambda refusal: refusal_parts(refusal, "InstanceManager"))

        return [
            Mount(AUTOMATION_ROOT, answering(apis.automation())),
            *(Route(a.path, answering(a.endpoint)) for a in (*apis.profile(), *apis.manage())),
        ]

    def _domain_api(self) -> Mount:
        guarded = GuardMiddleware(
            DomainApi(self.instance, self._database, self._clock, hash_password),
            Guard(
                self._verifier,
                AUDIENCE,
                sessions=self.erp_sessions,
                limits=self.limits.of(AUDIENCE),
            ),
            on_refusal=RefusalLog(self.instance, AUDIENCE, self._database, self._clock),
            concurrency=usual_concurrency(AUDIENCE),
        )
        answering = Failures(guarded, lambda refusal: refusal_response(refusal, AUDIENCE))
        return Mount(DOMAIN_API_PATH, CrossOrigin(answering, self.directory.browser_origins))
