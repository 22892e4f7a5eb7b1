"""Cookies of a site: its session, and what a sign-in under way is bound to [SGN-4]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.instance import Instance


class SiteCookies:
    """Names and flags as for the cookies of the identity service.

    Both live as long as the browser stays open; who comes back signed in gets new ones unasked.
    """

    def __init__(self, instance: Instance, site_name: str) -> None:
        prefix = "__Host-" if instance.is_https else ""
        self._session = f"{prefix}mintgate-{site_name}-{instance.cookie_suffix}"
        self._start = f"{prefix}mintgate-start-{instance.cookie_suffix}"
        self._secure = instance.is_https

    def session_of(self, request: Request) -> str | None:
        return request.cookies.get(self._session)

    def set_session(self, response: Response, value: str) -> None:
        self._set(response, self._session, value)

    def drop_session(self, response: Response) -> None:
        response.delete_cookie(
            self._session, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def start_of(self, request: Request) -> str | None:
        return request.cookies.get(self._start)

    def set_start(self, response: Response, value: str) -> None:
        self._set(response, self._start, value)

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name, value, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
