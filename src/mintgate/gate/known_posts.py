"""Heads of requests with a body that were read before, so that only the body is new.

Applications that redeem codes and refresh tokens send the same head each time. What a parser and
the checks behind it have made of it, the same bytes mean at the same place, between two requests: a
scope, with which the application is called as with any other. Like whole requests, heads are known
by their digest, and no value of `Authorization` is kept: it is taken from the bytes that come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message

from mintgate.identity.repeating import REPEAT, Headers

_OF_A_CONNECTION = frozenset({"client", "server", "state", "headers", REPEAT})
_SECRET = b"authorization"
_OTHER_SECRETS = frozenset({b"cookie", b"proxy-authorization", b"dpop"})
_LENGTH = b"content-length"
MAX_POSTS = 1024
"""How many are kept, a process: some 7 MB when each is as large as it may be."""
_MAX_BYTES = 2048
_MAX_HEADERS = 32


class KnownPost:
    """A head, and how long the body is that it tells of.

    Args:
        scope: what the application was called with.
        head: its bytes, with the empty line; `can_be_kept` was asked.
    """

    __slots__ = ("_headers", "_scope", "_secret", "length")

    def __init__(self, scope: Mapping[str, Any], head: bytes) -> None:
        self.length = _length(scope)
        self._scope = {name: v for name, v in scope.items() if name not in _OF_A_CONNECTION}
        self._headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        self._secret = self._take_secret(head)

    def _take_secret(self, head: bytes) -> tuple[int, int, int] | None:
        for index, (name, value) in enumerate(self._headers):
            if name == _SECRET:
                start = head.index(value)
                self._headers[index] = name, b""
                return index, start, start + len(value)
        return None

    @staticmethod
    def can_be_kept(scope: Mapping[str, Any], head: bytes, body: bytes) -> bool:
        """Whether it is worth it, and plain which bytes of the head are a secret and none else is.

        Args:
            body: what came behind the head. A parser skips line ends behind a whole body.
        """
        headers = scope["headers"]
        if len(head) > _MAX_BYTES or len(headers) > _MAX_HEADERS or len(body) != _length(scope):
            return False
        if not _OTHER_SECRETS.isdisjoint([name for name, _ in headers]):
            return False
        secrets = [value for name, value in headers if name == _SECRET]
        return not secrets or (len(secrets) == 1 and head.count(secrets[0] or b":") == 1)

    def scope_for(self, data: bytes, **connection: Any) -> dict[str, Any]:
        """The scope of the same head in `data`, on another connection perhaps."""
        headers = self._headers.copy()
        if self._secret is not None:
            index, start, end = self._secret
            headers[index] = _SECRET, data[start:end]
        return {**self._scope, "headers": headers, **connection}


def _length(scope: Mapping[str, Any]) -> int:
    """Of the body, as the head tells it; the parser has let one length through at most."""
    return next((int(value) for name, value in scope["headers"] if name == _LENGTH), 0)


class WholeExchange:
    """A request whose body is there, and an answer that is sent when all of it is there.

    Args:
        gone: resolved when the client has gone.
    """

    def __init__(self, body: bytes, gone: asyncio.Future[None]) -> None:
        self._body: bytes | None = body
        self._gone = gone
        self._status = 0
        self._headers: Headers = ()
        self._parts: list[bytes] = []
        self._is_whole = False

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            if not self._is_whole:
                await asyncio.shield(self._gone)
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple(
                (name, value) for name, value in message["headers"] if name != _LENGTH
            )
        else:
            self._parts.append(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)

    def answer(self) -> tuple[int, Headers, bytes]:
        """Raises RuntimeError when the application has given none, or a part of one."""
        if not self._status or not self._is_whole:
            raise RuntimeError("the application returned without a whole answer")
        return self._status, self._headers, b"".join(self._parts)
