"""The ASGI application: lifespan, host dispatch, health, and the last line of defence."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from functools import partial

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from mintgate.contract.clock import Clock, system_clock
from mintgate.server.hosts import Hosts
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import (
    Change,
    Database,
    DatabaseUnavailable,
    Transaction,
    housekeeping,
    instances,
)
from mintgate.store.follower import Follower
from mintgate.store.keys import KeyEncryptionKey

log = structlog.get_logger("mintgate")

SWEEP_SECONDS = 600.0
_BASE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Application:
    """Serves every instance of one database.

    Args:
        clock: Unix seconds; `monotonic` paces the state feed.
    """

    def __init__(
        self,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        clock: Clock = system_clock,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self.database = database
        self._kek = key_encryption_key
        self._clock = clock
        self.follower = Follower(database, self._apply, monotonic)
        self._instances: dict[str, InstanceApplication] = {}
        self._hosts: Hosts[InstanceApplication] = Hosts({})
        self._instances_changed = False
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the instances and follow the state feed."""
        await self.follower.start()
        await self._load_instances()
        self._sweeping = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await self.follower.stop()
        self.database.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._instances_changed:
            await self._load_instances()
        host = next((value for key, value in scope["headers"] if key == b"host"), b"")
        instance = self._hosts.find(host.decode("latin-1"))
        if scope["type"] != "http":
            if instance is None:
                await send({"type": "websocket.close", "code": 1008})
                return
            await instance.app(scope, receive, send)
            return
        if scope["path"] in {"/healthz", "/readyz"}:
            await self._answer_health(scope["path"], send)
        elif instance is None:
            await self._misdirected(send)
        else:
            await self._answer(instance, scope, receive, send)

    async def _answer(
        self, instance: InstanceApplication, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_BASE_HEADERS]
            await send(message)

        try:
            await instance.app(scope, receive, send_with_headers)
        except DatabaseUnavailable as error:
            log.error("database.unavailable", cause=str(error))
            if not started:
                await _send_json(send, 503, {"error": "temporarily_unavailable"}, retry=True)
        except Exception:
            # The answer names the request in the log, and no detail [TKN-53, API-42].
            request_id = secrets.token_hex(8)
            log.exception("request.failed", request_id=request_id, path=scope["path"])
            if started:
                raise
            body = {
                "error": "server_error",
                "error_description": f"The server failed. Give its operator this id: {request_id}",
            }
            await _send_json(send, 500, body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _load_instances(self) -> None:
        self._instances_changed = False
        rows = await self.database.read(instances.all_of)
        loaded = {}
        for row in rows:
            known = self._instances.get(row.id)
            if known is None or known.instance != row:
                known = InstanceApplication(
                    row, self.database, self._kek, lambda: self.follower.is_fresh, self._clock
                )
                await known.start()
            loaded[row.id] = known
        self._instances = loaded
        self._hosts = Hosts({known.instance.base_url: known for known in loaded.values()})

    async def _sweep_for_ever(self) -> None:
        while True:
            for instance in list(self._instances.values()):
                with contextlib.suppress(DatabaseUnavailable):
                    await self.database.write(partial(_sweep, instance.instance.id))
                    await instance.start()  # forgets revoked tokens that have ended
            await asyncio.sleep(SWEEP_SECONDS)

    def _apply(self, changes: list[Change]) -> None:
        for instance in self._instances.values():
            instance.directory.apply(changes)
        if any(change.kind == "instance" for change in changes):
            self._instances_changed = True

    async def _answer_health(self, path: str, send: Send) -> None:
        ready = path == "/healthz" or (self.follower.is_fresh and bool(self._instances))
        await _send_json(send, 200 if ready else 503, {"status": "ok" if ready else "not ready"})

    async def _misdirected(self, send: Send) -> None:
        # RFC 9110 §15.5.20 [DSC-2]: an answer under a wrong name would carry a wrong issuer.
        urls = ", ".join(self._hosts.base_urls) or "none yet; declare one with mintgate apply"
        body = {
            "error": "misdirected_request",
            "error_description": f"No instance has this host. Instances here: {urls}",
        }
        await _send_json(send, 421, body)


def _sweep(instance_id: str, tx: Transaction) -> None:
    housekeeping.sweep(tx, instance_id, tx.now)


async def _send_json(send: Send, status: int, body: dict[str, str], *, retry: bool = False) -> None:
    text = msgspec.json.encode(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
        *_BASE_HEADERS,
    ]
    if retry:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
