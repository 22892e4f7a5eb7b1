"""How letters leave this process: to a mail server, or to the console of a demo."""

from __future__ import annotations

import sys
from email.message import EmailMessage
from typing import Protocol

AT_ONCE = 4
"""How many letters a process gives away at a time."""


class NotSent(Exception):
    """The letter was not taken; the message says why, for operators only.

    Args:
        is_final: whether trying again would be in vain.
    """

    def __init__(self, cause: str, *, is_final: bool = False) -> None:
        super().__init__(cause)
        self.is_final = is_final


class Post(Protocol):
    """Takes messages."""

    sender: str
    """The address in `From`."""

    async def send(self, message: EmailMessage) -> None:
        """Raises NotSent."""
        ...

    def close(self) -> None: ...


class ConsolePost:
    """Shows letters where the server was started; for trying it out [`serve --demo`]."""

    sender = "mintgate@localhost"

    async def send(self, message: EmailMessage) -> None:
        body = message.get_body(("plain",))
        text = body.get_content().rstrip() if body is not None else ""
        lines = [f"To: {message['To']}", f"Subject: {message['Subject']}", "", *text.splitlines()]
        print("\n".join(["", "── mail ──", *lines, "──────────", ""]), flush=True)  # noqa: T201

    def close(self) -> None:
        sys.stdout.flush()
