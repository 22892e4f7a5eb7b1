"""The built-in DomainAPI: OData v4 over the instance's own data (specification §10.5).

The guard in front has authenticated the caller and put the `Principal` into the ASGI scope; what
the caller may do is decided here, operation by operation.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.answering import Answering
from mintgate.apis.batches import Batches
from mintgate.apis.odata.address import BATCH_PATH
from mintgate.apis.operations import Operations
from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.instance import DOMAIN_API_PATH, Instance
from mintgate.store import Database
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
        self._answering = Answering(
            AUDIENCE, DOMAIN_API_PATH, self._answer, {"OData-Version": "4.0"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(scope, receive, send)

    async def _answer(self, request: Request, path: str, principal: Principal) -> Response:
        if request.method == "POST" and path == BATCH_PATH:
            return await self._batches.answer(request, principal)
        return await self._operations.answer(request, path, principal)
