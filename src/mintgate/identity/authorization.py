"""The rules of an authorization request, in the order that decides which error wins (§3.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from mintgate.contract import scopes
from mintgate.contract.acr import reachable_at
from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.claims_request import RequestedClaims
from mintgate.contract.errors import (
    InvalidRedirectUri,
    InvalidRequest,
    Refusal,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from mintgate.contract.instance import Instance
from mintgate.identity.expected_user import VOID_HINT, ExpectedUser
from mintgate.identity.sign_in_parameters import (
    claims_of,
    languages_of,
    max_age_of,
    prompts_of,
    provider_of,
)

ResponseMode = Literal["query", "fragment", "form_post"]
_MODES: dict[str, ResponseMode] = {
    "query": "query",
    "fragment": "fragment",
    "form_post": "form_post",
}
# RFC 7636 §4.2: the base64url of a SHA-256 has exactly 43 characters [AUT-8].
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
KNOWN_PARAMETERS = frozenset(
    {
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "state",
        "nonce",
        "prompt",
        "max_age",
        "login_hint",
        "id_token_hint",
        "claims",
        "acr_values",
        "ui_locales",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    }
)
MAX_REQUEST_CHARACTERS = 16 * 1024
"""Of all known parameters together: it is kept while a person signs in."""


class ReturnAddress(msgspec.Struct, frozen=True):
    """Where an answer to the application goes, and how."""

    redirect_uri: str
    mode: ResponseMode
    state: str | None


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that passed every check that needs no person.

    Args:
        with_id_token: whether the answer itself carries an ID token (`code id_token`).
        max_age: seconds.
        claims: what `claims` and `acr_values` ask for together [EXT-15].
        expected: whom `id_token_hint` and the wished `sub` allow to answer.
        ui_locales: language tags, best first [AUT-11].
        provider: of `acr_values=idp:<name>`; ignored while there is none of that name [AUT-11].
    """

    application: TrustedApplication
    return_address: ReturnAddress
    with_id_token: bool
    scopes: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    prompts: frozenset[str]
    max_age: int | None
    login_hint: str | None
    claims: RequestedClaims
    expected: ExpectedUser
    ui_locales: tuple[str, ...]
    provider: str | None

    @property
    def likely_login(self) -> str:
        """What the sign-in form starts with."""
        return self.login_hint or self.expected.hinted_login or ""


class PageRefusal(Exception):
    """A refusal that must not be sent to the redirect URI: it becomes a page [AUT-20..23]."""

    def __init__(self, refusal: Refusal, status: int = 400) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.status = status


class ReturnedRefusal(Exception):
    """A refusal that goes back to the application by its redirect URI [AUT-24..37, AUT-49]."""

    def __init__(self, refusal: Refusal, return_address: ReturnAddress) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.return_address = return_address


def validate(
    parameters: Mapping[str, str], application: TrustedApplication | None, instance: Instance
) -> AuthorizationRequest:
    """Check a request; the first failure wins.

    Args:
        application: the one that `client_id` names, None when there is none.

    Raises:
        PageRefusal: client or redirect URI are not to be trusted.
        ReturnedRefusal: everything else.
    """
    if sum(map(len, parameters.values())) > MAX_REQUEST_CHARACTERS:
        raise PageRefusal(InvalidRequest("The request is too long."))
    application, redirect_uri = _require_return_address(parameters, application)
    with_id_token = _asks_for_id_token(parameters)
    address = ReturnAddress(
        redirect_uri, _answer_mode(parameters, with_id_token), parameters.get("state")
    )
    try:
        _require_response_type(parameters, with_id_token)
        _require_response_mode(parameters, with_id_token)
        _refuse_request_objects(parameters)
        _require_flag(application)
        challenge = _challenge(parameters, application)
        granted = _scopes(parameters, application, instance)
        if with_id_token:
            _require_id_token_parameters(parameters, granted)
        prompts = prompts_of(parameters)
        max_age = max_age_of(parameters)
        claims = claims_of(parameters, granted, reachable_at(instance))
        if parameters.get(VOID_HINT):
            raise InvalidRequest("The id_token_hint is not an ID token of this application.")
    except Refusal as refusal:
        raise ReturnedRefusal(refusal, address) from refusal
    return AuthorizationRequest(
        application=application,
        return_address=address,
        with_id_token=with_id_token,
        scopes=granted,
        code_challenge=challenge,
        nonce=parameters.get("nonce"),
        prompts=prompts,
        max_age=max_age,
        login_hint=parameters.get("login_hint"),
        claims=claims,
        expected=ExpectedUser.of(parameters, claims.subjects),
        ui_locales=languages_of(parameters),
        provider=provider_of(parameters),
    )


