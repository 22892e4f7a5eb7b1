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

MAX_HEADER_BYTES = 128 * 1024
MAX_HEADERS = 256
"""Servers in front hand over all headers of a client and add their own: theirs are the limits."""


def serve_config(
    application: Application, trusted_proxies: Sequence[str] = (), **options: Any
) -> uvicorn.Config:
    """How uvicorn serves every instance of a database.

    Args:
        trusted_proxies: whose `X-Forwarded-For` and `-Proto` are believed.
        options: as for `gate.listener.server_config`.
    """
    settings = ListenerSettings(
        max_header_bytes=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        trusted_proxies=tuple(trusted_proxies),
    )
    shortcut = Shortcut(FORWARD_AUTH_ROOT.encode(), application.prepare)
    return server_config(application, settings, shortcut=shortcut, date_header=True, **options)
