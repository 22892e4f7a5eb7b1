"""The sites of an instance, each made at the first request for one of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mintgate.contract.clock import Clock
from mintgate.identity.directory import Directory
from mintgate.identity.forms import FORM_TYPE
from mintgate.identity.pages import Pages
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.store import Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Verifier

_FORM_TYPES = (FORM_TYPE.encode(), b"multipart/form-data")
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key"})


class SiteParts(NamedTuple):
    """What the sites of an instance need.

    Args:
        token_endpoint: of the instance.
        people: takes tokens of everyone who may sign in.
    """

    directory: Directory
    database: Database
    key_encryption_key: KeyEncryptionKey
    pages: Pages
    token_endpoint: ASGIApp
    passwords: PasswordSignIn
    people: Verifier
    clock: Clock


def profile_site(parts: SiteParts) -> ASGIApp:
    from mintgate.sites import profile
    from mintgate.sites.visiting.making import make_site
    from mintgate.sites.visiting.site import PROFILE

    return make_site(PROFILE, *parts, routes=profile.routes)


def manage_site(parts: SiteParts) -> ASGIApp:
    from mintgate.sites import manage
    from mintgate.sites.visiting.making import make_site
    from mintgate.sites.visiting.site import MANAGE

    return make_site(MANAGE, *parts, routes=manage.routes)


def routes_of(root: str, site: ASGIApp) -> list[BaseRoute]:
    """Everything at and below a site's root."""
    return [Route(root, site), Route(root + "/{below:path}", site)]


class FormsAndJson:
    """An address that a site's page has as well as a program.

    A form, or somebody who wants HTML, is a browser; whatever comes with a credential is not.
    Neither takes the other's: a page asks for its cookie and its anti-forgery value, a program's
    address for its token.
    """

    def __init__(self, forms: ASGIApp, json: ASGIApp) -> None:
        self._forms = forms
        self._json = json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._forms if _is_of_a_browser(scope) else self._json
        await app(scope, receive, send)


def _is_of_a_browser(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    if any(name in _CREDENTIALS for name, _ in headers):
        return False
    if scope["method"] in {"GET", "HEAD"}:
        return any(name == b"accept" and b"text/html" in value for name, value in headers)
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    return content_type.partition(b";")[0].strip().lower() in _FORM_TYPES
