"""The identity service of one instance, put together under its path."""

from __future__ import annotations

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from mintgate.contract.clock import Clock
from mintgate.contract.feed import STATE_FEED_PATH
from mintgate.contract.instance import ID_PATH
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.account_chooser import AccountChooserEndpoint
from mintgate.identity.endpoints.authorize import (
    CHOOSER_PATH,
    CONSENT_PATH,
    RESUME_PATH,
    SIGN_IN_PATH,
    AuthorizeEndpoint,
)
from mintgate.identity.endpoints.consent import ConsentEndpoint
from mintgate.identity.endpoints.end_session import PATH as END_SESSION_PATH
from mintgate.identity.endpoints.end_session import EndSessionEndpoint
from mintgate.identity.endpoints.enrolment import EnrolmentEndpoint
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.endpoints.introspection import IntrospectionEndpoint
from mintgate.identity.endpoints.metadata import KeySetEndpoint, MetadataEndpoint
from mintgate.identity.endpoints.passkey_options import PATH as PASSKEY_OPTIONS_PATH
from mintgate.identity.endpoints.passkey_options import PasskeyOptionsEndpoint
from mintgate.identity.endpoints.revocation import RevocationEndpoint
from mintgate.identity.endpoints.second_factor import SecondFactorEndpoint
from mintgate.identity.endpoints.sign_in_steps import (
    ENROL_PATH,
    SECOND_FACTOR_PATH,
    SignInSteps,
)
from mintgate.identity.endpoints.signin import SignInEndpoint
from mintgate.identity.endpoints.state_feed import StateFeedEndpoint
from mintgate.identity.endpoints.token import TokenEndpoint
from mintgate.identity.endpoints.userinfo import UserinfoEndpoint
from mintgate.identity.grants.authorization_code import AuthorizationCode
from mintgate.identity.grants.client_credentials import ClientCredentials
from mintgate.identity.grants.refresh_token import RefreshToken
from mintgate.identity.interactions import Interactions
from mintgate.identity.pages import Pages
from mintgate.identity.rendering import Methods
from mintgate.identity.service_tokens import ServiceTokens
from mintgate.identity.sessions import Sessions
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.identity.signin.second_factor import SecondFactors
from mintgate.server.account_routes import account_endpoints
from mintgate.server.cors import CrossOrigin
from mintgate.server.failures import BASE_HEADERS, Failures
from mintgate.sites.accounts.pages import SiteAccountPages
from mintgate.sites.assets import ASSETS_PATH, Assets
from mintgate.sites.brand import brand_of
from mintgate.store import Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Verifier

TOKEN_PATH = f"{ID_PATH}/connect/token"


def token_endpoint(
    directory: Directory, database: Database, clock: Clock, tries: ClientTries
) -> ASGIApp:
    """`POST /connect/token` with its grants."""
    parts = (directory, database, clock)
    service = ClientCredentials(*parts)
    grants = (service, AuthorizationCode(*parts), RefreshToken(*parts))
    repeated = ServiceTokens(directory, service, tries, clock, BASE_HEADERS)
    return TokenEndpoint(directory, database, grants, clock, tries, repeated)


def identity_routes(
    directory: Directory,
    database: Database,
    verifier: Verifier,
    of_people: Verifier,
    pages: Pages,
    clock: Clock,
    passwords: PasswordSignIn,
    tries: ClientTries,
    key_encryption_key: KeyEncryptionKey,
    accounts: AccountParts,
) -> list[BaseRoute]:
    """Everything else under `/id`, and the path-inserted metadata (RFC 8414 §3.1).

    Args:
        verifier: as APIs ask it.
        of_people: the same for the tokens of everybody who may sign in.
    """
    metadata = MetadataEndpoint(directory).respond
    userinfo = UserinfoEndpoint(directory, database, of_people, clock)
    introspection = IntrospectionEndpoint(directory, database, verifier, clock, tries)
    state_feed = StateFeedEndpoint(directory, database, clock, tries)
    revocation = Methods(POST=RevocationEndpoint(directory, database, clock, tries).post)
    well_known = "/.well-known"
    return [
        Route(
            f"{ID_PATH}/connect/userinfo",
            CrossOrigin(Failures(userinfo), directory.browser_origins),
        ),
        # An API's server calls it, never a browser: no CORS [EP-8].
        Route(f"{ID_PATH}/connect/introspect", Methods(POST=introspection.post)),
        Route(f"{ID_PATH}{STATE_FEED_PATH}", Methods(GET=state_feed.get)),
        Route(
            f"{ID_PATH}/connect/revocation",
            CrossOrigin(Failures(revocation), directory.browser_origins),
        ),
        Route(f"{ID_PATH}{well_known}/openid-configuration", metadata),
        Route(f"{ID_PATH}{well_known}/oauth-authorization-server", metadata),
        Route(f"{well_known}/oauth-authorization-server{ID_PATH}", metadata),
        Route(
            f"{ID_PATH}{well_known}/openid-configuration/jwks", KeySetEndpoint(directory).respond
        ),
        *_interactive_routes(
            directory, database, pages, clock, passwords, key_encryption_key, accounts
        ),
        Mount(ID_PATH + ASSETS_PATH, Assets(lambda: brand_of(directory.instance).assets())),
    ]


def _interactive_routes(
    directory: Directory,
    database: Database,
    pages: Pages,
    clock: Clock,
    passwords: PasswordSignIn,
    key_encryption_key: KeyEncryptionKey,
    accounts: AccountParts,
) -> list[BaseRoute]:
    cookies = Cookies(directory.instance)
    sessions = Sessions(directory, database, cookies, clock)
    interactions = Interactions(directory.instance.id, database, clock)
    authorize = AuthorizeEndpoint(directory, database, sessions, interactions, pages, clock)
    devices = passwords.devices
    steps = SignInSteps(directory, database, sessions, cookies, devices, clock)
    factors = SecondFactors(directory, database, devices, key_encryption_key, clock)
    parts = InteractionParts(
        directory, database, sessions, interactions, cookies, pages, steps, factors
    )
    second = SecondFactorEndpoint(parts)
    enrolment = EnrolmentEndpoint(parts)
    sign_in = SignInEndpoint(parts, passwords, can_mail=accounts.can_mail)
    chooser = AccountChooserEndpoint(parts)
    consent = ConsentEndpoint(parts)
    end_session = EndSessionEndpoint(directory, sessions, interactions, cookies, pages)
    endpoints = {
        "/connect/authorize": Methods(GET=authorize.respond, POST=authorize.respond),
        RESUME_PATH: Methods(GET=authorize.resume),
        SIGN_IN_PATH: Methods(GET=sign_in.get, POST=sign_in.post),
        SECOND_FACTOR_PATH: Methods(GET=second.get, POST=second.post),
        ENROL_PATH: Methods(GET=enrolment.get, POST=enrolment.post),
        PASSKEY_OPTIONS_PATH: Methods(POST=PasskeyOptionsEndpoint(parts).post),
        CHOOSER_PATH: Methods(GET=chooser.get, POST=chooser.post),
        CONSENT_PATH: Methods(GET=consent.get, POST=consent.post),
        END_SESSION_PATH: Methods(GET=end_session.get, POST=end_session.post),
        **account_endpoints(parts, SiteAccountPages(directory.instance), accounts),
    }
    return [Route(ID_PATH + path, endpoint) for path, endpoint in endpoints.items()]
