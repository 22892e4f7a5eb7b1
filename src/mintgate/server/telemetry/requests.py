"""What is measured, traced and logged of every request, around the whole application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, ClassVar, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mintgate.contract.tallies import Spreads, Tally
from mintgate.gate.access_log import Record
from mintgate.gate.gateway import HEALTH, READY
from mintgate.gate.shortcut import PreparedCall
from mintgate.identity.repeating import REPEAT, Headers, RepeatedRequest, SendWhole
from mintgate.server.application import HEALTH_PATHS, Application
from mintgate.server.telemetry.endpoints import FORWARD_AUTH, TOKEN, endpoint_of
from mintgate.server.telemetry.tracing import Traces
from mintgate.verify import ApiRequest
from mintgate.verify.noting import RECORD

REQUESTS = Tally("endpoint", "status")
"""Answers by endpoint and class of status, as `2xx`; `none` where there was no answer."""
SECONDS = Spreads(
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    "endpoint",
)
"""How long answers took, from the request's head to the end of the answer; no WebSockets."""
REQUEST_ID = b"x-request-id"
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
_UNTRACED = HEALTH_PATHS | {HEALTH, READY}
"""Balancers ask several times a second, and nobody looks for it."""
AtOnce = bytes | dict[str, Any]


class Served(Protocol):
    """An application as its listener needs it."""

    @property
    def repeats(self) -> bool:
        """Whether it tells how requests for tokens are answered again."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def prepare(self, request: ApiRequest) -> PreparedCall | None: ...


class MeasuredServer:
    """`mintgate serve` with its answers counted and timed, and nothing more: it has to be cheap."""

    repeats: ClassVar[bool] = True

    def __init__(self, application: Application) -> None:
        self._application = application

    def prepare(self, request: ApiRequest) -> PreparedCall | None:
        """As `Application.prepare`."""
        call = self._application.prepare(request)
        return None if call is None else _MeasuredCall(call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        status = 0

        def noted(message: Message) -> Awaitable[None]:
            nonlocal status
            if not status:
                status = message.get("status", 0)
            return send(message)

        repeat = scope.get(REPEAT)
        if repeat is not None:
            scope[REPEAT] = lambda request: repeat(_MeasuredRequest(request))
        begun = time.perf_counter()
        try:
            await self._application(scope, receive, noted)
        finally:
            endpoint = endpoint_of(scope["path"])
            _count(endpoint, status)
            SECONDS.of(endpoint).note(time.perf_counter() - begun)


class _MeasuredCall:
    """A call of forward auth that is answered at once, and counted."""

    __slots__ = ("_call", "varying")
    allowed = REQUESTS.cell(FORWARD_AUTH, "2xx")
    seconds = SECONDS.of(FORWARD_AUTH)

    def __init__(self, call: PreparedCall) -> None:
        self._call = call
        self.varying = call.varying

    def at(self, value: bytes) -> _MeasuredCall | None:
        call = self._call.at(value)
        return None if call is None else _MeasuredCall(call)

    def answer(self) -> AtOnce:
        begun = time.perf_counter()
        answer = self._call.answer()
        if isinstance(answer, bytes):
            self.allowed[0] += 1
            self.seconds.note(time.perf_counter() - begun)
        return answer


class _MeasuredRequest:
    """A repeated request for a token, counted and timed."""

    __slots__ = ("_request",)
    seconds = SECONDS.of(TOKEN)

    def __init__(self, request: RepeatedRequest) -> None:
        self._request = request

    def begin(self, send: SendWhole) -> bool:
        begun = time.perf_counter()

        def noted(status: int, headers: Headers, body: bytes) -> None:
            send(status, headers, body)
            _count(TOKEN, status)
            self.seconds.note(time.perf_counter() - begun)

        return self._request.begin(noted)


class ObservedServer:
    """`mintgate serve` with its requests logged, traced, or both; they are measured, too.

    Args:
        traces: None for none.
        names_requests: whether requests are logged: then every answer tells the request's id.
    """

    repeats: ClassVar[bool] = False
    """A line and a span belong to a request that the application is called with."""

    def __init__(
        self, application: Application, *, traces: Traces | None, names_requests: bool
    ) -> None:
        self._application = application
        self._observed = Observed(self._answer, traces)
        self._names_requests = names_requests

    def prepare(self, request: ApiRequest) -> None:
        """Nothing, for the same reason."""
        return

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._observed(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._application(scope, receive, send)
            return
        record = scope[RECORD] = Record(scope)
        record.endpoint = endpoint_of(scope["path"])
        record.instance = self._application.instance_name_of(scope) or "-"
        if self._names_requests:
            send = _with_request_id(send, record)
        try:
            await self._application(scope, receive, record.sending(send))
        finally:
            record.end()


class Observed:
    """An application that keeps a `Record` in the scope, and ends it.

    Args:
        traces: None for none.
    """

    def __init__(self, app: ASGIApp, traces: Traces | None) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, self._stopping(send))
            return
        if self._traces is None or scope["path"] in _UNTRACED:
            try:
                await self._app(scope, receive, send)
            finally:
                _count_recorded(scope)
            return
        with self._traces.of_request(scope) as ended:
            try:
                await self._app(scope, receive, send)
            finally:
                _count_recorded(scope)
                ended(scope.get(RECORD))

    def _stopping(self, send: Send) -> Send:
        """Sends the last spans before the server is told that it may end."""

        async def stopping(message: Message) -> None:
            if self._traces is not None and message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._traces.stop)
            await send(message)

        return stopping


def _count(endpoint: str, status: int) -> None:
    REQUESTS.cell(endpoint, _CLASSES[status // 100 if status < 600 else 0])[0] += 1


def _count_recorded(scope: Scope) -> None:
    record = scope.get(RECORD)
    if not isinstance(record, Record):
        return
    _count(record.endpoint, record.status)
    if scope["type"] == "http":
        SECONDS.of(record.endpoint).note(record.seconds)


def _with_request_id(send: Send, record: Record) -> Send:
    """Tell the request's id, unless the answer is a refusal and tells it already."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if not any(name == REQUEST_ID for name, _ in headers):
                line = (REQUEST_ID, str(record.request_id).encode("ascii"))
                message = {**message, "headers": [*headers, line]}
        await send(message)

    return named
