"""Install links: what their parameters say and which application follows [INS-1..9, INS-20..25]."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from mintgate.contract import redirects, scopes
from mintgate.contract.applications import ClientType, ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.reference_tokens import GRANTABLE_SCOPES
from mintgate.contract.translating import translatable

SYSTEM_APPLICATION_USER = "SYSTEM_APPLICATION_USER"
"""[USR-24] The built-in user that installed applications act as."""
UNNAMED = "(unnamed)"
SCOPES = scopes.PROTOCOL_SCOPES | {scopes.READ, scopes.UPDATE}
"""[SCP-21] What a link can ask for: never `sec` [SCP-3], and nothing obsolete."""


class Impersonate(enum.StrEnum):
    """[INS-5] Whose sign-ins the application may ask for."""

    NONE = "none"
    INTERNAL = "internal"
    ALL = "all"


class ServiceAccess(enum.StrEnum):
    """[INS-7]"""

    NONE = "none"
    CLIENT_CREDENTIALS = "clientCredentials"
    REFERENCE_TOKEN = "referenceToken"  # noqa: S105 - a name


E = TypeVar("E", bound=enum.StrEnum)

NO_URI = translatable("The link does not name an application: applicationUri is missing.")
UNKNOWN_VALUE = translatable("A value of the link is not one of those that are allowed.")
UNKNOWN_SCOPE = translatable("The link asks for a scope that no link can give.")
NO_REDIRECT = translatable(
    "The link must name a complete https address in redirectUri, without # in it."
)
PUBLIC_ALONE = translatable(
    "A public application must let people sign in, and has neither a secret nor service access."
)
NOTHING_TO_GRANT = translatable("A service token needs the scope read or update.")


class InstallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The nine values of an install link, in the order of EVT-5."""

    name: str
    uri: str
    client_type: ClientType
    redirect_uri: str | None
    impersonate: Impersonate
    request_secret: bool
    service_access: ServiceAccess
    reference_tokens: ReferenceTokenPolicy
    scope: str

    @property
    def service_token_scopes(self) -> tuple[str, ...]:
        """[INS-31] Those of the token that the install itself makes."""
        return tuple(name for name in GRANTABLE_SCOPES if name in self.scope.split())

    def application(
        self, id_: str, system_user: str | None, secret_hash: str | None, now: int
    ) -> TrustedApplication:
        """The record that follows from it.

        Args:
            system_user: the id of the built-in user, when there is service access.
            now: Unix seconds.
        """
        acts_as_service = self.service_access is not ServiceAccess.NONE
        return TrustedApplication(
            id=id_,
            name={"en": self.name},
            application_uri=self.uri,
            client_type=self.client_type,
            application_secret_hash=secret_hash,
            impersonate_login_url=self.redirect_uri,
            impersonate_as_internal_user_allowed=self.impersonate is not Impersonate.NONE,
            impersonate_as_community_user_allowed=self.impersonate is Impersonate.ALL,
            system_user_allowed=acts_as_service,
            system_user=system_user if acts_as_service else None,
            scope=self.scope or None,
            reference_tokens=self.reference_tokens,
            creation_time_utc=now,
        )


def application_uri_of(parameters: Mapping[str, str]) -> str:
    """[INS-20] Raises InvalidInput when the link names no application."""
    uri = parameters.get("applicationUri", "").strip()
    if not uri:
        raise InvalidInput(NO_URI)
    return uri


def install_request_of(parameters: Mapping[str, str]) -> InstallRequest:
    """The request of a link; parameters that nobody knows are ignored [INS-25].

    Raises:
        InvalidInput: with the first rule that it breaks.
    """
    uri = application_uri_of(parameters)
    secret = _flag(parameters.get("requestSecret"))
    service = _one_of(ServiceAccess, parameters.get("serviceAccess"), ServiceAccess.NONE)
    needs_secret = secret or service is not ServiceAccess.NONE
    request = InstallRequest(
        name=parameters.get("applicationName", "").strip() or UNNAMED,  # [INS-2]
        uri=uri,
        client_type=_one_of(
            ClientType,
            parameters.get("clientType"),
            ClientType.CONFIDENTIAL if needs_secret else ClientType.NONE,  # [INS-3, INS-23]
        ),
        redirect_uri=parameters.get("redirectUri"),
        impersonate=_one_of(Impersonate, parameters.get("impersonate"), Impersonate.NONE),
        request_secret=secret,
        service_access=service,
        reference_tokens=_one_of(
            ReferenceTokenPolicy, parameters.get("referenceTokens"), ReferenceTokenPolicy.NONE
        ),
        scope=_scope(parameters.get("scope", "")),
    )
    _require_valid(request)
    return request


def _require_valid(request: InstallRequest) -> None:
    uri = request.redirect_uri
    if uri is not None and (redirects.problem_of(uri, public=False) or "," in uri):  # [INS-24]
        raise InvalidInput(NO_REDIRECT)
    if request.client_type is ClientType.PUBLIC:  # [INS-21, INS-22]
        if uri is None:
            raise InvalidInput(NO_REDIRECT)
        if (
            request.impersonate is Impersonate.NONE
            or request.request_secret
            or request.service_access is not ServiceAccess.NONE
        ):
            raise InvalidInput(PUBLIC_ALONE)
    if request.service_access is ServiceAccess.REFERENCE_TOKEN and not request.service_token_scopes:
        raise InvalidInput(NOTHING_TO_GRANT)


def _one_of(kind: type[E], text: str | None, default: E) -> E:
    if text is None:
        return default
    for one in kind:
        if one.value.lower() == text.lower():
            return one
    raise InvalidInput(UNKNOWN_VALUE)


def _flag(text: str | None) -> bool:
    if text is None or text.lower() == "false":
        return False
    if text.lower() == "true":
        return True
    raise InvalidInput(UNKNOWN_VALUE)


def _scope(text: str) -> str:
    names = text.split()
    if not SCOPES.issuperset(names):
        raise InvalidInput(UNKNOWN_SCOPE)
    return " ".join(dict.fromkeys(names))
