"""How one process serves: by itself, or as one of several workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket

import uvicorn

from mintgate.gate.draining import Draining, DrainingServer, Ending
from mintgate.gate.settings import ListenerSettings
from mintgate.server.workers.inherited import Inherited
from mintgate.server.workers.notify import READY, STOPPING, notify
from mintgate.server.workers.worker import READY_WORD

_log = logging.getLogger("mintgate.workers")


def serve_here(
    config: uvicorn.Config,
    listener: socket.socket,
    draining: Draining,
    settings: ListenerSettings,
    given: Inherited | None,
    *,
    listener_stays: bool,
) -> None:
    """Serve until told to end.

    Args:
        config: made with `draining` and `settings`.
        given: by the parent; None when this process is alone.
        listener_stays: the socket outlives this program.

    Raises:
        SystemExit: the application did not start.
    """
    if given is not None:
        _Worker(given, config, draining, settings).run(listener)
        return
    server = DrainingServer(
        config,
        draining,
        settings,
        listener_stays=listener_stays,
        on_started=lambda _: notify(READY),
        on_ending=lambda: notify(STOPPING),
    )
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        # Nothing can be reloaded without a parent; ending as by SIGTERM cuts no request.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    server.run(sockets=[listener])


class _Worker:
    """A worker's end of the channel."""

    def __init__(
        self,
        given: Inherited,
        config: uvicorn.Config,
        draining: Draining,
        settings: ListenerSettings,
    ) -> None:
        self._channel = given.take_channel()
        self._unread = b""
        self._server = DrainingServer(
            config,
            draining,
            settings,
            listener_stays=given.listener_stays,
            on_started=self._started,
        )

    def run(self, listener: socket.socket) -> None:
        # Who ends a program in a terminal ends all its processes: here the parent tells how. Its
        # own SIGTERM lets one worker end, and the parent starts another.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._server.run(sockets=[listener])

    def _started(self, server: DrainingServer) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: server.end(Ending.RETIRE))
        if self._channel is not None:
            self._channel.sendall(READY_WORD)
            asyncio.get_running_loop().add_reader(self._channel, self._heard)

    def _heard(self) -> None:
        channel = self._channel
        if channel is None:
            return
        try:
            data = channel.recv(1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(channel)
            if not self._server.should_exit:
                _log.error("the parent has gone; this worker ends")
                self._server.end(Ending.AT_ONCE)
            return
        *commands, self._unread = (self._unread + data).split(b"\n")
        for command in commands:
            with contextlib.suppress(ValueError):
                self._server.end(Ending(command.decode()))
