"""What every built-in API does around its operations: find the caller, answer what goes wrong.

The guard in front has authenticated the caller and put the `Principal` into the ASGI scope.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.errors import problem_response
from mintgate.apis.language import response_language
from mintgate.apis.odata.address import path_below
from mintgate.apis.odata.bodies import MAX_BODY
from mintgate.apis.odata.problems import TooLarge
from mintgate.contract import policy
from mintgate.contract.errors import NoCredential
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

Operation = Callable[[Request, str, Principal], Awaitable[Response]]
"""Takes the request, the path below the API's mount point, and the caller."""
JSON = "application/json; charset=utf-8"
ODATA_JSON = "application/json; odata.metadata=minimal; charset=utf-8"


class Answering:
    """One built-in API as an ASGI application.

    Args:
        audience: the API's name, and the realm of its challenges.
        mounted_at: the API's path, such as `/api`.
        operation: answers a request whose caller is known; what it raises becomes an error body.
        headers: that every answer has, unless the operation set them.
    """

    def __init__(
        self,
        audience: str,
        mounted_at: str,
        operation: Operation,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._audience = audience
        self._mounted_at = mounted_at
        self._operation = operation
        self._headers = {"Cache-Control": "no-store", **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the {self._audience} has no {scope['type']} connections")
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            principal = request.scope.get(PRINCIPAL)
            if not isinstance(principal, Principal):
                raise NoCredential
            path = path_below(self._mounted_at, request.scope)
            return await self._operation(request, path, principal)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - each becomes an answer [API-42]
            return problem_response(error, self._audience)


def require_built_in_policy(
    audience: str, request: Request, path: str, principal: Principal
) -> None:
    """Judge the operation once more, for whoever mounts an API behind a guard of another policy.

    Raises:
        ResourceRefusal: the API does not have it, or the caller may not do it [API-15].
    """
    operation = policy.BUILT_IN[audience].operation(request.method, path)
    policy.require_allowed(operation, principal.permissions, is_admin=principal.is_admin)


async def body_of(request: Request) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: it is longer than anything that a built-in API takes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body has more than {MAX_BODY} bytes.")
    return bytes(body)


def language_of(request: Request, culture: str | None, principal: Principal) -> str:
    """The language of the answer [API-68].

    Args:
        culture: the parameter of this name.
    """
    return response_language(
        culture,
        request.cookies.get(".AspNetCore.Culture"),
        request.headers.get("accept-language"),
        principal.locale,
    )


def json_response(
    body: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(body), status, headers, media_type=media_type)
