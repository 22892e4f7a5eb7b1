"""The identity service's cookies: session, proof, anti-forgery value, device [SGN-4..6]."""

from __future__ import annotations

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract import lifetimes
from mintgate.contract.instance import Instance


class Cookies:
    """Names and flags of one instance's cookies.

    On https the `__Host-` prefix keeps subdomains from planting one; on http loopback neither
    the prefix nor `Secure` would be sent back.
    """

    def __init__(self, instance: Instance) -> None:
        prefix = "__Host-" if instance.is_https else ""
        self._session = f"{prefix}mintgate-{instance.cookie_suffix}"
        self._anti_forgery = f"{prefix}mintgate-form-{instance.cookie_suffix}"
        self._device = f"{prefix}mintgate-device-{instance.cookie_suffix}"
        self._proof = f"{prefix}mintgate-proof-{instance.cookie_suffix}"
        self._secure = instance.is_https

    def session_of(self, request: Request) -> str | None:
        return request.cookies.get(self._session)

    def set_session(self, response: Response, value: str, *, remember: bool) -> None:
        self._set(
            response,
            self._session,
            value,
            max_age=lifetimes.REMEMBERED_SESSION if remember else None,
        )

    def drop_session(self, response: Response) -> None:
        self._drop(response, self._session)

    def proof_of(self, request: Request) -> str | None:
        """The name of a right password whose second factor is awaited."""
        return request.cookies.get(self._proof)

    def set_proof(self, response: Response, value: str) -> None:
        self._set(response, self._proof, value, max_age=lifetimes.SIGN_IN_PROOF)

    def drop_proof(self, response: Response) -> None:
        self._drop(response, self._proof)

    def anti_forgery_of(self, request: Request) -> str:
        """The value that this browser's forms carry; a new one when it has none yet."""
        return request.cookies.get(self._anti_forgery) or secrets.token_urlsafe(32)

    def set_anti_forgery(self, response: Response, value: str) -> None:
        self._set(response, self._anti_forgery, value, max_age=None)

    def is_own_form(self, request: Request, sent: str | None) -> bool:
        """Whether a form came from a page of ours in this browser, compared in constant time."""
        expected = request.cookies.get(self._anti_forgery)
        return bool(expected and sent) and hmac.compare_digest(
            (expected or "").encode(), (sent or "").encode()
        )

    def device_of(self, request: Request) -> str | None:
        return request.cookies.get(self._device)

    def set_device(self, response: Response, value: str) -> None:
        self._set(response, self._device, value, max_age=lifetimes.KNOWN_DEVICE)

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, value: str, *, max_age: int | None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
