"""What every built-in API does around its operations: find the caller, answer what goes wrong.

The guard in front has authenticated the caller and put the `Principal` into the ASGI scope.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.errors import error_response, refusal_response
from mintgate.apis.language import response_language
from mintgate.apis.odata.bodies import MAX_BODY
from mintgate.apis.odata.problems import (
    BadRequest,
    BusinessRuleViolation,
    NotFound,
    ODataProblem,
    TooLarge,
)
from mintgate.contract import policy
from mintgate.contract.errors import NoCredential, Refusal, TemporarilyUnavailable
from mintgate.store import DatabaseUnavailable
from mintgate.store.records import NoSuchRecord, QueryProblem, RuleViolation, ValueProblem
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

Operation = Callable[[Request, str, Principal], Awaitable[Response]]
"""Takes the request, the path below the API's mount point, and the caller."""
JSON = "application/json; charset=utf-8"
ODATA_JSON = "application/json; odata.metadata=minimal; charset=utf-8"
_log = logging.getLogger(__name__)


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
            path = _path_below(self._mounted_at, request.scope)
            return await self._operation(request, path, principal)
        except Refusal as refusal:
            return refusal_response(refusal, self._audience)
        except DatabaseUnavailable as error:
            _log.warning("the %s cannot reach its data: %s", self._audience, error)
            return refusal_response(TemporarilyUnavailable(), self._audience)
        except (ODataProblem, QueryProblem, ValueProblem, RuleViolation, NoSuchRecord) as problem:
            return _problem_response(_as_odata(problem))
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - [API-42] the caller gets an id and no detail
            request_id = uuid.uuid4().hex
            _log.exception("%s request %s failed", self._audience, request_id)
            return error_response(500, f"Unexpected failure, request {request_id}.", "ServerError")


def require_built_in_policy(
    audience: str, request: Request, path: str, principal: Principal
) -> None:
    """Judge the operation once more, for whoever mounts an API behind a guard of another policy.

    Raises:
        ResourceRefusal: the API does not have it, or the caller may not do it [API-15].
    """
    operation = policy.BUILT_IN[audience].operation(request.method, path)
    policy.require_allowed(operation, principal.scopes, is_admin=principal.is_admin)


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


def _path_below(mounted_at: str, scope: Scope) -> str:
    """The path below the API's mount point, however the server in front splits it."""
    path: str = scope["path"]
    for prefix in (scope.get("root_path", ""), mounted_at):
        if prefix and path.startswith(prefix + "/"):
            path = path[len(prefix) :]
    return path


def _as_odata(problem: Exception) -> ODataProblem:
    match problem:
        case ODataProblem():
            return problem
        case NoSuchRecord():
            return NotFound("There is no entity with this id.")
        case RuleViolation():
            return BusinessRuleViolation(str(problem))
        case _:
            return BadRequest(str(problem))


def _problem_response(problem: ODataProblem) -> Response:
    return error_response(problem.status, str(problem), problem.error_type, problem.headers)
