"""Calling an API: obtains access tokens, renews them in time, and sends them with httpx."""

from mintgate.client.auth import ClientCredentialsAuth, RefreshTokenAuth
from mintgate.client.bearer import BearerAuth
from mintgate.client.errors import (
    IssuerMismatch,
    RotationNotStored,
    TokenEndpointUnavailable,
    TokenError,
    TokenRefused,
)

__all__ = [
    "BearerAuth",
    "ClientCredentialsAuth",
    "IssuerMismatch",
    "RefreshTokenAuth",
    "RotationNotStored",
    "TokenEndpointUnavailable",
    "TokenError",
    "TokenRefused",
]
