"""`POST <api>/domain/login` and `logout` of old integrations (specification §12)."""

from __future__ import annotations

import asyncio
import re

import msgspec
from starlette.types import Receive, Scope, Send

from mintgate.contract.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NoCredential,
    Refusal,
    SeveralCredentials,
    TemporarilyUnavailable,
)
from mintgate.contract.instance import DOMAIN_API_PATH
from mintgate.contract.legacy import LegacyScheme, is_acceptable
from mintgate.contract.request_target import normal_path, require_plain
from mintgate.gate.legacy.schemes import LegacyAccess
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.asgi import OnRefusal, request_of
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.legacy import legacy_credential_of
from mintgate.verify.refusals import refusal_response
from mintgate.verify.request_headers import credential_of
from mintgate.verify.state import StateUnavailable

LOGIN_PATH = f"{DOMAIN_API_PATH}/domain/login"
LOGOUT_PATH = f"{DOMAIN_API_PATH}/domain/logout"
MAX_BODY_BYTES = 16 * 1024
BODY_SECONDS = 10
_CULTURE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key"})


class _Login(msgspec.Struct, frozen=True):
    """The body of a login; old clients send other members, too."""

    user: str
    password: str = msgspec.field(name="pass")
    app: str | None = None
    lang: str | None = None
    ln: str | None = None

    def __repr__(self) -> str:
        return "_Login(…)"


_decode = msgspec.json.Decoder(_Login).decode


class LegacyEndpoints:
    """An ASGI application for the two paths.

    Args:
        access: the legacy schemes of the instance.
        guard: that of the DomainAPI, with the legacy schemes.
        on_refusal: see `GuardMiddleware`.
    """

    def __init__(
        self, access: LegacyAccess, guard: Guard, on_refusal: OnRefusal | None = None
    ) -> None:
        self._access = access
        self._guard = guard
        self._on_refusal = on_refusal

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a decoded path is one of the two, in any case [LEG-10]."""
        return path.lower() in {LOGIN_PATH, LOGOUT_PATH}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "headers": list(scope["headers"])}
        try:
            body = await self._answer(scope, receive)
        except (KeysUnavailable, StateUnavailable) as error:
            await self._refuse(TemporarilyUnavailable(cause=str(error)), scope, send)
            return
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        request = request_of(scope)
        path = normal_path(request.raw_path)
        require_plain(request.headers, request.query)
        if request.method != "POST":
            raise MethodNotAllowed(("POST",), cause=f"the method {request.method[:16]!r}")
        if path.lower() == LOGIN_PATH:
            return await self._log_in(request, receive)
        await self._require_session(request)
        return b"{}"

    async def _log_in(self, request: ApiRequest, receive: Receive) -> bytes:
        settings = await self._access.settings(self._guard.audience)
        if settings is None:
            raise NoCredential(cause="ErpLogin is off for this API [LEG-8]")
        _require_alone(request)
        body = await _read(receive)
        try:
            login = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Without the decoder's words: they may quote what was sent.
            raise InvalidRequest("Send a JSON object with user, pass and app.") from None
        if not is_acceptable(login.user, login.password):
            raise InvalidRequest("Send a JSON object with user, pass and app.")
        session_id = await self._access.log_in(
            settings,
            login.user.strip(),
            login.password,
            app=login.app or None,
            language=_language(login.lang or login.ln),
            address=request.address,
        )
        # [LEG-11] Compact, for an old client splits this text on its colons and quotes.
        return msgspec.json.encode({"authorization": f"{LegacyScheme.ERP_SESSION} {session_id}"})

    async def _require_session(self, request: ApiRequest) -> None:
        """[LEG-13] Whoever logs out must be logged in, and stays so: session and slot are kept."""
        if _has_another_credential(request):
            # Before the guard, which would open a session for what is refused then [SES-12].
            raise NoCredential(cause="a logout without an ErpSession")
        admission = await self._guard.admit_async(request)
        if admission.principal is None:
            raise NoCredential(cause="a preflight is no logout")

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        if self._on_refusal is not None:
            await self._on_refusal(scope, refusal)
        status, headers, body = refusal_response(refusal, self._guard.audience)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _require_alone(request: ApiRequest) -> None:
    """A login is a credential; with another one it is refused [LEG-7].

    An old client may send its last ErpSession with every request, also with this one.
    """
    sent = [name for name, _ in request.headers if name in _CREDENTIALS]
    found = legacy_credential_of(request.headers)
    is_session = found is not None and found.scheme is LegacyScheme.ERP_SESSION
    if len(sent) > 1 or (sent and not is_session):
        raise SeveralCredentials


def _has_another_credential(request: ApiRequest) -> bool:
    """Whether a request brings a credential that is no ErpSession."""
    try:
        credential_of(request.headers)
    except NoCredential:
        found = legacy_credential_of(request.headers)
        return found is not None and found.scheme is not LegacyScheme.ERP_SESSION
    return True


def _language(text: str | None) -> str | None:
    """A culture name; what is none is left out, as a login must not fail by it."""
    return text if text and len(text) <= 15 and _CULTURE.fullmatch(text) else None


async def _read(receive: Receive) -> bytes:
    """The body. Raises InvalidRequest when it is too long, too slow or cut off."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise InvalidRequest("The connection ended before the body did.")
                body += bytes(message.get("body", b""))
                if len(body) > MAX_BODY_BYTES:
                    raise InvalidRequest(f"The body is longer than {MAX_BODY_BYTES} bytes.")
                if not message.get("more_body"):
                    return body
    except TimeoutError:
        raise InvalidRequest(f"The body did not come within {BODY_SECONDS} seconds.") from None
