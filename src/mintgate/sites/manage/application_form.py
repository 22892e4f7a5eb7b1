"""The form of a trusted application: only what goes together can be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mintgate.contract.applications import (
    ClientType,
    ReferenceTokenPolicy,
    TrustedApplication,
)
from mintgate.contract.redirects import registered_uris
from mintgate.contract.scopes import READ, SEC, UPDATE
from mintgate.contract.translating import translatable
from mintgate.sites.languages import LANGUAGES

OFFERED_SCOPES = (READ, UPDATE, SEC)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a new application is, and what follows from it.

    Args:
        defaults: of the fields of the form.
        signs_in: whether the form asks where people come back to.
        is_service: whether it asks for a system user.
    """

    key: str
    title: str
    text: str
    icon: str
    client_type: ClientType
    defaults: Mapping[str, str]
    signs_in: bool = False
    is_service: bool = False


KINDS = (
    Kind(
        key="web",
        title=translatable("A web application with a server"),
        text=translatable("People sign in; its server keeps a secret."),
        icon="shield",
        client_type=ClientType.CONFIDENTIAL,
        defaults={"internal": "on", "scope_read": "on"},
        signs_in=True,
    ),
    Kind(
        key="browser",
        title=translatable("An app in the browser, on a phone or a desktop"),
        text=translatable("People sign in; nothing in it can be kept secret, so PKCE protects it."),
        icon="device",
        client_type=ClientType.PUBLIC,
        defaults={"internal": "on", "scope_read": "on"},
        signs_in=True,
    ),
    Kind(
        key="service",
        title=translatable("A service without people"),
        text=translatable("It gets tokens with its secret and acts as a system user."),
        icon="settings",
        client_type=ClientType.CONFIDENTIAL,
        defaults={"service": "on", "scope_read": "on"},
        is_service=True,
    ),
    Kind(
        key="tokens",
        title=translatable("A tool that takes a token"),
        text=translatable("People make a personal token in Profile and paste it, as into Excel."),
        icon="token",
        client_type=ClientType.NONE,
        defaults={"reference_tokens": "AuthenticatedUsers", "scope_read": "on"},
    ),
)

POLICIES = (
    (ReferenceTokenPolicy.NONE.value, translatable("Nobody")),
    (ReferenceTokenPolicy.AUTHENTICATED_USERS.value, translatable("Everybody for themselves")),
    (ReferenceTokenPolicy.ADMINISTRATORS_ONLY.value, translatable("Administrators only")),
)
FIELDS = {
    "Name": "name",
    "ApplicationUri": "uri",
    "ImpersonateLoginUrl": "login_urls",
    "ImpersonateLogoutUrl": "logout_urls",
    "SystemUser": "system_user",
    "SystemUserAllowed": "service",
    "Scope": "scope",
    "Audiences": "audiences",
    "BackChannelLogoutUrl": "back_channel",
    "FrontChannelLogoutUrl": "front_channel",
    "Notes": "notes",
}
"""Where the problems of an attribute are shown."""
KEPT_FIELDS = (
    "etag",
    "kind",
    "client_type",
    "uri",
    *(f"name_{code}" for code in LANGUAGES),
    "internal",
    "community",
    "login_urls",
    "logout_urls",
    "consent",
    "back_channel",
    "front_channel",
    "service",
    "system_user",
    *(f"scope_{name}" for name in OFFERED_SCOPES),
    "scope_more",
    "audience_*",
    "reference_tokens",
    "basic",
    "notes",
)
"""All of the form, see `Door.page`: what were not there again, Save would take away."""


def kind_of(key: str | None) -> Kind | None:
    return next((kind for kind in KINDS if kind.key == key), None)


def kind_of_type(client_type: ClientType) -> Kind:
    """What the form of a stored application asks for."""
    found = next(kind for kind in KINDS if kind.client_type is client_type)
    return msgspec.structs.replace(found, is_service=client_type is ClientType.CONFIDENTIAL)


