"""One line for each request: who, what, how it ended; never a token, a query or a body.

A record of a request is kept in its ASGI scope, by the gate and by a server that logs requests.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from mintgate.contract import request_ids
from mintgate.contract.errors import Refusal
from mintgate.verify import Principal, noting
from mintgate.verify.asgi import Message, Scope, Send
from mintgate.verify.noting import RECORD

LOGGER = "mintgate.access"
_log = logging.getLogger(LOGGER)
MAX_SHOWN = 254
FIELDS = "mintgate_fields"
"""The attribute of a log record that has what it says as a mapping, for logs in JSON."""
# A token has no business in a path; one that is put there is not logged all the same [TOK-14].
_TOKEN_LIKE = re.compile(r"enrt_\w+|eyJ[\w-]+(?:\.[\w-]*)*")


class Record:
    """What is noted of one request while it runs."""

    __slots__ = (
        "api",
        "bytes_sent",
        "client_id",
        "endpoint",
        "headers_sent",
        "instance",
        "refusal",
        "request_id",
        "scope",
        "seconds",
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
        self.endpoint = "-"
        self.instance = "-"
        self.seconds = 0.0
        self.request_id = request_ids.begin()
        """As the caller gets it with a refusal, and as the audit log has it."""

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

    def end(self) -> None:
        """The request is answered: measure how long it took, and write its line."""
        self.seconds = time.monotonic() - self.started_at
        if _log.isEnabledFor(logging.INFO):
            write_line(self._details())

    def _details(self) -> dict[str, Any]:
        """A refusal is named by its id, with the reason that the caller was not told."""
        scope, refusal = self.scope, self.refusal
        client = scope.get("client")
        details = {
            "method": scope.get("method", "GET"),
            "path": _TOKEN_LIKE.sub("…", scope["raw_path"].decode("latin-1"))[:MAX_SHOWN],
            "status": self.status,
            "bytes": self.bytes_sent,
            "ms": round(self.seconds * 1000, 1),
            "address": client[0] if client else "-",
            "api": self.api,
            "client_id": self.client_id,
            "endpoint": self.endpoint,
            "instance": self.instance,
            "request_id": str(self.request_id),
        }
        if refusal is not None:
            details |= {
                "error": refusal.error,
                "cause": refusal.cause[:MAX_SHOWN],
                "request_id": refusal.id,
            }
        return {name: value for name, value in details.items() if value != "-"}


def write_line(details: dict[str, Any]) -> None:
    """One line of the access log, in the form that the log is set to."""
    line = " ".join(f"{name}={_plain(value)}" for name, value in details.items())
    _log.info("%s", line, extra={FIELDS: details})


def note_caller(scope: Scope, principal: Principal | None) -> None:
    record = scope.get(RECORD)
    if isinstance(record, Record) and principal is not None:
        record.client_id = principal.client_id
        record.instance = principal.database


def note_refusal(scope: Scope, refusal: Refusal) -> None:
    noting.note_refusal(scope, "gate", refusal)


async def note(scope: Scope, refusal: Refusal) -> None:
    """`on_refusal` of the routes' guards."""
    note_refusal(scope, refusal)


def _plain(value: object) -> str:
    """A value that cannot be taken for two."""
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else repr(text)
