"""What the identity service tells whoever listens: how the same request is answered again.

Services ask for the same token again and again, in the same bytes. What they mean is read once, on
the long way; whether the answer may be given is decided anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

REPEAT = "mintgate.repeat"
"""The scope key under which who listens takes a `RepeatedRequest`, when it can make use of one."""
Headers = tuple[tuple[bytes, bytes], ...]
SendWhole = Callable[[int, Headers, bytes], None]
"""Sends an answer: its status, its headers, its body. Their length is told by who sends them."""


class RepeatedRequest(Protocol):
    """A request that was answered before; nothing is kept of it but what follows from its bytes.

    It holds no secret: at most a secret's hash.
    """

    def begin(self, send: SendWhole) -> bool:
        """Begin to answer. `send` is called once, later and in this thread.

        Returns:
            False: nothing was begun and nothing has happened; it is to be read anew.
        """
        ...