def fields_of(application: TrustedApplication, system_user: str | None) -> dict[str, str]:
    """What the form shows of a record; `system_user` is a login."""
    flags = {
        "internal": application.impersonate_as_internal_user_allowed,
        "community": application.impersonate_as_community_user_allowed,
        "service": application.system_user_allowed,
        "basic": application.basic_authentication_allowed,
        "consent": application.require_consent,
    }
    names = application.scope_names
    fields = {
        "uri": application.application_uri,
        "login_urls": _lines(application.impersonate_login_url),
        "logout_urls": _lines(application.impersonate_logout_url),
        "system_user": system_user or "",
        "scope_more": " ".join(name for name in names if name not in OFFERED_SCOPES),
        "reference_tokens": application.reference_tokens.value,
        "back_channel": application.back_channel_logout_url or "",
        "front_channel": application.front_channel_logout_url or "",
        "notes": application.notes or "",
    }
    fields |= {f"name_{code}": application.name.get(code, "") for code in LANGUAGES}
    fields |= {f"scope_{name}": "on" for name in OFFERED_SCOPES if name in names}
    fields |= {f"audience_{name}": "on" for name in application.audience_names}
    return fields | {name: "on" for name, is_on in flags.items() if is_on}


def values_of(form: Mapping[str, str], kind: Kind, declared_apis: Iterable[str]) -> dict[str, Any]:
    """The attributes that a form says; what its kind cannot have is off.

    Args:
        declared_apis: those that it may have offered.
    """
    signs_in, is_service = kind.signs_in, kind.is_service
    scopes = [name for name in OFFERED_SCOPES if f"scope_{name}" in form]
    audiences = [name for name in sorted(declared_apis) if f"audience_{name}" in form]
    return {
        "application_uri": form.get("uri", "").strip(),
        "client_type": kind.client_type,
        "impersonate_login_url": _list(form.get("login_urls")) if signs_in else None,
        "impersonate_logout_url": _list(form.get("logout_urls")) if signs_in else None,
        "impersonate_as_internal_user_allowed": signs_in and "internal" in form,
        "impersonate_as_community_user_allowed": signs_in and "community" in form,
        "require_consent": signs_in and "consent" in form,
        "back_channel_logout_url": form.get("back_channel") if signs_in else None,
        "front_channel_logout_url": form.get("front_channel") if signs_in else None,
        "system_user_allowed": is_service and "service" in form,
        "system_user": (form.get("system_user") or "").strip() or None if is_service else None,
        "scope": " ".join([*scopes, *form.get("scope_more", "").split()]) or None,
        "audiences": " ".join(audiences) or None,
        "reference_tokens": _policy(form.get("reference_tokens")),
        "basic_authentication_allowed": "basic" in form,
        "notes": form.get("notes"),
    }


def names_of(form: Mapping[str, str]) -> dict[str, str | None]:
    """The name by language; None takes one away."""
    return {code: form.get(f"name_{code}", "").strip() or None for code in LANGUAGES}


def missing_of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the record may be without, and yet nobody who fills in the form means [TAP-40..43]."""
    found = []
    signs_in = (
        values["impersonate_as_internal_user_allowed"]
        or values["impersonate_as_community_user_allowed"]
    )
    if signs_in and not values["impersonate_login_url"]:
        sentence = translatable("must not be empty")
        found.append(("ImpersonateLoginUrl", sentence))
    if values["system_user_allowed"] and not values["scope"]:
        found.append(("Scope", translatable("has nothing that a service could be granted")))
    return found


def _policy(text: str | None) -> ReferenceTokenPolicy:
    known = {policy.value: policy for policy in ReferenceTokenPolicy}
    return known.get(text or "", ReferenceTokenPolicy.NONE)


def _lines(comma_list: str | None) -> str:
    return "\n".join(registered_uris(comma_list))


def _list(lines: str | None) -> str | None:
    entries = [entry for line in (lines or "").splitlines() for entry in registered_uris(line)]
    return ",".join(entries) or None
