"""The built-in DomainAPI: OData v4 over the instance's own data (specification §10.5).

The guard in front has authenticated the caller and put the `Principal` into the ASGI scope; what
the caller may do is decided here, operation by operation.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.errors import error_response, refusal_response
from mintgate.apis.odata.problems import BadRequest, BusinessRuleViolation, NotFound, ODataProblem
from mintgate.apis.operations import Operations
from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.errors import NoCredential, Refusal, TemporarilyUnavailable
from mintgate.contract.instance import DOMAIN_API_PATH, Instance
from mintgate.store import Database, DatabaseUnavailable
from mintgate.store.records import NoSuchRecord, QueryProblem, RuleViolation, ValueProblem
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

AUDIENCE = "DomainAPI"
_log = logging.getLogger(__name__)


class DomainApi:
    """An ASGI application, mounted at the DomainAPI's path.

    Args:
        instance: whose data it serves, and whose addresses its answers name.
        clock: stamps what is written, and is `now()` of a filter.
        hash_password: makes the stored form of a `Password`; it may be slow, as it runs in a
            thread. Without it no password can be set here.
    """

    def __init__(
        self,
        instance: Instance,
        database: Database,
        clock: Clock = system_clock,
        hash_password: Callable[[str], str] | None = None,
    ) -> None:
        self._operations = Operations(instance, database, clock, hash_password)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the DomainAPI has no {scope['type']} connections")
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        response.headers.setdefault("OData-Version", "4.0")
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            principal = request.scope.get(PRINCIPAL)
            if not isinstance(principal, Principal):
                raise NoCredential
            return await self._operations.answer(request, _path_of(request.scope), principal)
        except Refusal as refusal:
            return refusal_response(refusal, AUDIENCE)
        except DatabaseUnavailable as error:
            _log.warning("the DomainAPI cannot reach its data: %s", error)
            return refusal_response(TemporarilyUnavailable(), AUDIENCE)
        except (ODataProblem, QueryProblem, ValueProblem, RuleViolation, NoSuchRecord) as problem:
            return _problem_response(_as_odata(problem))
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - [API-42] the caller gets an id and no detail
            request_id = uuid.uuid4().hex
            _log.exception("DomainAPI request %s failed", request_id)
            return error_response(500, f"Unexpected failure, request {request_id}.", "ServerError")


def _path_of(scope: Scope) -> str:
    """The path below the API's mount point, however the server in front splits it."""
    path: str = scope["path"]
    for prefix in (scope.get("root_path", ""), DOMAIN_API_PATH):
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
