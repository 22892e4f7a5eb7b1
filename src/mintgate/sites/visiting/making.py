"""A whole site put together: its sign-in, its pages, and a page for what is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.end_session import EndSessionEndpoint
from mintgate.identity.interactions import Interactions
from mintgate.identity.pages import Pages
from mintgate.identity.sessions import Sessions
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.sites.visiting.calls import Calls
from mintgate.sites.visiting.cookies import SiteCookies
from mintgate.sites.visiting.door import Door
from mintgate.sites.visiting.redeeming import Redeemer
from mintgate.sites.visiting.sign_in import SignInParts
from mintgate.sites.visiting.site import Site
from mintgate.sites.visiting.visitor import Visitors
from mintgate.store import Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Verifier


class SiteGround(NamedTuple):
    """What the pages of a site stand on.

    Args:
        door: makes their routes.
        calls: runs operations for their visitors.
        passwords: checks them as a sign-in does.
        people: takes tokens of everyone who may sign in.
    """

    instance: Instance
    directory: Directory
    database: Database
    key_encryption_key: KeyEncryptionKey
    door: Door
    calls: Calls
    pages: Pages
    passwords: PasswordSignIn
    people: Verifier
    clock: Clock


def make_site(
    site: Site,
    directory: Directory,
    database: Database,
    key_encryption_key: KeyEncryptionKey,
    pages: Pages,
    token_endpoint: ASGIApp,
    passwords: PasswordSignIn,
    people: Verifier,
    clock: Clock,
    can_mail: bool = False,
    *,
    routes: Callable[[SiteGround], Sequence[BaseRoute]],
) -> ASGIApp:
    """A site that answers at and below its root.

    Args:
        token_endpoint: of the instance, for the site's own codes.
        can_mail: whether this server sends letters.
        routes: makes the pages.
    """
    instance = directory.instance
    cookies = SiteCookies(instance, site.name)
    visitors = Visitors(site, directory, database, cookies, clock)
    redeemer = Redeemer(token_endpoint, instance.issuer, site.client_id)
    parts = SignInParts(directory, database, visitors, cookies, redeemer, pages, clock)
    door = Door(site, parts, _end_session(directory, database, pages, clock))
    calls = Calls(directory, database, visitors, key_encryption_key, can_mail=can_mail)
    ground = SiteGround(
        instance,
        directory,
        database,
        key_encryption_key,
        door,
        calls,
        pages,
        passwords,
        people,
        clock,
    )
    return Router(
        [*door.routes(), *routes(ground)], default=_NotFound(pages), redirect_slashes=False
    )


def _end_session(
    directory: Directory, database: Database, pages: Pages, clock: Clock
) -> EndSessionEndpoint:
    cookies = Cookies(directory.instance)
    sessions = Sessions(directory, database, cookies, clock)
    interactions = Interactions(directory.instance.id, database, clock)
    return EndSessionEndpoint(directory, sessions, interactions, cookies, pages)


class _NotFound:
    """A page for an address that the site does not have."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        response = self._pages.unavailable(Request(scope, receive), status=404)
        await response(scope, receive, send)
