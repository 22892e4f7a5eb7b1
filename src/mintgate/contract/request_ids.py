"""By which a request is named in logs, in the audit log and to its caller."""

from __future__ import annotations

import secrets
from contextvars import ContextVar

REQUEST_ID = "mintgate.request_id"
"""Where the scope of a request that failed has the id that the log names it by."""


class RequestId:
    """The id of one request; it is made when somebody asks for it."""

    __slots__ = ("_refusals", "_text")

    def __init__(self) -> None:
        self._text: str | None = None
        self._refusals = 0

    def __str__(self) -> str:
        if self._text is None:
            self._text = secrets.token_hex(8)
        return self._text

    def of_refusal(self) -> str:
        """The id itself; further refusals of the request, as those in a batch, get `…-2`, `…-3`."""
        self._refusals += 1
        return str(self) if self._refusals == 1 else f"{self}-{self._refusals}"


_current: ContextVar[RequestId | None] = ContextVar("mintgate_request_id", default=None)


def begin() -> RequestId:
    """Name the request that the current task is about to answer."""
    made = RequestId()
    _current.set(made)
    return made


def current() -> RequestId | None:
    """That of the request that is being answered; None outside of one, or where none are named."""
    return _current.get()


def new_refusal_id() -> str:
    """For a refusal: by which its request is named, too, where requests have names."""
    request = _current.get()
    return secrets.token_hex(8) if request is None else request.of_refusal()
