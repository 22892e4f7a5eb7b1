"""The token endpoint: where it is, who we are, and what it answers (RFC 6749 §2.3.1, §5)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote_plus

import httpx
import msgspec

from mintgate.client.addresses import safe_url
from mintgate.client.errors import IssuerMismatch, TokenEndpointUnavailable, TokenRefused
from mintgate.client.exchange import Exchange
from mintgate.contract.clock import Clock

_UNSTATED_LIFETIME = 300.0
"""Seconds, when the answer has no `expires_in` (RFC 6749 §5.1 only recommends it)."""
_BEARER_VALUE = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1 b64token
_NOT_ERROR_TEXT = re.compile(r'[^ -~]|["\\]')  # RFC 6749 §5.2


@dataclass(frozen=True, slots=True)
class Issued:
    """What one successful token request brought. Times are Unix times in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    sent_at: float
    lifetime: float


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float | None = None
    refresh_token: str | None = None


class _Refusal(msgspec.Struct):
    error: str
    error_description: str | None = None


class _Discovery(msgspec.Struct):
    issuer: str
    token_endpoint: str


class TokenEndpoint:
    """Makes token requests as one client. Not for concurrent use: one renewal runs at a time.

    Args:
        client_id: of the trusted application.
        client_secret: None for a Public application.
        issuer: discovered from, at the first request; or
        token_endpoint: the address itself. Exactly one of the two.

    Raises:
        ValueError: an argument is empty, unsafe (`addresses.safe_url`) or missing.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str | None,
        issuer: str | None,
        token_endpoint: str | None,
        exchange: Exchange,
        clock: Clock,
    ) -> None:
        if not client_id or client_secret == "":
            raise ValueError("client_id and client_secret must not be empty")
        if (issuer is None) == (token_endpoint is None):
            raise ValueError("give either issuer or token_endpoint")
        if issuer is not None and safe_url(issuer, "issuer").query:
            raise ValueError("issuer must not have a query")
        self._client_id = client_id
        self._client_secret = client_secret
        self._issuer = issuer
        self._url = safe_url(token_endpoint, "token_endpoint") if token_endpoint else None
        self._exchange = exchange
        self._clock = clock

    def __repr__(self) -> str:
        return f"TokenEndpoint({str(self._url or self._issuer)!r}, client_id={self._client_id!r})"

    def request(self, grant: Mapping[str, str]) -> Issued:
        """Send one token request.

        Args:
            grant: `grant_type` and its parameters.

        Raises:
            TokenRefused: an OAuth error was answered.
            TokenEndpointUnavailable: see there.
            IssuerMismatch: discovery led to another issuer.
        """
        self._url = self._url or self._discovered()
        form, headers = dict(grant), {}
        if self._client_secret is None:
            form["client_id"] = self._client_id
        else:
            # RFC 6749 §2.3.1: id and secret are form-url-encoded before they are joined [TKN-1]
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        sent_at = self._clock()
        status, body = self._exchange.send("POST", self._url, headers=headers, form=form)
        if status != 200:
            raise self._refusal(status, body, grant)
        return _issued(body, sent_at)

    def _discovered(self) -> httpx.URL:
        issuer = self._issuer or ""
        # OpenID Connect Discovery §4.1: a terminating "/" is removed first.
        url = httpx.URL(issuer.removesuffix("/") + "/.well-known/openid-configuration")
        status, body = self._exchange.send("GET", url)
        document = _decoded(body, _Discovery) if status == 200 else None
        if document is None:
            raise TokenEndpointUnavailable(f"no discovery document at {url} (status {status})")
        if document.issuer != issuer:  # OpenID Connect Discovery §4.3: exactly
            raise IssuerMismatch(f"the document at {url} is of another issuer")
        try:
            endpoint = safe_url(document.token_endpoint, "token_endpoint")
        except ValueError as error:
            raise TokenEndpointUnavailable(f"the document at {url}: {error}") from None
        if url.scheme == "https" and endpoint.scheme != "https":
            raise TokenEndpointUnavailable(f"the document at {url} leads from https to http")
        return endpoint

    def _refusal(self, status: int, body: bytes, grant: Mapping[str, str]) -> Exception:
        refusal = _decoded(body, _Refusal) if 400 <= status < 500 else None
        if refusal is None or not refusal.error:
            return TokenEndpointUnavailable(f"{self._url} answered {status} without an OAuth error")
        # A server may echo what it was sent; such a text is not passed on.
        error, description = (
            "" if any(secret and secret in text for secret in self._secrets(grant)) else text
            for text in (refusal.error, refusal.error_description or "")
        )
        error, description = _line(error, 64), _line(description, 300)
        return TokenRefused(error or "invalid_request", description or None)

    def _secrets(self, grant: Mapping[str, str]) -> tuple[str | None, ...]:
        return self._client_secret, grant.get("refresh_token")


def _issued(body: bytes, sent_at: float) -> Issued:
    answer = _decoded(body, _Answer)
    if answer is None or answer.token_type.lower() != "bearer":  # RFC 6749 §5.1: any case
        raise TokenEndpointUnavailable("the token endpoint's answer holds no Bearer token")
    lifetime = _UNSTATED_LIFETIME if answer.expires_in is None else answer.expires_in
    if lifetime <= 0 or not _BEARER_VALUE.fullmatch(answer.access_token):
        raise TokenEndpointUnavailable("the token endpoint's answer holds no usable token")
    return Issued(answer.access_token, answer.refresh_token or None, sent_at, lifetime)


def _line(text: str, most: int) -> str:
    return _NOT_ERROR_TEXT.sub(" ", text)[:most].strip()


_T = TypeVar("_T")


def _decoded(body: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
