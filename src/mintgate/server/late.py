"""What a server needs only when it is asked for: made at the first request, off the event loop.

Most instances serve tokens and sign-ins; the built-in APIs bring a parser, an XML library and a
hundred modules, which would take a third of a start and of an idle process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class Late:
    """An ASGI application that is made when it is first called.

    Args:
        make: imports and makes it, in a thread; called once, or again after it raised.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if app is None:
            app = await self._made()
        await app(scope, receive, send)

    async def _made(self) -> ASGIApp:
        async with self._making:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
            return self._app
