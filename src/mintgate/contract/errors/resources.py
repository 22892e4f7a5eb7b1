"""What an API refuses (RFC 6750 §3.1), shown in `WWW-Authenticate`."""

from __future__ import annotations

import re
from typing import ClassVar

from mintgate.contract.errors.protocol import Refusal

# RFC 6750 §3: what `error_description` must not have; a quote would end it.
_UNFIT = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


class ResourceRefusal(Refusal):
    """A refusal by an API (RFC 6750 §3.1), shown in `WWW-Authenticate`."""

    status = 401
    also: tuple[str, ...] = ()
    """Schemes that are offered besides that of the challenge [LEG-5, LEG-8]."""

    def challenges(self, realm: str) -> list[str]:
        """Every `WWW-Authenticate` value, each for a header of its own (RFC 9110 §11.6.1)."""
        first = self.challenge(realm)
        others = [f'{scheme} realm="{realm}"' for scheme in self.also]
        return [first, *others] if first is not None else others

    def challenge(self, realm: str) -> str | None:
        """The `WWW-Authenticate` value for `realm` (the audience name) [API-1]; None for none."""
        described = _UNFIT.sub("'", self.description)
        return f'Bearer realm="{realm}", error="{self.error}", error_description="{described}"'

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer has besides the challenge, such as `Retry-After`."""
        return []


class NoCredential(ResourceRefusal):
    """No token was sent: the challenge has no `error` attribute [API-1]."""

    error = "invalid_token"
    sentence = "This API needs an access token."

    def challenge(self, realm: str) -> str:
        return f'Bearer realm="{realm}"'


class BadPassword(ResourceRefusal):
    """A legacy caller who is not let in; every cause looks the same to the caller [LEG-5]."""

    error = "invalid_credentials"
    sentence = "The user name, the password or the application is not accepted."

    def challenge(self, realm: str) -> str:
        return f'Basic realm="{realm}"'


class SeveralCredentials(ResourceRefusal):
    error = "invalid_request"
    status = 400
    sentence = "Send exactly one credential."


class InvalidToken(ResourceRefusal):
    error = "invalid_token"
    sentence = "The access token is not valid."


class InsufficientScope(ResourceRefusal):
    """The token is good but its scopes do not cover the operation [API-15].

    Args:
        needed: the scope to ask for, as it appears in the challenge.
    """

    error = "insufficient_scope"
    status = 403
    sentence = "The access token lacks a scope that this operation needs."

    def __init__(
        self, description: str | None = None, *, needed: str, cause: str | None = None
    ) -> None:
        super().__init__(description, cause=cause)
        self.needed = needed

    def challenge(self, realm: str) -> str:
        return f'Bearer realm="{realm}", error="{self.error}", scope="{self.needed}"'


class Forbidden(ResourceRefusal):
    """The caller is known and the operation is not allowed to it: no `error` attribute [API-18]."""

    error = "forbidden"
    status = 403
    sentence = "This operation is not allowed to the caller."

    def challenge(self, realm: str) -> str:
        return f'Bearer realm="{realm}"'


class InsufficientUserAuthentication(ResourceRefusal):
    """The token is good but the person signed in too long ago (RFC 9470 §3).

    Args:
        max_age: how long ago it may have been, seconds; for the next authorization request.
    """

    error = "insufficient_user_authentication"

    def __init__(self, *, max_age: int, cause: str | None = None) -> None:
        super().__init__(
            "The sign-in is too long ago for this. "
            f"Ask for a token with max_age={max_age} or prompt=login.",
            cause=cause,
        )
        self.max_age = max_age

    def challenge(self, realm: str) -> str:
        return f'{super().challenge(realm)}, max_age="{self.max_age}"'


class AmbiguousRequest(ResourceRefusal):
    """A request that two servers in a row could take for two different ones."""

    error = "invalid_request"
    status = 400
    sentence = "The request's target is ambiguous."


class MethodNotAllowed(ResourceRefusal):
    """The API does not know the method [API-15].

    Args:
        allowed: the methods that it knows, for `Allow` (RFC 9110 §10.2.1).
    """

    error = "method_not_allowed"
    status = 405
    sentence = "This API does not have this method."

    def __init__(self, allowed: tuple[str, ...], *, cause: str | None = None) -> None:
        super().__init__(cause=cause)
        self.allowed = allowed

    def challenge(self, realm: str) -> None:
        return None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"allow", ", ".join(self.allowed).encode())]


class NoFreeSlot(ResourceRefusal):
    """All licence slots are taken; the token stays valid [SES-33, SES-34]."""

    error = "MaximumLicenseCountExceeded"
    status = 503
    sentence = "All licence slots are taken. Try again when somebody has finished."
    retry_after: ClassVar[int] = 60

    def challenge(self, realm: str) -> None:
        return None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"retry-after", str(self.retry_after).encode())]


class TooManyRequests(ResourceRefusal):
    """A limit is used up: of requests per minute, or of requests at once [API-54].

    Args:
        retry_after: seconds until it is worth trying again.
        limits: the `RateLimit` headers that tell which limit it was; for requests per minute.
    """

    error = "too_many_requests"
    status = 429
    sentence = "Too many requests. Wait, and then go on more slowly."

    def __init__(
        self,
        description: str | None = None,
        *,
        retry_after: int,
        limits: tuple[tuple[bytes, bytes], ...] = (),
        cause: str | None = None,
    ) -> None:
        super().__init__(description, cause=cause)
        self.retry_after = retry_after
        self.limits = limits

    def challenge(self, realm: str) -> None:
        return None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"retry-after", str(self.retry_after).encode()), *self.limits]
