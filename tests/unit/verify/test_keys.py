"""Keys that are fetched, against a real issuer: once for everybody, kept while it is away."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from mintgate.contract.errors import InvalidToken
from mintgate.jose import PublicKey
from mintgate.verify import KeysUnavailable, Principal, RemoteKeys, Verifier
from tests.unit.verify.workbench import (
    KID,
    NOW,
    OTHER_KID,
    SIGNER,
    STRANGER,
    Clock,
    served,
    sign,
    user_claims,
    wait_until,
)

METADATA = "/id/.well-known/openid-configuration"
JWKS = "/id/keys"
ONE_FETCH = {METADATA: 1, JWKS: 1}
COOLDOWN, MAX_AGE, MAX_STALE = 10.0, 3600.0, 86_400.0


@dataclass
class Issuer:
    """What an issuer publishes, and how it misbehaves; counts what is asked of it."""

    base: str = ""
    kids: list[str] = field(default_factory=lambda: [KID])
    is_away: bool = False
    delay: float = 0.0
    metadata: Any = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def issuer(self) -> str:
        return self.base + "/id"

    def document(self, **changes: Any) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": self.base + JWKS, **changes}

    async def __call__(
        self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        path = scope["path"]
        self.requests[path] += 1
        await asyncio.sleep(self.delay)
        status, headers, body = self._answer(path)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if self.is_away:
            return 503, {}, b""
        if path in self.answers:
            return self.answers[path]
        if path == METADATA:
            document = self.document() if self.metadata is None else self.metadata
            return (
                200,
                {},
                document if isinstance(document, bytes) else json.dumps(document).encode(),
            )
        keys = [PublicKey(kid, SIGNER.public_key()).to_jwk() for kid in self.kids]
        return 200, {}, json.dumps({"keys": keys}).encode()


class _Stage:
    """Serves whichever issuer is on it, so that one server does for all tests."""

    issuer = Issuer()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.issuer(scope, receive, send)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[_Stage, str]]:
    app = _Stage()
    with served(app) as base:
        yield app, base


@pytest.fixture
def issuer(stage: tuple[_Stage, str]) -> Issuer:
    app, base = stage
    app.issuer = Issuer(base)
    return app.issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> RemoteKeys:
    return RemoteKeys(
        issuer.issuer, cooldown=COOLDOWN, max_age=MAX_AGE, max_stale=MAX_STALE, clock=clock
    )


def has(keys: RemoteKeys, kid: str) -> bool:
    """Look for a key as a verifier does: fetch when it is not there."""
    if keys.get(kid) is None:
        keys.refresh(kid)
    return keys.get(kid) is not None


async def has_async(keys: RemoteKeys, kid: str) -> bool:
    if keys.get(kid) is None:
        await keys.refresh_async(kid)
    return keys.get(kid) is not None


def _verify(checker: Verifier, token: str, way: str) -> Principal:
    if way == "sync":
        return checker.verify(token, "DomainAPI")
    return asyncio.run(checker.verify_async(token, "DomainAPI"))


# --- one fetch for everybody --------------------------------------------------------------------


def test_fifty_threads_cause_one_fetch(keys: RemoteKeys, issuer: Issuer) -> None:
    issuer.delay = 0.05
    gate = threading.Barrier(50)

    def look(_: int) -> bool:
        gate.wait()
        return has(keys, KID)

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(look, range(50)))
    assert issuer.requests == ONE_FETCH


def test_fifty_tasks_cause_one_fetch(keys: RemoteKeys, issuer: Issuer) -> None:
    issuer.delay = 0.05

    async def look_all() -> list[bool]:
        return await asyncio.gather(*(has_async(keys, KID) for _ in range(50)))

    assert all(asyncio.run(look_all()))
    assert issuer.requests == ONE_FETCH


def test_threads_and_tasks_share_one_fetch(keys: RemoteKeys, issuer: Issuer) -> None:
    issuer.delay = 0.05

    async def look_all() -> list[bool]:
        threads = [asyncio.to_thread(has, keys, KID) for _ in range(10)]
        return await asyncio.gather(*threads, *(has_async(keys, KID) for _ in range(10)))

    assert all(asyncio.run(look_all()))
    assert issuer.requests == ONE_FETCH
    assert has(keys, KID)
    assert asyncio.run(has_async(keys, KID))
    assert issuer.requests == ONE_FETCH


def test_the_event_loop_goes_on_while_keys_are_fetched(keys: RemoteKeys, issuer: Issuer) -> None:
    issuer.delay = 0.1

    async def ticks() -> int:
        fetch = asyncio.create_task(has_async(keys, KID))
        count = 0
        while not fetch.done():
            await asyncio.sleep(0.005)
            count += 1
        return count

    assert asyncio.run(ticks()) > 10


def test_a_cancelled_caller_does_not_stop_the_others(keys: RemoteKeys, issuer: Issuer) -> None:
    issuer.delay = 0.1

    async def main() -> bool:
        first = asyncio.create_task(has_async(keys, KID))
        second = asyncio.create_task(has_async(keys, KID))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second

    assert asyncio.run(main())
    assert issuer.requests == ONE_FETCH


# --- API-6: an unknown kid ----------------------------------------------------------------------


def test_an_unknown_kid_is_fetched_once_every_cooldown(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    """API-6"""
    assert has(keys, KID)
    for number in range(20):
        assert not has(keys, f"{number:032X}")
    assert issuer.requests[JWKS] == 2  # the first brought a key and counts for nothing
    clock.now += COOLDOWN - 0.01
    assert not has(keys, OTHER_KID)
    assert issuer.requests[JWKS] == 2
    clock.now += 0.01
    for number in range(20):
        assert not has(keys, f"{number:032X}")
    assert issuer.requests[JWKS] == 3


def test_keys_that_follow_each_other_quickly_are_all_found(
    keys: RemoteKeys, issuer: Issuer
) -> None:
    """API-6: no good token is refused, however often keys change within a cooldown."""
    for number in range(10):
        issuer.kids = [*issuer.kids, f"{number:032X}"]
        assert has(keys, f"{number:032X}")
    assert issuer.requests[JWKS] == 10


def test_a_fetch_because_of_age_does_not_hold_up_the_next_key(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    """API-6"""
    assert has(keys, KID)
    clock.now += MAX_AGE + 1
    assert keys.get(KID) is not None
    wait_until(lambda: issuer.requests[JWKS] == 2 and not keys._lock.locked())
    issuer.kids = [KID, OTHER_KID]
    assert has(keys, OTHER_KID)


def test_a_fetch_that_began_before_the_key_was_published(keys: RemoteKeys, issuer: Issuer) -> None:
    """API-6: who joins an older fetch looks once more."""
    issuer.delay = 0.1

    async def main() -> bool:
        first = asyncio.create_task(has_async(keys, KID))
        await asyncio.sleep(0.3)  # it has answered with the keys, or is about to
        issuer.kids = [KID, OTHER_KID]
        found = await has_async(keys, OTHER_KID)
        await first
        return found

    assert asyncio.run(main())


def test_a_new_key_is_found_after_the_cooldown(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    """API-6"""
    assert has(keys, KID)
    issuer.kids = [KID, OTHER_KID]
    clock.now += COOLDOWN
    assert has(keys, OTHER_KID)
    assert has(keys, KID)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": "none"}, id="API-5 alg none"),
        pytest.param({"typ": "JWT"}, id="API-5 an ID token"),
        pytest.param({"jku": "https://evil.example"}, id="API-5 brings its own keys"),
        pytest.param({"kid": 7}, id="API-6 kid is no text"),
    ],
)
def test_a_token_that_fails_before_api_6_causes_no_fetch(
    keys: RemoteKeys, issuer: Issuer, header: dict[str, Any], way: str
) -> None:
    checker = Verifier(issuer.issuer, keys=keys, clock=lambda: float(NOW))
    token = sign(
        user_claims(iss=issuer.issuer),
        {"alg": "RS256", "kid": OTHER_KID, "typ": "at+jwt"} | header,
        STRANGER,
    )
    with pytest.raises(InvalidToken):
        _verify(checker, token, way)
    assert not issuer.requests


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_verifier_fetches_what_it_needs(keys: RemoteKeys, issuer: Issuer, way: str) -> None:
    """API-6 API-7"""
    checker = Verifier(issuer.issuer, keys=keys, clock=lambda: float(NOW))
    token = sign(user_claims(iss=issuer.issuer))
    for _ in range(3):
        principal = _verify(checker, token, way)
        assert principal.login == "mira.k"
    assert issuer.requests == ONE_FETCH


# --- age ----------------------------------------------------------------------------------------


def test_keys_are_fetched_again_after_max_age_in_the_background(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    assert has(keys, KID)
    issuer.kids = [KID, OTHER_KID]
    clock.now += MAX_AGE + 1
    assert keys.get(KID) is not None  # at once, from before
    wait_until(lambda: keys.get(OTHER_KID) is not None)
    assert issuer.requests[JWKS] == 2


def test_stale_keys_are_kept_while_the_issuer_is_away(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    assert has(keys, KID)
    issuer.is_away = True
    for _ in range(5):
        clock.now += MAX_AGE + 1
        asked = issuer.requests[METADATA]
        assert keys.get(KID) is not None
        wait_until(lambda asked=asked: issuer.requests[METADATA] > asked)  # type: ignore[misc]
        wait_until(lambda: not keys._lock.locked())  # or the next fetch would not begin
    assert has(keys, KID)
    assert not has(keys, OTHER_KID)


def test_a_withdrawn_key_goes_with_the_next_fetch(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    issuer.kids = [KID, OTHER_KID]
    assert has(keys, OTHER_KID)
    issuer.kids = [KID]
    clock.now += MAX_AGE + 1
    keys.refresh(KID)
    assert keys.get(OTHER_KID) is None


def test_keys_are_dropped_after_max_stale(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    assert has(keys, KID)
    issuer.is_away = True
    clock.now += MAX_STALE
    assert keys.get(KID) is not None
    clock.now += 0.01
    assert keys.get(KID) is None


def test_keys_without_max_stale_are_never_dropped(issuer: Issuer, clock: Clock) -> None:
    keys = RemoteKeys(issuer.issuer, max_stale=None, clock=clock)
    assert has(keys, KID)
    issuer.is_away = True
    clock.now += 1000 * MAX_STALE
    assert keys.get(KID) is not None


# after max_stale a failed fetch raises nothing because the dropped keys are still there, so
# the verifier says 401 "signing key is unknown" where the issuer is away: 503 is meant.
def test_dropped_keys_and_an_issuer_away_are_keys_unavailable(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    assert has(keys, KID)
    issuer.is_away = True
    clock.now += MAX_STALE + 1
    checker = Verifier(issuer.issuer, keys=keys, clock=lambda: float(NOW))
    with pytest.raises(KeysUnavailable):
        checker.verify(sign(user_claims(iss=issuer.issuer)), "DomainAPI")


def test_keys_that_were_dropped_come_back(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    assert has(keys, KID)
    clock.now += MAX_STALE + 1
    assert has(keys, KID)


# --- failures -----------------------------------------------------------------------------------


def test_no_keys_at_all_is_keys_unavailable_and_recovers(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    issuer.is_away = True
    with pytest.raises(KeysUnavailable, match=f"cannot get keys from {issuer.issuer}: "):
        has(keys, KID)
    assert issuer.requests == {METADATA: 1}
    issuer.is_away = False
    with pytest.raises(KeysUnavailable):
        has(keys, KID)  # within the cooldown nothing is asked
    with pytest.raises(KeysUnavailable):
        asyncio.run(has_async(keys, KID))
    assert issuer.requests == {METADATA: 1}
    clock.now += COOLDOWN
    assert has(keys, KID)


# within the cooldown the message is the bare cause, without whose keys are missing.
def test_the_message_names_the_issuer_within_the_cooldown_too(
    keys: RemoteKeys, issuer: Issuer
) -> None:
    issuer.is_away = True
    for _ in range(2):
        with pytest.raises(KeysUnavailable, match=f"cannot get keys from {issuer.issuer}: "):
            has(keys, KID)


def test_a_closed_port_is_keys_unavailable() -> None:
    keys = RemoteKeys("http://127.0.0.1:9/id")
    with pytest.raises(KeysUnavailable, match=r"cannot get keys from http://127\.0\.0\.1:9/id"):
        has(keys, KID)


_BIG = b'{"keys":[' + b" " * (256 * 1024) + b"]}"

_BAD: dict[str, Callable[[Issuer], None]] = {
    "metadata of another issuer": lambda i: _put(i, METADATA, i.document(issuer=i.issuer + "/")),
    "metadata without issuer": lambda i: _put(i, METADATA, {"jwks_uri": i.base + JWKS}),
    "metadata is no object": lambda i: _put(i, METADATA, [1]),
    "metadata is no JSON": lambda i: _put(i, METADATA, b"<html>"),
    "metadata is empty": lambda i: _put(i, METADATA, b""),
    "metadata is too large": lambda i: _put(i, METADATA, _BIG),
    "metadata is a redirect": lambda i: _put(i, METADATA, b"", 302, location=i.base + JWKS),
    "metadata is not found": lambda i: _put(i, METADATA, b"", 404),
    "no jwks_uri": lambda i: _put(i, METADATA, {"issuer": i.issuer}),
    "jwks_uri is no text": lambda i: _put(i, METADATA, i.document(jwks_uri=[i.base + JWKS])),
    "jwks_uri is plain http": lambda i: _put(
        i, METADATA, i.document(jwks_uri="http://keys.example/jwks")
    ),
    "jwks_uri is a file": lambda i: _put(i, METADATA, i.document(jwks_uri="file:///etc/passwd")),
    "jwks_uri hides its host": lambda i: _put(
        i, METADATA, i.document(jwks_uri="http://127.0.0.1@evil.example/jwks")
    ),
    "jwks_uri has a bad bracket": lambda i: _put(i, METADATA, i.document(jwks_uri="https://[::1")),
    "key set is a redirect": lambda i: _put(i, JWKS, b"", 307, location=i.base + "/elsewhere"),
    "key set is too large": lambda i: _put(i, JWKS, _BIG),
    "key set is no JSON": lambda i: _put(i, JWKS, b"keys"),
    "key set has no keys": lambda i: _put(i, JWKS, {}),
    # An issuer that works always has a key: none would be the end of every good token.
    "key set is empty": lambda i: _put(i, JWKS, {"keys": []}),
    "key set has no usable key": lambda i: _put(i, JWKS, {"keys": [{"kty": "RSA", "kid": KID}]}),
    "key set fails": lambda i: _put(i, JWKS, {"keys": []}, 500),
    "key set is badly compressed": lambda i: _put(i, JWKS, b"x" * 20, encoding="gzip"),
    # these raise RecursionError and httpx.InvalidURL out of `refresh`, as neither is an
    # httpx.HTTPError or a ValueError.
    "metadata is deep": lambda i: _put(i, METADATA, b'{"x":' + b"[" * 5000 + b"]" * 5000),
    "jwks_uri has no port number": lambda i: _put(
        i, METADATA, i.document(jwks_uri="https://keys.example:port/jwks")
    ),
    "jwks_uri has a control character": lambda i: _put(
        i, METADATA, i.document(jwks_uri=i.base + "/\x7fjwks")
    ),
}


def _put(
    issuer: Issuer, path: str, document: Any, status: int = 200, location: str = "",
    encoding: str = "",
) -> None:  # fmt: skip
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"location": location} if location else {}
    if encoding:
        headers["content-encoding"] = encoding
    issuer.answers[path] = status, headers, body


@pytest.mark.parametrize("what", _BAD)
def test_a_bad_answer_is_keys_unavailable(
    what: str, keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    _BAD[what](issuer)
    with pytest.raises(KeysUnavailable, match=f"cannot get keys from {issuer.issuer}: "):
        has(keys, KID)
    assert issuer.requests.keys() <= {METADATA, JWKS}  # no redirect was followed
    issuer.answers.clear()
    clock.now += COOLDOWN
    assert has(keys, KID)


@pytest.mark.parametrize("what", _BAD)
def test_a_bad_answer_does_not_replace_good_keys(
    what: str, keys: RemoteKeys, issuer: Issuer, clock: Clock
) -> None:
    assert has(keys, KID)
    _BAD[what](issuer)
    clock.now += COOLDOWN
    assert not has(keys, OTHER_KID)
    assert keys.get(KID) is not None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://orion.my.example/id", id="TOP-8 http elsewhere"),
        pytest.param("http://127.0.0.1.evil.example/id", id="TOP-8 looks like loopback"),
        pytest.param("http://127.0.0.1@evil.example/id", id="TOP-8 loopback as user name"),
        pytest.param("http://localhost.evil.example/id", id="TOP-8 looks like localhost"),
        pytest.param("http://10.0.0.1/id", id="TOP-8 a private address"),
        pytest.param("ftp://127.0.0.1/id", id="TOP-8 ftp"),
        pytest.param("file:///id", id="TOP-8 a file"),
        pytest.param("orion.my.example/id", id="TOP-8 no scheme"),
        pytest.param("", id="TOP-8 empty"),
    ],
)
def test_an_issuer_must_be_https_or_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(url)
    with pytest.raises(ValueError, match="https"):
        Verifier(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://orion.my.example/id",
        "http://localhost/id",
        "http://127.0.0.1:8/id",
        "http://[::1]/",
    ],
)
def test_an_issuer_that_is_safe(url: str) -> None:
    RemoteKeys(url)


def test_failures_are_as_rare_as_fetches(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """API-6: an issuer that is away is not asked for every token."""
    issuer.is_away = True
    started = time.monotonic()
    for _ in range(50):
        with pytest.raises(KeysUnavailable):
            has(keys, KID)
    assert issuer.requests == {METADATA: 1}
    assert time.monotonic() - started < 2
