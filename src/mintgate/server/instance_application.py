"""One instance's rooms put together: identity, sites and APIs under one base URL."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mintgate.apis.domain import DomainApi
from mintgate.contract.clock import Clock
from mintgate.contract.errors import Refusal
from mintgate.contract.instance import DOMAIN_API_PATH, ID_PATH, Instance
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.authorize import (
    CONSENT_PATH,
    RESUME_PATH,
    SIGN_IN_PATH,
    AuthorizeEndpoint,
)
from mintgate.identity.endpoints.end_session import PATH as END_SESSION_PATH
from mintgate.identity.endpoints.end_session import EndSessionEndpoint
from mintgate.identity.endpoints.metadata import KeySetEndpoint, MetadataEndpoint
from mintgate.identity.endpoints.signin import (
    ConsentEndpoint,
    InteractionParts,
    SignInEndpoint,
)
from mintgate.identity.endpoints.token import TokenEndpoint
from mintgate.identity.endpoints.userinfo import UserinfoEndpoint
from mintgate.identity.forms import client_address
from mintgate.identity.grants.authorization_code import AuthorizationCode
from mintgate.identity.grants.client_credentials import ClientCredentials
from mintgate.identity.grants.refresh_token import RefreshToken
from mintgate.identity.interactions import Interactions
from mintgate.identity.passwords import hash_password
from mintgate.identity.sessions import Sessions
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.server.cors import CrossOrigin
from mintgate.sites.pages import ASSETS_PATH, SitePages
from mintgate.sites.root import RootTools
from mintgate.store import AuditEvent, Database, DatabaseUnavailable
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import BearerMiddleware, Guard, Verifier
from mintgate.verify.asgi import Scope


class InstanceApplication:
    """Everything that answers for one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        is_fresh: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.instance = instance
        self._database = database
        self._clock = clock
        self.directory = Directory(instance, database, key_encryption_key, is_fresh, clock)
        self._pages = SitePages(instance)
        self.app = Starlette(routes=[*self._identity(), *self._apis(), *self._sites()])

    async def start(self) -> None:
        await self.directory.start()

    def _identity(self) -> list[Route | Mount]:
        parts = (self.directory, self._database, self._clock)
        grants = (ClientCredentials(*parts), AuthorizationCode(*parts), RefreshToken(*parts))
        token = TokenEndpoint(self.directory, self._database, grants, self._clock)
        metadata = MetadataEndpoint(self.instance).respond
        userinfo = UserinfoEndpoint(self.directory, self._clock)
        origins = self.directory.browser_origins
        well_known = "/.well-known"
        return [
            Route(f"{ID_PATH}/connect/token", CrossOrigin(token, origins)),
            Route(
                f"{ID_PATH}/connect/userinfo",
                CrossOrigin(userinfo, origins),
            ),
            Route(f"{ID_PATH}{well_known}/openid-configuration", metadata),
            Route(f"{ID_PATH}{well_known}/oauth-authorization-server", metadata),
            # RFC 8414 §3.1: the well-known part comes before the issuer's path.
            Route(f"{well_known}/oauth-authorization-server{ID_PATH}", metadata),
            Route(
                f"{ID_PATH}{well_known}/openid-configuration/jwks",
                KeySetEndpoint(self.directory).respond,
            ),
            *self._interactive(),
        ]

    def _interactive(self) -> list[Route | Mount]:
        cookies = Cookies(self.instance)
        sessions = Sessions(self.directory, self._database, cookies, self._clock)
        interactions = Interactions(self.instance.id, self._database, self._clock)
        passwords = PasswordSignIn(self.directory, self._database, self._clock)
        authorize = AuthorizeEndpoint(
            self.directory, self._database, sessions, interactions, self._pages, self._clock
        )
        end_session = EndSessionEndpoint(
            self.directory, sessions, interactions, cookies, self._pages
        )
        shared = InteractionParts(
            self.directory, self._database, sessions, interactions, cookies, self._pages
        )
        sign_in, consent = SignInEndpoint(shared, passwords), ConsentEndpoint(shared)
        return [
            Route(f"{ID_PATH}/connect/authorize", authorize.respond, methods=["GET", "POST"]),
            Route(ID_PATH + RESUME_PATH, authorize.resume),
            Route(ID_PATH + SIGN_IN_PATH, sign_in.show),
            Route(ID_PATH + SIGN_IN_PATH, sign_in.submit, methods=["POST"]),
            Route(ID_PATH + CONSENT_PATH, consent.show),
            Route(ID_PATH + CONSENT_PATH, consent.submit, methods=["POST"]),
            Route(ID_PATH + END_SESSION_PATH, end_session.show),
            Route(ID_PATH + END_SESSION_PATH, end_session.submit, methods=["POST"]),
            Mount(ID_PATH + ASSETS_PATH, StaticFiles(packages=[("mintgate.sites", "assets")])),
        ]

    def _apis(self) -> list[Route | Mount]:
        verifier = Verifier(
            self.instance.issuer,
            self.instance.database,
            self.directory,
            keys=self.directory,
            clock=self._clock,
        )
        domain = BearerMiddleware(
            DomainApi(self.instance, self._database, self._clock, hash_password),
            Guard(verifier, "DomainAPI"),
            on_refusal=self._audit_refusal,
        )
        return [Mount(DOMAIN_API_PATH, CrossOrigin(domain, self.directory.browser_origins))]

    def _sites(self) -> list[Route | Mount]:
        return [*RootTools(self.instance).routes(), Route("/", self._pages.landing)]

    async def _audit_refusal(self, scope: Scope, refusal: Refusal) -> None:
        try:
            await self._database.record(
                AuditEvent(
                    instance_id=self.instance.id,
                    at=self._clock(),
                    event="api.refused",
                    address=client_address(scope),
                    cause=f"{refusal.error}: {refusal.cause}",
                    details={"method": scope.get("method"), "path": scope["path"][:254]},
                )
            )
        except DatabaseUnavailable:
            # The refusal stands whether or not it could be written down.
            return
