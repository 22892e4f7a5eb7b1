"""How `mintgate serve` listens: as `mintgate gate` does, and forward auth is answered at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import uvicorn

from mintgate.gate.forward_targets import ROOT as FORWARD_AUTH_ROOT
from mintgate.gate.listener import server_config
from mintgate.gate.settings import ListenerSettings
from mintgate.gate.shortcut import Shortcut
from mintgate.server.application import Application
from mintgate.server.identity_routes import TOKEN_PATH
from mintgate.server.telemetry.requests import Served

MAX_HEADER_BYTES = 128 * 1024
MAX_HEADERS = 256
"""Servers in front hand over all headers of a client and add their own: theirs are the limits."""


def serve_settings(
    trusted_proxies: Sequence[str] = (), drain_seconds: float = 1.0, shutdown_seconds: int = 10
) -> ListenerSettings:
    """How `mintgate serve` listens and ends.

    Args:
        trusted_proxies: whose `X-Forwarded-For` and `-Proto` are believed.
        drain_seconds, shutdown_seconds: as in `ListenerSettings`.
    """
    return ListenerSettings(
        max_header_bytes=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        trusted_proxies=tuple(trusted_proxies),
        drain_seconds=drain_seconds,
        shutdown_seconds=shutdown_seconds,
    )


def serve_config(
    application: Application | Served, settings: ListenerSettings | None = None, **options: Any
) -> uvicorn.Config:
    """How uvicorn serves every instance of a database.

    Args:
        settings: by default those of `serve_settings`.
        options: as for `gate.listener.server_config`.
    """
    repeatable = f"POST {TOKEN_PATH} ".encode() if application.repeats else None
    shortcut = Shortcut(FORWARD_AUTH_ROOT.encode(), application.prepare, repeatable)
    return server_config(
        application, settings or serve_settings(), shortcut=shortcut, date_header=True, **options
    )
