"""What parent and workers call the contenders and share; apart, so that no library is imported."""

from __future__ import annotations

import msgspec

ALONE, MINTGATE, PYJWT = "application alone", "mintgate", "PyJWT decode"
BARE, FORWARD = "bare handler", "mintgate forward auth"
FORWARD_ELSEWHERE = "mintgate forward auth, another URI each time"
FORWARD_NEW = "mintgate forward auth, URI and trace each time"
BARE_PLAIN = "bare handler, uvicorn alone"
DIRECT, GATE, BASELINE = "upstream alone", "mintgate gate", "Starlette + PyJWT + httpx"

INSTANCE, DATABASE = "guarding", "GUARDING"
API = "Orders"
API_SECRET = "the-secret-of-the-api-under-load"
PATH = "/orders/1017"
TOKENS = 16
"""Callers, each with a token and a session of its own."""


class Work(msgspec.Struct, frozen=True):
    """What the worker is given."""

    issuer: str
    tokens: list[str]
