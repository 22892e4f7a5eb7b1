"""FastAPI: a dependency that gives the caller, and the security scheme of the OpenAPI document.

caller = GuardDependency(guard)
caller.install(app)

@app.get("/orders")
def read(me: Annotated[Principal, Depends(caller)]): ...

@app.post("/orders")
def create(me: Annotated[Principal, caller.requires("update")]): ...
"""

# Annotations are not postponed here: FastAPI reads those of `__call__`.

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

try:
    from fastapi import FastAPI, HTTPException, Request, Response, Security, WebSocketException
    from fastapi.openapi.models import HTTPBearer
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
except ImportError as error:
    raise ImportError("mintgate.verify.fastapi needs FastAPI: pip install fastapi") from error

from mintgate.contract.errors import Refusal
from mintgate.verify.admitting import Admitted, admitted_async, named
from mintgate.verify.asgi import (
    ADMISSION,
    PRINCIPAL,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    request_to_serve,
)
from mintgate.verify.guard import Guard
from mintgate.verify.principal import Principal
from mintgate.verify.refusals import refusal_response

OnRefusal = Callable[[Scope, Refusal], Awaitable[None]]
POLICY_VIOLATION = 1008
"""RFC 6455 §7.4.1; before the handshake is accepted servers answer it with 403."""


class RefusedRequest(HTTPException):
    """A refusal on its way through FastAPI.

    `GuardDependency.install` answers it exactly as every other adapter does. Where that was
    forgotten, FastAPI answers with the same status and challenge but a body of its own.
    """

    def __init__(self, refusal: Refusal, realm: str) -> None:
        self.refusal = refusal
        status, self.raw_headers, self.body = refusal_response(refusal, realm)
        left_out = {b"content-type", b"content-length"}
        headers = {
            n.decode(): v.decode("latin-1") for n, v in self.raw_headers if n not in left_out
        }
        super().__init__(status, refusal.description, headers)


class GuardDependency(SecurityBase):
    """Checks the requests to the routes that depend on it, and gives them their `Principal`.

    Args:
        guard: what to check by.
        on_refusal: told of each refusal before it is sent, for an audit log.
        scheme_name: the name in the OpenAPI document; by default the audience.
    """

    def __init__(
        self,
        guard: Guard,
        on_refusal: OnRefusal | None = None,
        *,
        scheme_name: str | None = None,
    ) -> None:
        self.guard = guard
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description=f"An access token for {guard.audience}, or a reference token (enrt_…).",
        )
        self.scheme_name = scheme_name or guard.audience
        self._on_refusal = on_refusal
        self._key = f"mintgate.admitted.{id(self):x}"

    def install(self, app: FastAPI) -> None:
        """Complete an application; once, before it serves.

        Refusals get the body that all adapters send, the body of a request is not read before the
        request is admitted, answers get their `RateLimit` headers, and what runs and flows is
        counted for the monitoring.
        """
        app.add_exception_handler(RefusedRequest, _answer)
        app.add_middleware(_AroundRequests, dependency=self)

    def requires(self, *scopes: str) -> Any:
        """The dependency with scopes that a route needs besides those of the policy.

        Returns:
            what `Annotated` and `dependencies=[…]` take.

        Raises:
            ValueError: no scope is named.
        """
        return Security(self, scopes=sorted(named(scopes)))

    async def __call__(self, connection: HTTPConnection, declared: SecurityScopes) -> Principal:
        scope = connection.scope
        needed = frozenset(declared.scopes)
        try:
            found = await self.admit(scope, needed)
            return found.require(needed)
        except Refusal as refusal:
            raise await self._refused(scope, refusal) from refusal

    async def admit(self, scope: Scope, also: frozenset[str] = frozenset()) -> Admitted:
        """Check the request of a scope, once however many dependencies ask.

        Raises:
            Refusal: the first check that failed.
        """
        known = scope.get(self._key)
        if isinstance(known, Admitted):
            return known
        # A router's dependency runs before that of its route: look at what both need.
        also |= _declared(scope, self) or frozenset()
        found = await admitted_async(self.guard, request_to_serve(scope), also)
        scope[self._key] = found
        scope[PRINCIPAL], scope[ADMISSION] = found.admission.principal, found.admission
        running = scope.get(self._key + ".running")
        if isinstance(running, list):
            running.append(found)
            found.start()
        return found

    async def _refused(self, scope: Scope, refusal: Refusal) -> HTTPException | WebSocketException:
        if self._on_refusal is not None:
            await self._on_refusal(scope, refusal)
        if scope["type"] == "websocket":
            return WebSocketException(POLICY_VIOLATION)
        return RefusedRequest(refusal, self.guard.audience)

    async def before_reading(self, scope: Scope) -> None:
        """FastAPI reads and parses a body before it asks dependencies: be asked earlier."""
        overridden = getattr(scope.get("app"), "dependency_overrides", {})
        if self not in overridden and _declared(scope, self) is not None:
            try:
                await self.admit(scope)
            except Refusal as refusal:
                raise await self._refused(scope, refusal) from refusal


class _AroundRequests:
    """ASGI middleware for what a dependency cannot do."""

    def __init__(self, app: Application, dependency: GuardDependency) -> None:
        self._app = app
        self._dependency = dependency
        self._key = dependency._key + ".running"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        found: list[Admitted] = []
        scope[self._key] = found
        is_http = scope["type"] == "http"

        async def checked_receive() -> Message:
            if is_http and not found:
                await self._dependency.before_reading(scope)
            message = await receive()
            _note(found, up=_size(message))
            return message

        async def counted_send(message: Message) -> None:
            if found and message["type"] == "http.response.start":
                more = (pair for one in found for pair in one.admission.headers)
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            _note(found, down=_size(message))
            await send(message)

        try:
            await self._app(scope, checked_receive, counted_send)
        finally:
            for one in found:
                one.end()


async def _answer(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, RefusedRequest):
        raise refused
    response = Response(refused.body, refused.status_code)
    response.raw_headers = list(refused.raw_headers)
    return response


def _declared(scope: Scope, dependency: GuardDependency) -> frozenset[str] | None:
    """The scopes by which the route depends on the guard; None when it does not, or cannot tell.

    What cannot be told here is found out when FastAPI asks the dependency itself.
    """
    # Newer versions keep what `include_router` adds to a route apart from the route.
    inner = scope.get("fastapi")
    included = inner.get("effective_route_context") if isinstance(inner, dict) else None
    found = getattr(included, "dependant", None) or getattr(scope.get("route"), "dependant", None)
    scopes: frozenset[str] | None = None
    for dependant in _dependants(found):
        if getattr(dependant, "call", None) is dependency:
            own = getattr(dependant, "own_oauth_scopes", None) or ()
            inherited = getattr(dependant, "parent_oauth_scopes", None) or ()
            scopes = (scopes or frozenset()).union(own, inherited)
    return scopes


def _dependants(dependant: Any) -> Iterator[Any]:
    for inner in getattr(dependant, "dependencies", ()):
        yield inner
        yield from _dependants(inner)


def _size(message: MutableMapping[str, Any]) -> int:
    text = message.get("text")
    if text:
        return len(text.encode())
    return len(message.get("body", b"") or message.get("bytes") or b"")


def _note(found: list[Admitted], *, up: int = 0, down: int = 0) -> None:
    for one in found:
        one.note_bytes(up=up, down=down)
