"""What the tests of the verifier share: keys, claims, a way to sign anything, a real server."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from mintgate.contract.errors import TooManyRequests
from mintgate.contract.users import UserType
from mintgate.jose import KeySet, PublicKey
from mintgate.verify import Guard, OpenSession, Principal, TokenState, UserState, Verifier
from mintgate.verify.keys import StaticKeys

ISSUER = "https://orion.my.example/id"
DATABASE = "ORION_PROD X-1"
NOW = 1_790_000_100
KID, OTHER_KID = "A" * 32, "B" * 32
SIGNER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = SIGNER.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
HEADER: dict[str, Any] = {"alg": "RS256", "kid": KID, "typ": "at+jwt"}


def user_claims(now: int = NOW, /, **changes: Any) -> dict[str, Any]:
    """The example [TOK-60]; a change to `...` leaves the claim out."""
    return changed(
        {
            "nbf": now,
            "exp": now + 3600,
            "iss": ISSUER,
            "aud": ["DomainAPI", "TableAPI", "OLAP", "AppServer", f"{ISSUER}/resources"],
            "client_id": "shop.example.org/backoffice",
            "sub": "mira.k",
            "sub_id": "0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10",
            "name": "Mira Kolarova",
            "email": "mira.k@orion.example",
            "user_type": "InternalUser",
            "is_admin": False,
            "email_verified": True,
            "db": DATABASE,
            "locale": "bg",
            "jti": "556E74D7D09AEBD078F3097B3C48F12A",
            "sid": "73F0BA2F800B9E2CF58BED92D8040FD3",
            "iat": now,
            "scope": ["openid", "profile", "read", "update"],
        },
        changes,
    )


def service_claims(now: int = NOW, /, **changes: Any) -> dict[str, Any]:
    """The example [TOK-63]; a change to `...` leaves the claim out."""
    return changed(
        {
            "nbf": now,
            "exp": now + 3600,
            "iss": ISSUER,
            "aud": ["DomainAPI", "TableAPI", "OLAP", "AppServer", f"{ISSUER}/resources"],
            "client_id": "sync.example.org/stock",
            "client_system_user": "svc.stock",
            "client_system_user_type": "InternalUser",
            "client_system_user_id": "7c1e0b3a-1d92-4f5c-b0f6-0a4d1a2b3c04",
            "client_db": DATABASE,
            "jti": "FAA68AF7739E4AB79D7EFE9200DF6E98",
            "iat": now,
            "scope": ["read"],
        },
        changes,
    )


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | changes).items() if value is not ...}


def b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def sign_parts(header: bytes, payload: bytes, key: rsa.RSAPrivateKey = SIGNER) -> bytes:
    """A compact JWS of two parts as they are, encoded or not."""
    signing_input = header + b"." + payload
    return signing_input + b"." + b64(key.sign(signing_input, padding.PKCS1v15(), SHA256()))


def sign(
    claims: dict[str, Any] | str | bytes,
    header: dict[str, Any] | str | None = None,
    key: rsa.RSAPrivateKey = SIGNER,
) -> str:
    """A signed token; a text goes in as it is."""
    head = HEADER if header is None else header
    return sign_parts(b64(_text(head)), b64(_text(claims)), key).decode("latin-1")


def with_member(members: dict[str, Any], raw: str) -> str:
    """The JSON of `members` with one more member, as text."""
    return json.dumps(members, separators=(",", ":"))[:-1] + "," + raw + "}"


def _text(value: dict[str, Any] | str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def verifier(**options: Any) -> Verifier:
    """A verifier with the signer's key and a clock that stands at `NOW`."""
    keys = StaticKeys(KeySet([PublicKey(KID, SIGNER.public_key())]))
    given: dict[str, Any] = {"issuer": ISSUER, "keys": keys, "clock": lambda: float(NOW)}
    return Verifier(**(given | options))


@dataclass
class Clock:
    now: float = float(NOW)

    def __call__(self) -> float:
        return self.now


GOOD_STATE = TokenState(
    revoked=False, application_enabled=True, user=UserState(True, False, UserType.INTERNAL)
)


class MemoryState:
    """A state source in memory that finds nothing without loading it, unless it is `warm`."""

    def __init__(self, state: TokenState = GOOD_STATE, *, warm: bool = False) -> None:
        self.state = state
        self.warm = warm
        self.loads = 0

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        return self.state if self.warm else None

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        self.loads += 1
        return self.state

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        return self.load(claims, token)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free loopback port; gives the base URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


class OneSession:
    """A source that has one session open."""

    def __init__(self) -> None:
        self.session = OpenSession("S", "interactive", opened_at=0.0, last_request=0.0)
        self.opened = 0

    def touch(self, principal: Principal) -> OpenSession | None:
        return None

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        self.opened += 1
        return self.session

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        return self.open(principal)


RATE = [(b"ratelimit", b'"client";r=9;t=1')]


class Limits:
    """Lets requests through and says what is left, until it is used up."""

    used_up = False

    def hit(
        self, principal: Principal, session: OpenSession | None, address: str
    ) -> list[tuple[bytes, bytes]]:
        if self.used_up:
            raise TooManyRequests(retry_after=7, limits=tuple(RATE))
        return RATE


def a_guard(**options: Any) -> Guard:
    return Guard(verifier(database=DATABASE, state=MemoryState()), "DomainAPI", **options)
