"""Connections to upstreams, none of which is used again after bytes that nobody asked for.

aiohttp keeps a connection whose server sends another answer later, and gives that to the next
request, which may be another caller's (RFC 9112 §9.3: such an answer must not be taken).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class _Connection(ResponseHandler):
    """Knows whether anything has come since its last answer was complete."""

    _received = 0
    _received_when_kept: int | None = None

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    @property
    def should_close(self) -> bool:
        # Asked when an answer is complete and the connection goes back to the others.
        self._received_when_kept = self._received
        return super().should_close

    def is_connected(self) -> bool:
        """Asked when a request is to go on a connection that was kept."""
        is_clean = self._received_when_kept in {None, self._received}
        return is_clean and super().is_connected()


class Connections(aiohttp.TCPConnector):
    """aiohttp's connections of this kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # There is no public way to say which class a connection is of; that this one is taken is
        # shown by tests/wire/gate/test_smuggling.py.
        self._factory = partial(_connection, loop=self._loop)


def _connection(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Connection(loop=loop)
