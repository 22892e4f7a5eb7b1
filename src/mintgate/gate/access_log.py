"""One line for each request: who, what, how it ended; never a token, a query or a body."""

from __future__ import annotations

import logging
import time

from mintgate.contract.errors import Refusal
from mintgate.verify import Principal
from mintgate.verify.asgi import Message, Scope, Send

RECORD = "mintgate.record"
LOGGER = "mintgate.access"
_log = logging.getLogger(LOGGER)
MAX_SHOWN = 254


class Record:
    """What is noted of one request while it runs."""

    __slots__ = (
        "api",
        "bytes_sent",
        "client_id",
        "headers_sent",
        "refusal",
        "scope",
        "started_at",
        "status",
    )

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.started_at = time.monotonic()
        self.status = 0
        self.headers_sent = False
        self.bytes_sent = 0
        self.refusal: Refusal | None = None
        self.api = "-"
        self.client_id = "-"

    def sending(self, send: Send) -> Send:
        """The same `send`, noted."""

        async def noted(message: Message) -> None:
            kind = message["type"]
            if kind.endswith("response.start"):
                self.status, self.headers_sent = message["status"], True
            elif kind.endswith("response.body"):
                self.bytes_sent += len(message.get("body", b""))
            elif kind == "websocket.accept":
                self.status, self.headers_sent = 101, True
            await send(message)

        return noted

    def write(self) -> None:
        """The line. A refusal is named by its id, with the reason that the caller was not told."""
        if not _log.isEnabledFor(logging.INFO):
            return
        scope, refusal = self.scope, self.refusal
        client = scope.get("client")
        details = {
            "method": scope.get("method", "GET"),
            "path": scope["raw_path"][:MAX_SHOWN].decode("latin-1"),
            "status": self.status,
            "bytes": self.bytes_sent,
            "ms": round((time.monotonic() - self.started_at) * 1000, 1),
            "address": client[0] if client else "-",
            "api": self.api,
            "client_id": self.client_id,
        }
        if refusal is not None:
            details |= {
                "error": refusal.error,
                "cause": refusal.cause[:MAX_SHOWN],
                "id": refusal.id,
            }
        _log.info("%s", " ".join(f"{name}={_plain(value)}" for name, value in details.items()))


def note_caller(scope: Scope, principal: Principal | None) -> None:
    record = scope.get(RECORD)
    if isinstance(record, Record) and principal is not None:
        record.client_id = principal.client_id


def note_refusal(scope: Scope, refusal: Refusal) -> None:
    record = scope.get(RECORD)
    if isinstance(record, Record):
        record.refusal = refusal


async def note(scope: Scope, refusal: Refusal) -> None:
    """`on_refusal` of the routes' guards."""
    note_refusal(scope, refusal)


def _plain(value: object) -> str:
    """A value that cannot be taken for two."""
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else repr(text)
