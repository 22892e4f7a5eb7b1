"""How mintgate listens: uvicorn, refusing what two servers in a row could read in two ways.

`mintgate gate` and `mintgate serve` listen alike.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import uvicorn

from mintgate.gate.draining import Draining
from mintgate.gate.known_heads import MAX_BYTES, KnownHeads
from mintgate.gate.known_posts import MAX_POSTS
from mintgate.gate.known_requests import KnownRequests
from mintgate.gate.outbox import Outbox
from mintgate.gate.repeating_protocol import RepeatingProtocol
from mintgate.gate.settings import ListenerSettings
from mintgate.gate.shortcut import Shortcut
from mintgate.gate.strict_protocol import StrictProtocol
from mintgate.verify.asgi import Application

BACKLOG = 2048


class _ToldElsewhere(logging.Filter):
    """Lines of uvicorn about what the gate's own log tells with its reason."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(
            ("Invalid HTTP request", "Unsupported upgrade", "ASGI callable returned without")
        )


_TOLD_ELSEWHERE = _ToldElsewhere()


def websocket_protocol(**options: Any) -> asyncio.Protocol:
    """uvicorn's for one connection; imported with the first handshake, which most never see."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(**options)


def server_config(
    app: Application,
    settings: ListenerSettings,
    *,
    draining: Draining | None = None,
    shortcut: Shortcut | None = None,
    date_header: bool = False,
    **options: Any,
) -> uvicorn.Config:
    """How uvicorn serves an application.

    Args:
        draining: tells connections that the server ends; see `gate.draining.DrainingServer`.
        shortcut: by which the application answers some requests without being called.
        date_header: whether every answer gets a date here, rather than from the application.
        options: further ones of `uvicorn.Config`, such as those for TLS.
    """
    logging.getLogger("uvicorn.error").addFilter(_TOLD_ELSEWHERE)
    protocol: type[StrictProtocol] = StrictProtocol
    configured: dict[str, Any] = {"settings": settings, "draining": draining or Draining()}
    if shortcut is not None:
        protocol = RepeatingProtocol
        heads = KnownHeads(max_bytes=min(MAX_BYTES, settings.max_header_bytes))
        configured |= {"shortcut": shortcut, "outbox": Outbox(), "heads": heads}
        configured |= {"known": KnownRequests(), "posts": KnownRequests(MAX_POSTS)}
    return uvicorn.Config(
        app,
        http=type("ConfiguredProtocol", (protocol,), configured),
        ws=cast("Any", websocket_protocol),
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=date_header,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        backlog=BACKLOG,
        **options,
    )
