"""A sign-in that has begun: what must come back with its code, bound to one browser.

Nothing is stored. `state` carries the address to return to and is signed with a key that only
this browser's cookie and the server make together; nonce and PKCE verifier follow from it. So
several windows can sign in at once, and nobody can send a browser a code that it did not ask for
(RFC 6749 §10.12, RFC 9700 §4.7).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from mintgate.contract import lifetimes
from mintgate.jose.encoding import base64url_decode, base64url_encode

MAX_SECONDS = lifetimes.INTERACTION + lifetimes.AUTHORIZATION_CODE
"""As long as a sign-in page may stay open, and its code lives."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    state: the parameter itself.
    address: where to go afterwards, without the host.
    nonce, verifier: of this one sign-in.
    """

    state: str
    address: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """RFC 7636 §4.2"""
        return base64url_encode(hashlib.sha256(self.verifier.encode()).digest()).decode()


class _Content(msgspec.Struct, frozen=True, array_like=True):
    started_at: int
    unique: str
    address: str


class SignInStates:
    """Makes and reads the states of one site.

    Args:
        key: of the instance, for this purpose.
        site_name: a state of one site is none of the other.
    """

    def __init__(self, key: bytes, site_name: str) -> None:
        self._key = key
        self._site = site_name.encode()

    def new(self, cookie: str, address: str, now: float) -> Started:
        """A sign-in of the browser with this cookie; `now` in Unix seconds."""
        content = _Content(int(now), secrets.token_urlsafe(16), address)
        payload = base64url_encode(msgspec.json.encode(content))
        return self._started(cookie, payload, address)

    def read(self, cookie: str, state: str, now: float) -> Started | None:
        """The sign-in of a state; None when this browser has not begun it, or too long ago."""
        payload, _, signature = state.encode().rpartition(b".")
        expected = self._digest(cookie, b"state", payload)
        if not hmac.compare_digest(signature, expected):
            return None
        content = msgspec.json.decode(base64url_decode(payload), type=_Content)
        if now - content.started_at > MAX_SECONDS:
            return None
        return self._started(cookie, payload, content.address)

    def _started(self, cookie: str, payload: bytes, address: str) -> Started:
        signature = self._digest(cookie, b"state", payload)
        return Started(
            state=(payload + b"." + signature).decode(),
            address=address,
            nonce=self._digest(cookie, b"nonce", payload).decode(),
            verifier=self._digest(cookie, b"verifier", payload).decode(),
        )

    def _digest(self, cookie: str, purpose: bytes, payload: bytes) -> bytes:
        browser = hmac.digest(self._key, cookie.encode(), "sha256")
        told = b"\0".join((self._site, purpose, payload))
        return base64url_encode(hmac.digest(browser, told, "sha256"))
