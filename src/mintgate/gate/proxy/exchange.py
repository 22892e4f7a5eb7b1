"""What can end a request from outside while it is passed on: the client, the clock, its size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from mintgate.contract.gateway_errors import BodyTooLarge, ClientTimedOut, UpstreamTimedOut
from mintgate.verify.asgi import Receive


class ClientGone(Exception):
    """The client has closed its connection; there is nobody to answer."""


class Exchange:
    """One request on its way, as a context in which the task is cancelled when it must end.

    The client's messages are read in one place: first the body, then the news that it has gone.

    Args:
        receive: of the ASGI application.
        idle_seconds: without a byte in either direction; `total_seconds`, 0 for no end.
        max_body_bytes: 0 for no end.

    Raises:
        ClientGone, ClientTimedOut, UpstreamTimedOut, BodyTooLarge: what ended it.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        idle_seconds: float,
        total_seconds: float = 0.0,
        max_body_bytes: int = 0,
    ) -> None:
        self.is_answered = False
        """Whether the answer has begun, so that no other one can be given."""
        self._receive = receive
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds
        self._max_body_bytes = max_body_bytes
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._problem: Exception | None = None
        self._is_over = False
        self._waits_for_client = False
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        now = self._loop.time()
        self._end_at = now + self._total_seconds if self._total_seconds else float("inf")
        self._moved_at = now
        self._timer = self._loop.call_at(self._due(), self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()
        if self._problem is None or self._task is None:
            return
        if not isinstance(error, asyncio.CancelledError):
            # It is on its way; nothing outside may be hit by it.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if self._task.uncancel() == 0:  # else somebody else wants the task to end, too
            raise self._problem from None

    def finish(self) -> None:
        """Nothing from outside ends it any more."""
        self._is_over = True
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def moved(self) -> None:
        """A byte went through."""
        self._moved_at = self._loop.time()

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it comes; the server stops reading while nobody takes it."""
        size = 0
        more = True
        while more:
            self._waits_for_client = True
            message = await self._receive()
            self._waits_for_client = False
            if message["type"] != "http.request":
                self._end(ClientGone())
                # What was sent so far must not look like a whole body.
                raise ClientGone
            more = message.get("more_body", False)
            piece = message.get("body", b"")
            size += len(piece)
            if self._max_body_bytes and size > self._max_body_bytes:
                problem = BodyTooLarge(cause=f"more than {self._max_body_bytes} bytes")
                self._end(problem)
                raise problem
            if piece:
                self.moved()
                yield piece
        self.moved()
        self.watch()

    def watch(self) -> None:
        """End it when the client goes away; to be called when its whole body was read."""
        if self._watching is None and not self._is_over:
            self._watching = self._loop.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(ClientGone())

    def _due(self) -> float:
        return min(self._moved_at + self._idle_seconds, self._end_at)

    def _look(self) -> None:
        due = self._due()
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._look)
            return
        cause = f"{self._idle_seconds} s without a byte, or {self._total_seconds} s in all"
        self._end(
            ClientTimedOut(cause=cause) if self._waits_for_client else UpstreamTimedOut(cause=cause)
        )

    def _end(self, problem: Exception) -> None:
        if not self._is_over:
            self._is_over = True
            self._problem = problem
            if self._task is not None:
                self._task.cancel()
