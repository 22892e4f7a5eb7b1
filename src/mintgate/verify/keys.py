"""The issuer's keys: fetched once for everybody, kept when the issuer is away (RFC 7517)."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from mintgate.contract.clock import Clock
from mintgate.contract.redirects import LOOPBACK_HOSTS
from mintgate.jose import KeySet, MalformedKeySet, PublicKey
from mintgate.jose.encoding import decode_object
from mintgate.verify.own_client import OwnClient

if TYPE_CHECKING:
    import httpx

MAX_DOCUMENT_BYTES = 256 * 1024


class KeysUnavailable(Exception):
    """No keys could be had from the issuer, and none are known from before."""


class KeySource(Protocol):
    """Where a verifier finds keys."""

    def get(self, kid: str) -> PublicKey | None:
        """The key if it is known, without waiting."""
        ...

    def refresh(self, kid: str) -> PublicKey | None:
        """Fetch again because `kid` is unknown, if that was not done a moment ago.

        Returns:
            The key, when it is known now.
        """
        ...

    async def refresh_async(self, kid: str) -> PublicKey | None: ...


class StaticKeys:
    """Keys that the caller has already; nothing is fetched."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def get(self, kid: str) -> PublicKey | None:
        return self._keys.get(kid)

    def refresh(self, kid: str) -> PublicKey | None:
        return self.get(kid)

    async def refresh_async(self, kid: str) -> PublicKey | None:
        return self.get(kid)


class RemoteKeys:
    """The key set that the issuer publishes, found through its metadata.

    One fetch at a time. A fetch for an unknown `kid` that does not bring it, or that fails, is the
    last one for `cooldown` seconds, so that a stream of forged tokens is not a stream of requests
    [API-6]. One that brings it costs nothing: keys may change as often as they do, and no good
    token is refused. When a fetch fails, or brings no key at all, the keys from before stay in use
    for up to `max_stale` seconds.

    Args:
        issuer: the exact `iss` of tokens; plain http only on loopback [TOP-8].
        cooldown: seconds without a fetch after a vain one.
        max_age: seconds after which keys are fetched again although every `kid` is known.
        max_stale: seconds after the last good fetch until the keys are dropped; None = never.
        http: an HTTP client to use; by default one with a timeout of 5 s.
        clock: monotonic seconds.

    Raises:
        ValueError: the issuer is neither https nor on loopback.
    """

    def __init__(
        self,
        issuer: str,
        *,
        cooldown: float = 10.0,
        max_age: float = 3600.0,
        max_stale: float | None = 86_400.0,
        http: httpx.Client | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        require_safe(issuer)
        self._issuer = issuer
        self._cooldown, self._max_age, self._max_stale = cooldown, max_age, max_stale
        self._http = OwnClient(http)
        self._clock = clock
        self._keys: KeySet | None = None
        self._ended: set[str] = set()
        self._fetched_at = self._tried_at = float("-inf")
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self._fetching: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    def end(self, kid: str) -> None:
        """A key was declared compromised: it is not used again, whatever is fetched or kept."""
        self._ended.add(kid)

    def forget(self) -> None:
        """A key may have ended without a word: the key set is fetched before the next use."""
        with self._lock:
            self._keys = None
            self._tried_at = float("-inf")

    def get(self, kid: str) -> PublicKey | None:
        keys = self._keys
        if keys is None or kid in self._ended:
            return None
        age = self._clock() - self._fetched_at
        if age > self._max_age and (self._max_stale is None or age <= self._max_stale):
            self._refresh_in_background()
        elif self._max_stale is not None and age > self._max_stale:
            return None
        return keys.get(kid)

    def refresh(self, kid: str) -> PublicKey | None:
        """Fetch the key set unless another call just did.

        Raises:
            KeysUnavailable: it failed and no keys are known.
        """
        self._fetch_unless_known(kid)
        return self.get(kid)

    def _fetch_unless_known(self, kid: str) -> None:
        import httpx

        with self._lock:
            now = self._clock()
            if self._max_stale is not None and now - self._fetched_at > self._max_stale:
                self._keys = None
            known = self._keys is not None and self._keys.get(kid) is not None
            if (known and now - self._fetched_at <= self._max_age) or (
                now - self._tried_at < self._cooldown
            ):
                self._require_keys()
                return
            self._tried_at = now
            try:
                self._keys = self._fetch()
                self._fetched_at, self._error = self._clock(), None
                if not kid or self._keys.get(kid) is not None:  # "": only because of their age
                    self._tried_at = float("-inf")
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
                self._error = error
                self._require_keys()

    async def refresh_async(self, kid: str) -> PublicKey | None:
        """The same for an event loop: one thread fetches, every task waits for it."""
        loop = asyncio.get_running_loop()
        # A fetch that had begun already may be older than the key: then once more.
        for _ in range(2):
            task = self._fetching.get(loop)
            is_own = task is None
            if task is None:
                task = loop.create_task(asyncio.to_thread(self._fetch_unless_known, kid))
                self._fetching[loop] = task
                task.add_done_callback(lambda _: self._fetching.pop(loop, None))
            await asyncio.shield(task)
            if is_own or (self._keys is not None and self._keys.get(kid) is not None):
                break
        return self.get(kid)

    def _require_keys(self) -> None:
        if self._keys is None and self._error is not None:
            raise KeysUnavailable(
                f"cannot get keys from {self._issuer}: {self._error}"
            ) from self._error

    def _refresh_in_background(self) -> None:
        if self._lock.locked() or self._clock() - self._tried_at < self._cooldown:
            return
        threading.Thread(target=self._fetch_unless_known, args=("",), daemon=True).start()

    def _fetch(self) -> KeySet:
        metadata = decode_object(
            fetch(self._http.get(), f"{self._issuer}/.well-known/openid-configuration")
        )
        # OpenID Connect Discovery §4.3: the document must be the issuer's own.
        if metadata.get("issuer") != self._issuer:
            raise ValueError("its metadata names another issuer")
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str):
            raise MalformedKeySet("its metadata has no jwks_uri")
        require_safe(jwks_uri)
        keys = KeySet.from_json(fetch(self._http.get(), jwks_uri))
        if not len(keys):
            # An issuer always has one: something is wrong there, and good tokens are not [API-20].
            raise MalformedKeySet("its key set has no key that can be used")
        return keys


def fetch(http: httpx.Client, url: str) -> bytes:
    """The body of a document, of bounded size; a redirect is an error.

    Raises:
        httpx.HTTPError, httpx.InvalidURL: no good answer.
        ValueError: it is too large.
    """
    with http.stream("GET", url, follow_redirects=False) as response:
        response.raise_for_status()
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_DOCUMENT_BYTES:
                raise ValueError("its answer is too large")
        return bytes(body)


def require_safe(url: str) -> None:
    """Raises ValueError for a URL that is neither https nor on loopback [TOP-8]."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    ):
        raise ValueError(f"{url} must be https (http is for loopback only)")
