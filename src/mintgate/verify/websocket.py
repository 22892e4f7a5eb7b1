"""A WebSocket that lives no longer than what it was admitted by."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from mintgate.contract.errors import Refusal
from mintgate.verify.api_request import Admission
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.state import StateUnavailable

if TYPE_CHECKING:
    from mintgate.verify.asgi import Application, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
"""How often its token is checked again; in memory, so that it costs little."""
IN_USE_SECONDS = 60.0
"""How often it counts as a request of its ERP session, which else would be closed as idle while
the connection goes on without a slot [SES-14]."""
GOING_AWAY, POLICY, FAILED = 1001, 1008, 1011  # RFC 6455 §7.4.1
Ending = tuple[int, str]


async def until_refused(guard: Guard, admission: Admission, scope: Scope) -> Ending:
    """Wait until the caller may not go on; tells with which code and reason to close."""
    loop = asyncio.get_running_loop()
    used_at = loop.time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        in_use = loop.time() - used_at >= IN_USE_SECONDS
        try:
            await guard.look_again(admission, scope["headers"], in_use=in_use)
        except (KeysUnavailable, StateUnavailable):
            return GOING_AWAY, "It cannot be told now whether the token is still valid."
        except Refusal as refusal:
            return POLICY, refusal.description[:120]
        except Exception:  # noqa: BLE001 - logged; what cannot be checked does not go on
            _log.exception("a WebSocket could not be checked again")
            return FAILED, ""
        if in_use:
            used_at = loop.time()


async def run_watched(
    app: Application,
    scope: Scope,
    receive: Receive,
    send: Send,
    guard: Guard,
    admission: Admission,
) -> None:
    """Run an application on a WebSocket; when its caller may not go on, it is closed.

    The application is then told that the client has gone, and can send nothing more.
    """
    is_over = False

    async def watch() -> Message:
        nonlocal is_over
        code, reason = await until_refused(guard, admission, scope)
        is_over = True
        with contextlib.suppress(OSError, RuntimeError):  # whoever has closed is gone
            await send({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    ended = asyncio.ensure_future(watch())

    async def watched_receive() -> Message:
        message = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({message, ended}, return_when=asyncio.FIRST_COMPLETED)
            return await ended if is_over else message.result()
        finally:
            message.cancel()

    async def watched_send(message: Message) -> None:
        if is_over:
            raise OSError("the connection was closed: its caller may not go on")
        await send(message)

    try:
        await app(scope, watched_receive, watched_send)
    finally:
        ended.cancel()
