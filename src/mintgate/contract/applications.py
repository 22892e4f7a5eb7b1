"""The trusted-application record with ERP.net's attribute names (specification §4)."""

from __future__ import annotations

import enum
import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection

import msgspec

from mintgate.contract import logout_urls, redirects, scopes
from mintgate.contract.instance import API_AUDIENCES
from mintgate.contract.users import MAY_BE_SYSTEM_USER, UserType

COMMUNITY_ONLY = "only community users can sign in to it, and they can call no API [TAP-10]"


class ClientType(enum.StrEnum):
    CONFIDENTIAL = "Confidential"
    PUBLIC = "Public"
    NONE = "None"


class ReferenceTokenPolicy(enum.StrEnum):
    """Who may create reference tokens [TAP-15]."""

    NONE = "None"
    AUTHENTICATED_USERS = "AuthenticatedUsers"
    ADMINISTRATORS_ONLY = "AdministratorsOnly"


class TrustedApplication(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The registration of an application in one instance; `application_uri` is its `client_id`.

    `system_user` is the `Id` of a user. In files and OData the names are ERP.net's, in Pascal
    case (`ApplicationUri`), here Python's.
    """

    id: str
    name: dict[str, str]
    application_uri: str
    is_enabled: bool = True
    client_type: ClientType = ClientType.CONFIDENTIAL
    application_secret_hash: str | None = None
    application_secret_made_utc: int | None = None
    application_secret_end_utc: int | None = None
    """[EXT-10] Unix seconds, from when the secret is not accepted any more."""
    second_secret_hash: str | None = None
    """[EXT-10] Accepted beside the first, so that a secret can be changed without a gap."""
    second_secret_made_utc: int | None = None
    second_secret_end_utc: int | None = None
    impersonate_login_url: str | None = None
    impersonate_logout_url: str | None = None
    impersonate_as_internal_user_allowed: bool = False
    impersonate_as_community_user_allowed: bool = False
    system_user_allowed: bool = False
    system_user: str | None = None
    system_user_login_url: str | None = None
    scope: str | None = None
    audiences: str | None = None
    """[EXT-12] The declared APIs that it may call, besides the built-in ones."""
    reference_tokens: ReferenceTokenPolicy = ReferenceTokenPolicy.NONE
    basic_authentication_allowed: bool = False
    require_consent: bool = False
    """[EXT-2]"""
    back_channel_logout_url: str | None = None
    front_channel_logout_url: str | None = None
    """[EXT-3] Told at the end of a sign-in in which the application got a code."""
    creation_time_utc: int | None = None
    notes: str | None = None

    @property
    def scope_names(self) -> tuple[str, ...]:
        """The names that `Scope` lists."""
        return tuple((self.scope or "").split())

    @property
    def audience_names(self) -> tuple[str, ...]:
        """The declared APIs that `Audiences` lists [EXT-12]."""
        return tuple(self.audiences.split()) if self.audiences else ()

    @property
    def is_public(self) -> bool:
        return self.client_type is ClientType.PUBLIC

    def live_secret_hashes(self, now: float) -> tuple[str | None, str | None]:
        """What a secret is compared with at `now` (Unix seconds): the first and the second."""
        first, second = self.application_secret_hash, self.second_secret_hash
        return (
            None if _has_ended(self.application_secret_end_utc, now) else first,
            None if _has_ended(self.second_secret_end_utc, now) else second,
        )

    def allows_sign_in_of(self, user_type: UserType) -> bool:
        """The type gate of the code flow [USR-20]."""
        if user_type is UserType.INTERNAL:
            return self.impersonate_as_internal_user_allowed
        if user_type is UserType.COMMUNITY:
            return self.impersonate_as_community_user_allowed
        return False

    def allows_redirect_to(self, uri: str) -> bool:
        """Whether `uri` is one of the registered redirect URIs [AUT-2, TAP-20]."""
        return redirects.is_registered(uri, self.impersonate_login_url, public=self.is_public)

    def allows_logout_redirect_to(self, uri: str) -> bool:
        """Whether `uri` is on the logout list, which the login list never widens [TAP-24]."""
        return redirects.is_registered(uri, self.impersonate_logout_url, public=self.is_public)


def _has_ended(end: int | None, now: float) -> bool:
    return end is not None and end <= now


def problems_of(
    application: TrustedApplication,
    system_user_type: UserType | None = None,
    declared_apis: Collection[str] = (),
) -> list[tuple[str, str]]:
    """What is wrong with a record, as (attribute, sentence) pairs; empty when nothing is.

    Args:
        system_user_type: the type of the user that `SystemUser` names, None when it names none.
        declared_apis: the APIs that the instance declares, which `Audiences` may list.
    """
    found = _problems_of_name(application)
    found += _problems_of_secret(application)
    found += _problems_of_urls(application)
    found += _problems_of_logout_urls(application)
    found += _problems_of_system_user(application, system_user_type)
    unknown = [name for name in application.scope_names if name not in scopes.KNOWN_SCOPES]
    if unknown:
        known = " ".join(scopes.TOKEN_ORDER)
        found.append(("Scope", f"has an unknown scope {unknown[0]!r}; known are: {known} [TAP-14]"))
    found += _problems_of_audiences(application.audience_names, declared_apis)
    return found


def warnings_of(application: TrustedApplication) -> list[str]:
    """What is allowed and yet probably not meant [TAP-10]."""
    if (
        application.impersonate_as_community_user_allowed
        and not application.impersonate_as_internal_user_allowed
    ):
        return [COMMUNITY_ONLY]
    return []


def _problems_of_name(application: TrustedApplication) -> list[tuple[str, str]]:
    found = []
    if not any(application.name.values()):
        found.append(("Name", "must not be empty [TAP-2]"))
    if any(len(text) > 254 for text in application.name.values()):
        found.append(("Name", "must have at most 254 characters [TAP-2]"))
    uri = application.application_uri
    if not uri or any(c.isspace() or unicodedata.category(c) == "Cc" for c in uri):
        found.append(
            ("ApplicationUri", "must not be empty nor hold spaces or control characters [TAP-3]")
        )
    stores_tokens = (
        application.reference_tokens is not ReferenceTokenPolicy.NONE
        or application.impersonate_as_internal_user_allowed
        or application.impersonate_as_community_user_allowed
    )
    limit = 128 if stores_tokens else 254
    if len(uri) > limit:
        found.append(
            (
                "ApplicationUri",
                f"must have at most {limit} characters (128 when tokens are stored for it) [TAP-3]",
            )
        )
    return found


def _problems_of_secret(application: TrustedApplication) -> list[tuple[str, str]]:
    found = []
    for attribute, stored in (
        ("ApplicationSecretHash", application.application_secret_hash),
        ("SecondSecretHash", application.second_secret_hash),
    ):
        if stored is None:
            continue
        if application.is_public:
            found.append((attribute, "a Public application has no secret [TAP-6]"))
        elif not _is_digest(stored):
            sentence = "must be the base64 of a SHA-256, 44 characters [TAP-6]"
            found.append((attribute, sentence))
    return found


def _is_digest(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == 32
    except (Base64Error, ValueError):
        return False


def _problems_of_urls(application: TrustedApplication) -> list[tuple[str, str]]:
    found = []
    if len(application.system_user_login_url or "") > 254:
        found.append(("SystemUserLoginUrl", "must have at most 254 characters"))
    for attribute, comma_list in (
        ("ImpersonateLoginUrl", application.impersonate_login_url),
        ("ImpersonateLogoutUrl", application.impersonate_logout_url),
    ):
        if comma_list is not None and len(comma_list) > 500:
            found.append((attribute, "must have at most 500 characters [TAP-7]"))
        for uri in redirects.registered_uris(comma_list):
            problem = redirects.problem_of(uri, public=application.is_public)
            if problem:
                found.append((attribute, f"{uri!r} {problem} [TAP-21, TAP-22]"))
    return found


def _problems_of_audiences(
    names: tuple[str, ...], declared_apis: Collection[str]
) -> list[tuple[str, str]]:
    found = []
    if len(set(names)) < len(names):
        found.append(("Audiences", "names an API twice [EXT-12]"))
    for name in dict.fromkeys(names):
        if name in API_AUDIENCES:
            sentence = f"must not name {name}: every token for APIs is for it anyway [TOK-50]"
            found.append(("Audiences", sentence))
        elif name not in declared_apis:
            known = " ".join(sorted(set(declared_apis).difference(API_AUDIENCES)))
            allowed = f"declared are: {known}" if known else "none is declared yet"
            sentence = f"names {name!r}, which the instance does not declare; {allowed} [EXT-12]"
            found.append(("Audiences", sentence))
    return found


def _problems_of_logout_urls(application: TrustedApplication) -> list[tuple[str, str]]:
    back, front = application.back_channel_logout_url, application.front_channel_logout_url
    back_problem = logout_urls.back_channel_problem(back) if back is not None else None
    front_problem = (
        logout_urls.front_channel_problem(front, application.impersonate_login_url)
        if front is not None
        else None
    )
    return [
        (attribute, f"{url!r} {problem} [EXT-3]")
        for attribute, url, problem in (
            ("BackChannelLogoutUrl", back, back_problem),
            ("FrontChannelLogoutUrl", front, front_problem),
        )
        if problem
    ]


def _problems_of_system_user(
    application: TrustedApplication, system_user_type: UserType | None
) -> list[tuple[str, str]]:
    found = []
    if application.system_user_allowed and application.is_public:
        found.append(("SystemUserAllowed", "must be false for a Public application [TAP-11]"))
    if application.system_user_allowed and application.system_user is None:
        found.append(("SystemUser", "is needed when SystemUserAllowed is true [TAP-11]"))
    if application.system_user is not None and system_user_type not in MAY_BE_SYSTEM_USER:
        allowed = ", ".join(sorted(MAY_BE_SYSTEM_USER))
        found.append(("SystemUser", f"must be a user of type {allowed} [TAP-12, USR-12]"))
    return found
