"""What a request's headers say that a guard has to know."""

from __future__ import annotations

from collections.abc import Iterable

from mintgate.contract.errors import InvalidToken, NoCredential, SeveralCredentials
from mintgate.verify.checks import REFERENCE_TOKEN_PREFIX

Headers = Iterable[tuple[bytes, bytes]]
_API_KEY_HEADERS = frozenset({b"x-api-key", b"api-key"})
UNJUDGED = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"cookie",
        b"date",
        b"dnt",
        b"forwarded",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-unmodified-since",
        b"odata-maxversion",
        b"odata-version",
        b"pragma",
        b"prefer",
        b"priority",
        b"range",
        b"referer",
        b"sec-ch-ua",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-user",
        b"te",
        b"traceparent",
        b"tracestate",
        b"upgrade-insecure-requests",
        b"user-agent",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-request-id",
        b"x-requested-with",
    }
)
"""Common headers that no check of a guard looks at."""


def that_are_judged(headers: Headers) -> list[tuple[bytes, bytes]]:
    """All but `UNJUDGED`: what is left is short, so that each check may go through it by itself."""
    return [pair for pair in headers if pair[0] not in UNJUDGED]


def credential_of(headers: Headers) -> str:
    """The one token of a request, from its headers (lower-case names, as ASGI gives them).

    A token in the URL or the body is not looked at [API-21, REF-33].

    Raises:
        NoCredential, SeveralCredentials, InvalidToken: see API-1, API-2, REF-31, REF-32.
    """
    authorization: bytes | None = None
    api_key: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None or api_key is not None:
                raise SeveralCredentials
            authorization = value
        elif name in _API_KEY_HEADERS:
            if authorization is not None or api_key is not None:
                raise SeveralCredentials
            api_key = value
    if api_key is not None:
        token = api_key.decode("latin-1").strip()
        if not token.startswith(REFERENCE_TOKEN_PREFIX):
            raise InvalidToken("An API-key header takes reference tokens only.")
        return token
    if authorization is None:
        raise NoCredential
    scheme, _, token = authorization.decode("latin-1").strip().partition(" ")
    token = token.strip()
    if not token or scheme.lower() != "bearer":
        # One word alone may be a token whose scheme was forgotten, which no log may have.
        seen = repr(scheme[:16]) if token else "one word"
        raise NoCredential(cause=f"the scheme is not Bearer, or it has no token: {seen}")
    return token


def upgrades(headers: Headers) -> bool:
    """Whether the connection is to become a WebSocket (RFC 6455 §4.1)."""
    upgrade = [value for name, value in headers if name == b"upgrade"]
    return bool(upgrade) and b"websocket" in b",".join(upgrade).lower()


def asks_for_cross_origin(headers: Headers) -> bool:
    """Whether a browser asks by `OPTIONS` what a page may send [API-25]."""
    names = {name for name, _ in headers}
    return b"origin" in names and b"access-control-request-method" in names
