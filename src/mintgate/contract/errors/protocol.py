"""What the identity service refuses (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6)."""

from __future__ import annotations

import functools
from typing import ClassVar

from mintgate.contract.request_ids import new_refusal_id
from mintgate.contract.translating import translatable


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
        return new_refusal_id()


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
    sentence = translatable("The service is busy or its database is away. Try again in a moment.")
    retry_after: ClassVar[int] = 5


class ClientMustWait(Refusal):
    """Too many wrong secrets were given for a client: 429, so that nobody throws a good one away.

    RFC 6749 §5.2 has no error for it, and `invalid_client` would say that the secret was looked
    at; `temporarily_unavailable` is that of §4.1.2.1 for "try later".

    Args:
        retry_after: seconds.
    """

    error = "temporarily_unavailable"
    status = 429
    sentence = "Too many wrong secrets were given. Wait before the next request."

    def __init__(
        self, description: str | None = None, *, retry_after: int, cause: str | None = None
    ) -> None:
        super().__init__(description, cause=cause)
        self.retry_after = retry_after


class UnknownGate(Refusal):
    """A server in front asks for a decision and does not prove that it may, or asks wrongly.

    Not 401: the client has done nothing wrong, and must not take it for its own credential.
    """

    error = "server_error"
    status = 500
    sentence = "The server in front of this API is not set up to ask the gate. Tell its operator."
