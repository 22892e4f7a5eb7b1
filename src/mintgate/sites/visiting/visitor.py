"""Who is at a page of a site, read anew for every request."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request

from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import token_digest
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.directory import Directory
from mintgate.identity.sessions import note_use
from mintgate.sites.visiting.cookies import SiteCookies
from mintgate.sites.visiting.site import Site
from mintgate.store import Database, authorizations, site_sessions, users
from mintgate.store.site_sessions import LiveSession

FORM_PURPOSE = "forms of sites"
DRAFT_SECONDS = 1800.0


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is signed in to a site.

    Args:
        user: as stored at this moment.
        sid: of the sign-in; it names the browser among those of this person.
        cookie_hash: of the site session.
        application_id: of the site.
        auth_time: when the person last proved who it is, Unix seconds.
        amr: how.
        anti_forgery: what every form of this person in this browser must carry.
        draft: what was typed on this page before it asked for a new sign-in; without secrets.
    """

    user: User
    sid: str
    cookie_hash: str
    application_id: str
    auth_time: int
    amr: tuple[str, ...]
    anti_forgery: str
    draft: Mapping[str, str] = {}

    @property
    def locale(self) -> str | None:
        """The language that the person chose; None leaves it to the browser."""
        return self.user.default_language

    def is_fresh(self, now: float, seconds: float) -> bool:
        """Whether the person proved who it is within so many seconds."""
        return now - self.auth_time <= seconds

    def is_own_form(self, sent: str | None) -> bool:
        """Whether a form carries this visitor's value, compared in constant time."""
        return hmac.compare_digest((sent or "").encode(), self.anti_forgery.encode())


class Visitors:
    """Finds out who asks a site.

    Args:
        clock: Unix seconds.
    """

    def __init__(
        self,
        site: Site,
        directory: Directory,
        database: Database,
        cookies: SiteCookies,
        clock: Clock,
    ) -> None:
        self.site = site
        self._directory = directory
        self._database = database
        self._cookies = cookies
        self._clock = clock
        self._form_key = directory.derived_key(FORM_PURPOSE)

    async def current(self, request: Request) -> Visitor | None:
        """The person behind the site's cookie, while everything lets that be so.

        The sign-in lives; the user is there, active and not locked; the site's application is
        enabled and not closed to this user.
        """
        cookie = self._cookies.session_of(request)
        if not cookie:
            return None
        digest = token_digest(cookie)
        application = await self._directory.application(self.site.client_id)
        if application is None or not application.is_enabled:
            return None
        application_id = application.id
        found = await self._database.read(lambda c: self.read(c, digest, application_id))
        if found is None or not application.allows_sign_in_of(found[1].user_type):
            return None
        live, user = found
        now = self._clock()
        await note_use(self._database, self._directory.instance.id, live.sign_in, request, now)
        return Visitor(
            user=user,
            sid=live.session.sid,
            cookie_hash=digest,
            application_id=application_id,
            auth_time=live.sign_in.auth_time,
            amr=live.sign_in.amr,
            anti_forgery=self._anti_forgery(cookie),
            draft=_draft_for(request, live, now),
        )

    def read(
        self, connection: Connection, cookie_hash: str, application_id: str
    ) -> tuple[LiveSession, User] | None:
        """The session and its user, if both still count; also within a transaction."""
        instance_id, now = self._directory.instance.id, self._clock()
        live = site_sessions.find(connection, instance_id, cookie_hash, application_id, now)
        if live is None:
            return None
        user = users.by_id(connection, instance_id, live.session.user_id)
        if (
            user is None
            or not user.active
            or user.is_locked(now)
            or user.user_type not in MAY_SIGN_IN
            or authorizations.blocks_user(connection, instance_id, application_id, user.id, now)
        ):
            return None
        return live, user

    def _anti_forgery(self, cookie: str) -> str:
        return hmac.digest(self._form_key, cookie.encode(), "sha256").hex()


def _draft_for(request: Request, live: LiveSession, now: float) -> Mapping[str, str]:
    draft: dict[str, Any] = live.session.draft or {}
    if draft.get("path") != request.url.path or now - draft.get("at", 0) > DRAFT_SECONDS:
        return {}
    fields: dict[str, str] = draft["fields"]
    return fields
