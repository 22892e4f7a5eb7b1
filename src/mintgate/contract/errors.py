"""Every refusal of the protocol, listed once.

A refusal has what the caller may know (`error`, `description`, `status`) and what only the audit
log may know (`cause`). Rooms raise these; each protocol has one renderer (RFC 6749 §5.2, RFC 6750
§3.1, OpenID Connect Core §3.1.2.6).
"""

from __future__ import annotations

import functools
import secrets
from typing import ClassVar


class Refusal(Exception):
    """A request that the protocol refuses.

    Args:
        description: a sentence for the caller; never holds a secret or raw input [EP-5].
        cause: the full reason, for the audit log only.
    """

    error: ClassVar[str] = "server_error"
    status: int = 400
    sentence: ClassVar[str] = "The request was refused."

    def __init__(self, description: str | None = None, *, cause: str | None = None) -> None:
        self.description = description or self.sentence
        self.cause = cause or self.description
        super().__init__(f"{self.error}: {self.cause}")

    @functools.cached_property
    def id(self) -> str:
        """By which the caller and the audit log name this very refusal."""
        return secrets.token_hex(8)


class InvalidRequest(Refusal):
    error = "invalid_request"
    sentence = "The request is malformed."


class InvalidClient(Refusal):
    """Args: `basic` is true when HTTP Basic was used, which is answered with 401 [TKN-33]."""

    error = "invalid_client"
    sentence = "Client authentication failed."

    def __init__(
        self, description: str | None = None, *, cause: str | None = None, basic: bool = False
    ) -> None:
        super().__init__(description, cause=cause)
        if basic:
            self.status = 401


class InvalidGrant(Refusal):
    error = "invalid_grant"
    sentence = "The authorization code or refresh token is not valid."


class UnauthorizedClient(Refusal):
    error = "unauthorized_client"
    sentence = "This application may not use this flow."


class UnsupportedGrantType(Refusal):
    error = "unsupported_grant_type"
    sentence = "The grant type is not supported."


class InvalidScope(Refusal):
    error = "invalid_scope"
    sentence = "A requested scope is unknown or not allowed to this application."


class UnsupportedResponseType(Refusal):
    error = "unsupported_response_type"
    sentence = "The response type is not supported; use 'code' or 'code id_token'."


class InvalidRedirectUri(Refusal):
    error = "invalid_redirect_uri"
    sentence = "The redirect URI is not registered for this application."


class AccessDenied(Refusal):
    error = "access_denied"
    sentence = "Access was denied."


class LoginRequired(Refusal):
    error = "login_required"
    sentence = "The user must sign in."


class ConsentRequired(Refusal):
    error = "consent_required"
    sentence = "The user must give consent."


class UnmetAuthenticationRequirements(Refusal):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""

    error = "unmet_authentication_requirements"
    sentence = "No way to sign in here meets what the application requires (acr)."


class RequestNotSupported(Refusal):
    error = "request_not_supported"
    sentence = "The 'request' parameter is not supported."


class RequestUriNotSupported(Refusal):
    error = "request_uri_not_supported"
    sentence = "The 'request_uri' parameter is not supported."


class PositionGone(Refusal):
    """A position of the state feed after which not everything is kept any more."""

    error = "position_gone"
    status = 410
    sentence = "Not everything after this position is kept. Begin anew, without a position."


class ServerError(Refusal):
    error = "server_error"
    status = 500
    sentence = "The server could not finish the request. Try again."


class TemporarilyUnavailable(Refusal):
    """Answered with 503 and `Retry-After`; nothing half-done remains."""

    error = "temporarily_unavailable"
    status = 503
    sentence = "The service is busy or its database is away. Try again in a moment."
    retry_after: ClassVar[int] = 5


class UnknownGate(Refusal):
    """A server in front asks for a decision and does not prove that it may, or asks wrongly.

    Not 401: the client has done nothing wrong, and must not take it for its own credential.
    """

    error = "server_error"
    status = 500
    sentence = "The server in front of this API is not set up to ask the gate. Tell its operator."


class ResourceRefusal(Refusal):
    """A refusal by an API (RFC 6750 §3.1), shown in `WWW-Authenticate`."""

    status = 401

    def challenge(self, realm: str) -> str | None:
        """The `WWW-Authenticate` value for `realm` (the audience name) [API-1]; None for none."""
        return (
            f'Bearer realm="{realm}", error="{self.error}", error_description="{self.description}"'
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer has besides the challenge, such as `Retry-After`."""
        return []


class NoCredential(ResourceRefusal):
    """No token was sent: the challenge has no `error` attribute [API-1]."""

    error = "invalid_token"
    sentence = "This API needs an access token."

    def challenge(self, realm: str) -> str:
        return f'Bearer realm="{realm}"'


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
    """A rate limit is used up [API-54].

    Args:
        retry_after: seconds until it is worth trying again.
        limits: the `RateLimit` headers that tell which limit it was.
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


class BatchNotTaken(ResourceRefusal):
    """A batch at a place that does not see bodies, so that its parts cannot be judged [API-32]."""

    error = "not_implemented"
    status = 501
    sentence = (
        "A $batch cannot be checked here. Send its requests one by one, or have its path routed "
        "through `mintgate gate`, which takes it apart."
    )

    def challenge(self, realm: str) -> None:
        return None
