"""Why there is no access token to send. No text of these holds a secret or a token."""

from __future__ import annotations

import copy
from typing import Self


class TokenError(Exception):
    """No usable access token could be had; the API request was not sent, or its retry was not."""

    def again(self) -> Self:
        """A copy without traceback: one failed renewal is raised to every request that waited."""
        return copy.copy(self)


class TokenRefused(TokenError):
    """The token endpoint answered with an OAuth error (RFC 6749 §5.2).

    Args:
        error: the code, such as `invalid_client` or `invalid_grant`.
        description: the server's sentence, when it sent one.
    """

    def __init__(self, error: str, description: str | None = None) -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description

    def __str__(self) -> str:
        return f"{self.error}: {self.description}" if self.description else self.error


class TokenEndpointUnavailable(TokenError):
    """The network failed, or the answer was a 5xx, a 429 or nothing that RFC 6749 knows.

    Args:
        reason: what happened, for a log.
        retry_after: seconds that the server asked to wait (RFC 9110 §10.2.3), when it did.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason, retry_after)
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.reason


class IssuerMismatch(TokenError):
    """The discovery document belongs to another issuer (OpenID Connect Discovery §4.3)."""


class RotationNotStored(TokenError):
    """`on_rotate` raised. The new refresh token is kept in memory and offered again at the next
    request; until it is stored no request is sent, since a restart would lose the sign-in.

    Args:
        reason: what `on_rotate` raised. Not chained: its text may hold the token.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"on_rotate raised {type(self.reason).__name__} (see .reason)"

    def __repr__(self) -> str:
        return f"RotationNotStored({type(self.reason).__name__})"