def _require_return_address(
    parameters: Mapping[str, str], application: TrustedApplication | None
) -> tuple[TrustedApplication, str]:
    if "client_id" not in parameters:
        raise PageRefusal(InvalidRequest("The parameter client_id is missing."))  # [AUT-20]
    if (
        application is None
        or not application.is_enabled
        or application.client_type is ClientType.NONE
    ):
        raise PageRefusal(  # [AUT-21]
            UnauthorizedClient("This application is not registered here, or it is disabled.")
        )
    redirect_uri = parameters.get("redirect_uri")
    if redirect_uri is None:
        raise PageRefusal(InvalidRequest("The parameter redirect_uri is missing."))  # [AUT-22]
    if not application.allows_redirect_to(redirect_uri):
        raise PageRefusal(InvalidRedirectUri())  # [AUT-23]
    return application, redirect_uri


def _asks_for_id_token(parameters: Mapping[str, str]) -> bool:
    # OAuth 2.0 Multiple Response Types §3: the order of the words means nothing [AUT-3].
    return sorted(parameters.get("response_type", "").split(" ")) == ["code", "id_token"]


def _answer_mode(parameters: Mapping[str, str], with_id_token: bool) -> ResponseMode:
    """The mode of every answer to the request, also of errors found before it is checked."""
    asked = _MODES.get(parameters.get("response_mode", ""))
    if with_id_token:
        # [AUT-7] A token never goes into a query, where logs and referrers keep it.
        return asked if asked is not None and asked != "query" else "fragment"
    return asked or "query"


def _require_response_type(parameters: Mapping[str, str], with_id_token: bool) -> None:
    response_type = parameters.get("response_type")
    if response_type is None:
        raise InvalidRequest("The parameter response_type is missing.")
    if response_type != "code" and not with_id_token:
        raise UnsupportedResponseType


def _require_response_mode(parameters: Mapping[str, str], with_id_token: bool) -> None:
    asked = parameters.get("response_mode")
    if asked is None:
        return
    if asked not in _MODES:
        raise InvalidRequest("The response_mode must be query, fragment or form_post.")
    if with_id_token and asked == "query":  # [AUT-7]
        raise InvalidRequest("With id_token the response_mode must be fragment or form_post.")


def _refuse_request_objects(parameters: Mapping[str, str]) -> None:
    if "request" in parameters:
        raise RequestNotSupported
    if "request_uri" in parameters:
        raise RequestUriNotSupported


def _require_flag(application: TrustedApplication) -> None:
    if not (
        application.impersonate_as_internal_user_allowed
        or application.impersonate_as_community_user_allowed
    ):
        raise UnauthorizedClient(cause="neither impersonation flag is on")  # [AUT-26]


def _challenge(parameters: Mapping[str, str], application: TrustedApplication) -> str | None:
    challenge = parameters.get("code_challenge")
    method = parameters.get("code_challenge_method")
    if challenge is None:
        if application.is_public or method is not None:
            raise InvalidRequest("Send a code_challenge (PKCE, RFC 7636).")  # [AUT-27]
        return None
    if method != "S256":
        raise InvalidRequest("The code_challenge_method must be S256.")  # [AUT-28]
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The code_challenge must have 43 base64url characters.")
    return challenge


def _scopes(
    parameters: Mapping[str, str], application: TrustedApplication, instance: Instance
) -> tuple[str, ...]:
    granted = scopes.for_authorization(parameters.get("scope"), application.scope_names)
    if application.is_public and not instance.public_refresh_tokens:  # [LIF-5]
        granted = tuple(name for name in granted if name != scopes.OFFLINE_ACCESS)
    return scopes.something_of(granted)


def _require_id_token_parameters(parameters: Mapping[str, str], granted: tuple[str, ...]) -> None:
    """[AUT-30] OpenID Connect Core §3.3.2.1, §3.3.2.11."""
    if scopes.OPENID not in granted:
        raise InvalidRequest("The response_type id_token needs the scope openid.")
    if "nonce" not in parameters:
        raise InvalidRequest("The response_type id_token needs a nonce.")
