"""`/profile/me` and its picture: who I am, for programs and other sites [PRF-10..22]."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mintgate.contract.accepted_languages import accepted_languages
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.errors import (
    Forbidden,
    InsufficientScope,
    NoCredential,
    Refusal,
    TemporarilyUnavailable,
)
from mintgate.contract.instance import PROFILE_PATH
from mintgate.contract.scopes import PROFILE, READ, UPDATE
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.rendering import Methods
from mintgate.sites.profile.frame import PASSWORD, TOKENS
from mintgate.sites.profile.picture_urls import picture_urls
from mintgate.sites.visiting.making import SiteGround
from mintgate.store import DatabaseUnavailable, pictures, users
from mintgate.store.pictures import Size
from mintgate.verify import KeysUnavailable, StateUnavailable
from mintgate.verify.principal import Principal
from mintgate.verify.refusals import refusal_response
from mintgate.verify.request_headers import credential_of

REALM = "UserProfile"
_ANY_SCOPE = frozenset({PROFILE, READ, UPDATE})
_SIZES: dict[str, Size] = {"": "small", "64": "small", "128": "large"}
_CULTURE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key"})
_VARY = "Authorization, Cookie"


def routes(ground: SiteGround) -> list[BaseRoute]:
    me = _Me(ground)
    root = PROFILE_PATH + "/me"
    return [
        Route(root, Methods(GET=me.get)),
        *(
            Route(root + path, Methods(GET=me.picture, HEAD=me.picture))
            for path in ("/picture", "/picture/{size}")
        ),
    ]


class _Me:
    def __init__(self, ground: SiteGround) -> None:
        self._ground = ground
        self._instance = ground.instance
        self._profile_url = ground.instance.base_url + PROFILE_PATH

    async def get(self, request: Request) -> Response:
        """[PRF-10..16]"""
        try:
            user = await self._user(request)
            told, language = await self._told(request, user)
        except (Refusal, KeysUnavailable, StateUnavailable, DatabaseUnavailable) as error:
            return await self._refused(request, error)
        headers = {"Cache-Control": "no-store", "Content-Language": language, "Vary": _VARY}
        return Response(msgspec.json.encode(told), headers=headers, media_type="application/json")

    async def picture(self, request: Request) -> Response:
        """[PRF-20..22]"""
        try:
            user = await self._user(request)
            size = _SIZES.get(request.path_params.get("size", ""))
            if size is None:
                raise NoSuchRecord("There is no picture of this size.")
            found = await self._ground.database.read(
                lambda c: pictures.find(c, self._instance.id, user.id, size)
            )
            if found is None:
                raise NoSuchRecord("This person has no picture.")
        except (Refusal, KeysUnavailable, StateUnavailable, DatabaseUnavailable) as error:
            return await self._refused(request, error)
        headers = {
            "Cache-Control": "private, max-age=7200",
            "Vary": _VARY,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": "default-src 'none'",
        }
        return Response(found.data, headers=headers, media_type=found.media_type)

    async def _user(self, request: Request) -> User:
        """The person behind a token, or else behind the site's cookie; never both.

        Raises:
            Refusal: no credential, a bad one, or one of no person [PRF-11..13].
        """
        if any(name in _CREDENTIALS for name, _ in request.scope["headers"]):
            user = await self._stored(await self._principal(request))
        else:
            visitor = await self._ground.door.visitor(request)
            if visitor is None:
                raise NoCredential("This address needs a token, or a sign-in to Profile.")
            user = visitor.user
        if user.user_type not in MAY_SIGN_IN:
            raise Forbidden(cause=f"user type {user.user_type}")
        return user

    async def _principal(self, request: Request) -> Principal:
        token = credential_of(request.scope["headers"])
        audience = f"{self._instance.issuer}/resources"
        principal = await self._ground.people.verify_async(token, audience)
        if principal.kind != "user":
            raise Forbidden(
                "This address tells people about themselves, and a service is none.",
                cause=f"a {principal.kind} token",
            )
        if _ANY_SCOPE.isdisjoint(principal.scopes):
            raise InsufficientScope(needed=PROFILE)
        return principal

    async def _stored(self, principal: Principal) -> User:
        instance_id = self._instance.id

        found = await self._ground.database.read(
            lambda c: (
                users.by_id(c, instance_id, principal.user_id)
                if principal.user_id is not None
                else users.by_login(c, instance_id, principal.login)
            )
        )
        if found is None:
            raise Forbidden(cause="the token's user is missing")
        return found

    async def _told(self, request: Request, user: User) -> tuple[dict[str, Any], str]:
        """The answer and its language [PRF-14]."""
        instance = self._instance
        accepted = accepted_languages(request.headers.get("accept-language"))
        usable = (tag for tag in accepted if len(tag) <= 15 and _CULTURE.fullmatch(tag))
        language = next(usable, user.locale)
        changed_at = await self._ground.database.read(
            lambda c: pictures.changed_at(c, instance.id, user.id)
        )
        small, large = picture_urls(self._profile_url, changed_at)
        told = {
            "id": user.id,
            "login": user.login,
            "name": user.display_name(language),
            "email": user.email,
            "phoneNumber": user.phone_number,
            "userType": user.user_type.value,
            "isAdmin": user.is_admin,
            "isActive": user.active,
            "preferredLanguage": user.locale,
            "pictureUrl": small,
            "largePictureUrl": large,
            "person": None,
            "domain": None,
            "instance": {"database": instance.database, "url": instance.base_url},
            "links": {
                "profile": self._profile_url,
                "changePassword": self._profile_url + PASSWORD,
                "accessTokens": self._profile_url + TOKENS,
                "devices": self._profile_url + "/devices",
            },
        }
        return told, language

    async def _refused(self, request: Request, error: Exception) -> Response:
        refusal = error if isinstance(error, Refusal) else TemporarilyUnavailable(cause=str(error))
        ground = self._ground
        if refusal.status in {401, 403} and not isinstance(refusal, NoCredential):
            event = refusal_event(
                "profile.refused",
                refusal,
                request.scope,
                instance_id=self._instance.id,
                at=ground.clock(),
            )
            await record_refusal(ground.database, event)
        status, headers, body = refusal_response(refusal, REALM)
        response = Response(body, status)
        response.raw_headers = [*headers, (b"vary", _VARY.encode())]
        return response
