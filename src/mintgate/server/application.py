"""The ASGI application: lifespan, host dispatch and health."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mintgate.contract.clock import Clock, system_clock
from mintgate.gate.draining import Draining
from mintgate.gate.forward_targets import ROOT as FORWARD_AUTH_ROOT
from mintgate.gate.forward_targets import target_of
from mintgate.gate.shortcut import PreparedCall
from mintgate.identity.mail.post import Post
from mintgate.identity.repeating import REPEAT, RepeatedRequest
from mintgate.server.chores import Chores
from mintgate.server.failures import BASE_HEADERS, Failures
from mintgate.server.hosts import Hosts
from mintgate.server.identity_routes import TOKEN_PATH
from mintgate.server.instance_application import InstanceApplication
from mintgate.server.prepared_call import OfInstance, RepeatedOfInstance
from mintgate.server.readiness import ReadinessCheck
from mintgate.store import Change, Database, instances
from mintgate.store.follower import STALE_SECONDS, Follower
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.valkey_counters import ValkeyCounters
from mintgate.verify import ApiRequest

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})


class Application:
    """Serves every instance of one database.

    Args:
        clock: Unix seconds; `monotonic` paces the state feed.
        draining: tells whether the server ends.
        valkey: where rate limits are counted; None counts them in the database.
        stale_state_seconds: for how long tokens are judged by what is known while the database
            is away; 0: not at all.
        post: takes letters; None where this server sends none.
    """

    repeats: ClassVar[bool] = True
    """Whether it tells how requests for tokens are answered again (`identity.repeating`)."""

    def __init__(
        self,
        database: Database,
        key_encryption_key: KeyEncryptionKey,
        clock: Clock = system_clock,
        monotonic: Clock = time.monotonic,
        draining: Draining | None = None,
        valkey: ValkeyCounters | None = None,
        stale_state_seconds: float = STALE_SECONDS,
        post: Post | None = None,
    ) -> None:
        self.database = database
        self._kek = key_encryption_key
        self._clock = clock
        self._draining = draining or Draining()
        self._valkey = valkey
        self._post = post
        self.follower = Follower(
            database, self._apply, monotonic, self._forget, stale_state_seconds=stale_state_seconds
        )
        self._instances: dict[str, InstanceApplication] = {}
        self._starting: dict[str, InstanceApplication] = {}
        """Those that load what they need, while the ones before them answer."""
        self._readiness = ReadinessCheck(
            database,
            self.follower.has_followed,
            lambda: [one.directory.signing_key for one in self._instances.values()],
            self._draining,
            monotonic,
        )
        self._hosts: Hosts[InstanceApplication] = Hosts({})
        self._by_name: dict[str, InstanceApplication] = {}
        self._instances_changed = False
        self._gaps = self._gaps_seen = 0
        self._loading = asyncio.Lock()
        self.chores = Chores(database, key_encryption_key, lambda: self.instances)
        self._answer = Failures(self._dispatch)

    async def start(self) -> None:
        """Load the instances and follow the state feed."""
        await self.follower.start()
        await self._load_instances()
        if not gc.isenabled():  # see `cli.main`
            # What was imported and loaded stays: the collector need never look at it again.
            gc.collect()
            gc.freeze()
            gc.enable()
        self.chores.start()

    async def stop(self) -> None:
        await self.chores.stop()
        await self.follower.stop()
        if self._post is not None:
            self._post.close()
        if self._valkey is not None:
            await self._valkey.close()
        self.database.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] == "http":
            path = scope["path"]
            if path == TOKEN_PATH:
                token = self._token_endpoint(scope)
                if token is not None:
                    await token(scope, receive, send)
                    return
            elif path in HEALTH_PATHS:
                await self._answer_health(path, send)
                return
        asked = self._asked(scope) if not self._instances_changed else None
        if asked is not None:
            await asked.forward_auth(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *BASE_HEADERS]
            await send(message)

        await self._answer(scope, receive, send_with_headers)

    def prepare(self, request: ApiRequest) -> PreparedCall | None:
        """A call that needs no waiting: most of forward auth; see `gate.shortcut`."""
        target = target_of(request.raw_path)
        if target is None or self._instances_changed:
            return None
        name = target.instance
        asked = self._by_name.get(name)
        call = asked.forward_auth.prepare(target, request) if asked is not None else None
        if call is None:
            return None

        def is_current() -> bool:
            return not self._instances_changed and self._by_name.get(name) is asked

        return OfInstance(call, is_current)

    @property
    def instances(self) -> list[InstanceApplication]:
        """Those that are served now."""
        return list(self._instances.values())

    def instance_name_of(self, scope: Scope) -> str | None:
        """The instance that answers a request, for a log; None when none does."""
        found = self._instance_of(scope)
        return found.instance.name if found is not None else None

    def _token_endpoint(self, scope: Scope) -> ASGIApp | None:
        """The way of most requests for tokens, past what it does not need.

        None where anything is unusual: a browser asks, or the host is not known.
        """
        repeat = scope.pop(REPEAT, None)
        if self._instances_changed:
            return None
        host: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value if host is None else b""
            elif name == b"origin":
                return None
        instance = self._hosts.find(host.decode("latin-1")) if host else None
        if instance is None:
            return None
        if repeat is not None:
            scope[REPEAT] = partial(self._repeated, repeat, self._hosts)
        return instance.token

    def _repeated(
        self,
        repeat: Callable[[RepeatedRequest], None],
        hosts: Hosts[InstanceApplication],
        request: RepeatedRequest,
    ) -> None:
        """Tell of a request that is to be answered again while `hosts` lead to the same."""
        repeat(
            RepeatedOfInstance(
                request, lambda: self._hosts is hosts and not self._instances_changed
            )
        )

    def _instance_of(self, scope: Scope) -> InstanceApplication | None:
        host = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
                break
        return self._asked(scope) or self._hosts.find(host.decode("latin-1"))

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._instances_changed:
            await self._load_instances()
        instance = self._instance_of(scope)
        if instance is not None:
            await instance(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._misdirected(send)

    def _asked(self, scope: Scope) -> InstanceApplication | None:
        """The instance that a call of forward auth names: `Host` may be that of the API there."""
        if not scope["path"].startswith(FORWARD_AUTH_ROOT):
            return None
        target = target_of(scope["raw_path"])
        return self._by_name.get(target.instance) if target is not None else None

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
        async with self._loading:
            self._instances_changed = False
            try:
                await self._load()
            except BaseException:
                self._instances_changed = True  # the next request tries again
                raise
            finally:
                self._starting = {}

    async def _load(self) -> None:
        loaded = {}
        gaps = self._gaps
        for row in await self.database.read(instances.all_of):
            known = self._instances.get(row.id) if gaps == self._gaps_seen else None
            if known is None or known.instance != row:
                known = InstanceApplication(
                    row,
                    self.database,
                    self._kek,
                    self.follower.has_followed,
                    self._clock,
                    self.follower.goes_on,
                    known,
                    self._valkey,
                    self._post,
                )
                # Known to `_apply` before it loads, so that no change falls in between. It answers
                # nothing before it has loaded: it would take revoked tokens for good ones.
                self._starting[row.id] = known
                await known.start()
            loaded[row.id] = known
        self._gaps_seen = gaps
        self._instances = loaded
        self._hosts = Hosts({known.instance.base_url: known for known in loaded.values()})
        self._by_name = {known.instance.name: known for known in loaded.values()}

    def _apply(self, changes: list[Change]) -> None:
        for instance in (*self._instances.values(), *self._starting.values()):
            instance.apply(changes)
        if any(change.kind == "instance" for change in changes):
            self._instances_changed = True

    def _forget(self) -> None:
        # As after a start: not even who is in session and what is counted goes on.
        self._gaps += 1
        self._instances_changed = True

    async def _answer_health(self, path: str, send: Send) -> None:
        if path == "/healthz":  # this process lives; whoever asks may end it, if it does not
            await _send_json(send, 200, {"status": "ok"})
            return
        found = await self._readiness.look()
        await _send_json(send, 200 if found.is_ready else 503, found)

    async def _misdirected(self, send: Send) -> None:
        # RFC 9110 §15.5.20 [DSC-2]: an answer under a wrong name would carry a wrong issuer.
        urls = ", ".join(self._hosts.base_urls) or "none yet; declare one with mintgate apply"
        body = {
            "error": "misdirected_request",
            "error_description": f"No instance has this host. Instances here: {urls}",
        }
        await _send_json(send, 421, body)


async def _send_json(send: Send, status: int, body: object) -> None:
    text = msgspec.json.encode(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
