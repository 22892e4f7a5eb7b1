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
from mintgate.gate.forward_auth import ROOT as FORWARD_AUTH_ROOT
from mintgate.gate.forward_auth import ForwardAuth
from mintgate.gate.refusal_log import RefusalLog
from mintgate.gate.sessions import ErpSessions
from mintgate.identity.directory import Directory
from mintgate.identity.logout.delivery import LogoutDelivery
from mintgate.identity.passwords import hash_password
from mintgate.identity.references import References
from mintgate.jose import ALGORITHMS
from mintgate.server.cors import CrossOrigin
from mintgate.server.failures import Failures
from mintgate.server.identity_routes import TOKEN_PATH, identity_routes, token_endpoint
from mintgate.sites.pages import SitePages
from mintgate.sites.root import RootTools
from mintgate.store import Change, Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Guard, GuardMiddleware, Verifier
from mintgate.verify.refusals import refusal_response


class InstanceApplication:
    """Everything that answers for one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
        erp_sessions: those of the instance before one of its settings changed.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        is_fresh: Callable[[], bool],
        clock: Clock,
        erp_sessions: ErpSessions | None = None,
    ) -> None:
        self.instance = instance
        self._database = database
        self._clock = clock
        self.directory = Directory(instance, database, key_encryption_key, is_fresh, clock)
        self.references = References(self.directory, database, is_fresh, clock)
        self.logout_delivery = LogoutDelivery(self.directory, database, clock)
        self.erp_sessions = erp_sessions or ErpSessions(instance.id, database, is_fresh, clock)
        self._verifier = self._verifier_of(MAY_CALL_APIS_AS_USER)
        pages = SitePages(instance)
        routes = [
            self._domain_api(),
            *self._management(key_encryption_key),
            *identity_routes(self.directory, database, self._verifier, pages, clock),
            *RootTools(instance).routes(),
            Route("/", pages.landing),
        ]
        self._token = token_endpoint(self.directory, database, clock)
        self.forward_auth = ForwardAuth(
            self.directory, database, self._verifier, clock, sessions=self.erp_sessions
        )
        self._others = Failures(ExceptionMiddleware(Router(routes)))

    async def start(self) -> None:
        """Load keys and revoked tokens."""
        await self.directory.start()

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
            Guard(self._verifier, AUDIENCE, sessions=self.erp_sessions),
            on_refusal=RefusalLog(self.instance, AUDIENCE, self._database, self._clock),
        )
        answering = Failures(guarded, lambda refusal: refusal_response(refusal, AUDIENCE))
        return Mount(DOMAIN_API_PATH, CrossOrigin(answering, self.directory.browser_origins))
