"""Finding the one credential of a request, and having it checked [API-1, API-2, REF-30..33]."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from mintgate.contract.errors import InvalidToken, NoCredential, SeveralCredentials
from mintgate.verify.checks import REFERENCE_TOKEN_PREFIX
from mintgate.verify.principal import Principal
from mintgate.verify.verifier import Verifier

_API_KEY_HEADERS = frozenset({b"x-api-key", b"api-key"})
_REALM = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
Headers = Iterable[tuple[bytes, bytes]]


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
    if scheme.lower() != "bearer" or not token.strip():
        raise NoCredential(cause=f"the scheme is not Bearer, or it has no token: {scheme[:16]!r}")
    return token.strip()


class Guard:
    """A verifier in front of one API; it knows headers but no framework.

    Args:
        verifier: checks the tokens.
        audience: the API's name, which is also the realm of its challenges.

    Raises:
        ValueError: an audience that would break the header which names it.
    """

    def __init__(self, verifier: Verifier, audience: str) -> None:
        if not _REALM.fullmatch(audience):
            raise ValueError("an audience is printable ASCII without quotes and backslashes")
        self.verifier = verifier
        self.audience = audience

    def check(self, headers: Headers, scopes: Collection[str] = frozenset()) -> Principal:
        """The caller behind a request. Raises a `ResourceRefusal` (see `Verifier.verify`)."""
        return self.verifier.verify(credential_of(headers), self.audience, scopes)

    async def check_async(
        self, headers: Headers, scopes: Collection[str] = frozenset()
    ) -> Principal:
        return await self.verifier.verify_async(credential_of(headers), self.audience, scopes)
