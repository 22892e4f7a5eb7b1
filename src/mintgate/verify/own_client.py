"""An HTTP client that a forked worker does not share with its parent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported with the first request: `mintgate serve` makes none
    import httpx

TIMEOUT_SECONDS = 5.0


class OwnClient:
    """Gives each process a client of its own.

    Two processes on one connection would read each other's answers. A client that was given is
    used as it is: whoever gives one has decided where it is made.
    """

    def __init__(self, given: httpx.Client | None = None) -> None:
        self._given = given
        self._made: tuple[int, httpx.Client] | None = None

    def get(self) -> httpx.Client:
        if self._given is not None:
            return self._given
        pid = os.getpid()
        if self._made is None or self._made[0] != pid:
            import httpx

            self._made = (pid, httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False))
        return self._made[1]
