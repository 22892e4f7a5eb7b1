"""The applications that come with an instance: its own sites as OIDC clients [TOP-12, PRF-2]."""

from __future__ import annotations

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.instance import MANAGE_PATH, PROFILE_PATH, Instance

PREFIX = "internal.erp.net/"
PROFILE_CLIENT = PREFIX + "profile"
MANAGE_CLIENT = PREFIX + "manage"
SIGN_IN_PATH = "/signin-oidc"
SIGN_OUT_PATH = "/signout-callback-oidc"
SCOPE = "openid profile update offline_access"
"""[TOP-12] Never `sec`: what the sites may do is decided by who they were issued to [SCP-3]."""

_KEYS = frozenset({PROFILE_CLIENT, MANAGE_CLIENT})


def is_built_in(application_uri: str) -> bool:
    """Whether this application belongs to the instance itself, in any case [TAP-3]."""
    return application_uri.casefold() in _KEYS


def applications_of(instance: Instance) -> tuple[TrustedApplication, ...]:
    """The built-in applications as they must be; their ids are empty.

    They are Public, with PKCE: they run inside the server and keep no secret from it.
    """
    profile = _site(instance, PROFILE_CLIENT, {"en": "Profile"}, PROFILE_PATH)
    manage = _site(instance, MANAGE_CLIENT, {"en": "Instance Manager"}, MANAGE_PATH)
    return profile, manage


def _site(instance: Instance, uri: str, name: dict[str, str], path: str) -> TrustedApplication:
    return TrustedApplication(
        id="",
        name=name,
        application_uri=uri,
        client_type=ClientType.PUBLIC,
        impersonate_login_url=instance.base_url + path + SIGN_IN_PATH,
        impersonate_logout_url=instance.base_url + path + SIGN_OUT_PATH,
        impersonate_as_internal_user_allowed=True,
        # A community user has a profile, and nothing to manage [IMG-1].
        impersonate_as_community_user_allowed=uri == PROFILE_CLIENT,
        scope=SCOPE,
    )
