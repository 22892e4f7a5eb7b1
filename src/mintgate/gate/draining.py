"""Ending without a cut request: no new connections, and what is open comes to its end.

uvicorn closes every connection that waits for a request, at once: one that is on its way then meets
a closed connection. Here such connections stay a while, and the next answer on each says
`Connection: close` (RFC 9112 §9.6), so that the client itself goes elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import signal
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from types import FrameType
from typing import Any

import uvicorn

from mintgate.gate.last_connections import SETTLE_SECONDS, accept_rest, begin_no_more
from mintgate.gate.settings import ListenerSettings

_log = logging.getLogger(__name__)
LINGER_SECONDS = 2.0
"""How long a connection is kept on which no request comes."""
TICK_SECONDS = 0.05
HANDSHAKE_SECONDS = 0.5
"""TLS handshakes that have begun come to their end within this."""


class Ending(enum.Enum):
    """How a server ends."""

    DRAIN = "drain"
    """First say that it ends, and go on for `drain_seconds`, until balancers have looked."""
    AT_ONCE = "stop"
    """Somebody waits for the end: take no new connections any more."""
    RETIRE = "retire"
    """Other processes take the connections from now on."""


class Draining:
    """Whether a server ends; its protocol and its application look here."""

    def __init__(self) -> None:
        self.has_begun = False
        """Every answer now ends its connection."""
        self.is_announced = False
        """It ends, and nobody takes its place here: it is not ready any more."""

    def begin(self, ending: Ending) -> None:
        self.has_begun = True
        self.is_announced = ending is not Ending.RETIRE


class DrainingServer(uvicorn.Server):
    """uvicorn's server with another end.

    Args:
        config: made by `gate.listener.server_config`.
        draining: the one that was given to it.
        settings: `drain_seconds` and `shutdown_seconds` are used.
        listener_stays: the socket outlives this program, as when systemd listens.
        on_started: called in the event loop when connections are accepted.
        on_ending: called when the end begins.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        draining: Draining,
        settings: ListenerSettings,
        *,
        listener_stays: bool = False,
        on_started: Callable[[DrainingServer], None] = lambda server: None,
        on_ending: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._draining = draining
        self._settings = settings
        self._listener_stays = listener_stays
        self._on_started = on_started
        self._on_ending = on_ending
        self._ending = Ending.DRAIN
        self._drained_at: float | None = None

    def end(self, ending: Ending) -> None:
        """Begin to end; said again it may be hastened, not slowed down."""
        if not self.should_exit or ending is not Ending.DRAIN:
            self._ending = ending
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        is_again = self.should_exit
        super().handle_exit(sig, frame)
        if sig == signal.SIGINT or is_again:
            self._ending = Ending.AT_ONCE  # a person waits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_started(self)

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        now = time.monotonic()
        if self._drained_at is None:
            self._draining.begin(self._ending)
            self._on_ending()
            self._drained_at = now + self._settings.drain_seconds
        return self._ending is not Ending.DRAIN or now >= self._drained_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, then wait for connections; those that take too long are cut."""
        until = time.monotonic() + self._settings.shutdown_seconds
        own = list(sockets or [])
        # Where the socket goes on, whoever listens on it then takes what waits.
        last = [one.dup() for one in own] if self._closes_socket else []
        for one in last:
            begin_no_more(one)
        if last:
            await asyncio.sleep(SETTLE_SECONDS)  # all goes on as before
        for server in self.servers:
            server.close()
        for one in own:
            one.close()
        await asyncio.sleep(0)
        for one in last:
            await self._take(accept_rest(one))
        await self._until_closed(until)
        # uvicorn waits at most so long, then cancels what runs.
        left = max(0.0, until - time.monotonic())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]
        await super().shutdown()

    @property
    def _closes_socket(self) -> bool:
        return not (self._listener_stays or self._ending is Ending.RETIRE)

    async def _take(self, accepted: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for connection in accepted:
            connection.setblocking(False)
            with contextlib.suppress(OSError):  # it has gone, or speaks no TLS
                await loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)

    def _protocol(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = made(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def _until_closed(self, until: float) -> None:
        began = time.monotonic()
        least = began + (HANDSHAKE_SECONDS if self.config.is_ssl else TICK_SECONDS)
        idle_since: dict[Any, float] = {}
        while True:
            now = time.monotonic()
            open_now: set[Any] = set(self.server_state.connections)
            if now >= until or (now >= least and not open_now and not self.server_state.tasks):
                return
            idle_since = {one: since for one, since in idle_since.items() if one in open_now}
            for connection in open_now:
                is_idle = getattr(connection, "is_idle", None)
                if is_idle is None:  # a WebSocket, which has no end of its own
                    if connection not in idle_since:
                        idle_since[connection] = now
                        connection.shutdown()
                elif not is_idle():
                    idle_since.pop(connection, None)
                elif now - idle_since.setdefault(connection, now) >= LINGER_SECONDS:
                    connection.shutdown()
            self._date()
            await asyncio.sleep(TICK_SECONDS)

    def _date(self) -> None:
        """Answers are still given: they have today's date, as `on_tick` does it otherwise."""
        if self.config.date_header:
            date = (b"date", formatdate(time.time(), usegmt=True).encode())
            if self.server_state.default_headers[:1] != [date]:
                self.server_state.default_headers = [date, *self.config.encoded_headers]
