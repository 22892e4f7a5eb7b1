"""A batch before an ASGI application: its body read, replaced, and the answer completed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from mintgate.contract.errors import Refusal, UnreadableAnswer
from mintgate.contract.gateway_errors import ClientTimedOut
from mintgate.contract.request_target import Headers
from mintgate.verify.api_request import Admission
from mintgate.verify.batch.judging import RefusedPart
from mintgate.verify.batch.parts import BatchLimits, too_large
from mintgate.verify.batch.plan import HttpAnswer, Plan, take_apart
from mintgate.verify.guard import Guard

if TYPE_CHECKING:
    from mintgate.verify.asgi import Application, Message, Receive, Scope, Send

    Refuse = Callable[[Refusal, Scope, Send], Awaitable[None]]

_AT_ONCE = 65_536
"""Bytes up to which a body is read in the event loop: it takes a millisecond or two."""


async def body_of(headers: Headers, receive: Receive, limits: BatchLimits) -> bytes | None:
    """The body of a batch; None when its sender has gone.

    Raises:
        BatchTooLarge: it has more bytes than a batch may have; none is read when it says so.
        ClientTimedOut: it does not come to its end in time.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limits.body_bytes:
            raise too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _whole(receive, limits)
    except TimeoutError:
        raise ClientTimedOut(cause=f"a batch took over {limits.body_seconds:g} s") from None


async def _whole(receive: Receive, limits: BatchLimits) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limits.body_bytes:
            raise too_large(limits)
        if not message.get("more_body", False):
            return bytes(body)


async def plan_of(
    guard: Guard, admission: Admission, headers: Headers, receive: Receive, limits: BatchLimits
) -> Plan | None:
    """What becomes of a batch; None when its sender has gone.

    Raises:
        Refusal: see `body_of` and `take_apart`.
    """
    body = await body_of(headers, receive, limits)
    if body is None:
        return None
    given = (guard, admission, list(headers), body, limits)
    if len(body) < _AT_ONCE:
        return take_apart(*given)
    return await asyncio.to_thread(take_apart, *given)


def scope_of(part: RefusedPart, scope: Scope) -> Scope:
    """The scope that a part would have as a request by itself, for a log."""
    return {
        **scope,
        "method": part.method,
        "path": part.path,
        "raw_path": quote(part.path, safe="/$()',=*!&:@").encode(),
        "query_string": part.query.encode("latin-1", "replace"),
    }


class PermittedParts:
    """An application that gets what is permitted of a batch, and whose answer is completed.

    Args:
        refuse: answers instead, when the application's answer cannot be read.
    """

    def __init__(self, app: Application, plan: Plan, limits: BatchLimits, refuse: Refuse) -> None:
        self._app = app
        self._plan = plan
        self._limits = limits
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "headers": list(self._plan.request_headers)}
        receive = _replayed(self._plan.body or b"", receive)
        if self._plan.is_whole:
            await self._app(inner, receive, send)
            return
        inner["extensions"] = {}  # other ways to answer, past the one that is read here
        answer = _Collected(self._limits.answer_bytes)
        await self._app(inner, receive, answer.take)
        try:
            status, headers, body = await _merged(self._plan, *answer.finished())
        except UnreadableAnswer as refusal:
            await self._refuse(refusal, scope, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _merged(
    plan: Plan, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> HttpAnswer:
    if len(body) < _AT_ONCE:
        return plan.merge(status, headers, body)
    return await asyncio.to_thread(plan.merge, status, headers, body)


class _Collected:
    """The messages of an answer, as one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._is_complete = False

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(bytes(n).lower(), bytes(v)) for n, v in message.get("headers", ())]
        elif message["type"] == "http.response.body" and len(self._body) <= self._most:
            self._body += message.get("body", b"")
            self._is_complete = not message.get("more_body", False)

    def finished(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if len(self._body) > self._most:
            raise UnreadableAnswer(cause=f"the answer to the batch has over {self._most} bytes")
        if not self._is_complete:
            raise UnreadableAnswer(cause="the answer to the batch did not come to its end")
        return self._status, self._headers, bytes(self._body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What an application reads: the whole body at once, then whatever comes by itself."""
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
