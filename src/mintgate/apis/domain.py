"""The built-in DomainAPI: OData v4 over the instance's own data (specification §10.5).

The guard in front has authenticated the caller and put the `Principal` into the ASGI scope; what
the caller may do is decided here, operation by operation.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.batches import Batches
from mintgate.apis.errors import problem_response
from mintgate.apis.odata.address import BATCH_PATH, path_below_mount
from mintgate.apis.operations import Operations
from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.errors import NoCredential
from mintgate.contract.instance import Instance
from mintgate.store import Database
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

AUDIENCE = "DomainAPI"


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
        self._batches = Batches(database, self._operations)

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
            path = path_below_mount(request.scope)
            if request.method == "POST" and path == BATCH_PATH:
                return await self._batches.answer(request, principal)
            return await self._operations.answer(request, path, principal)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - each becomes an answer
            return problem_response(error, AUDIENCE)
