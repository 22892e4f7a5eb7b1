"""The names of endpoints in metrics, traces and logs: few, whatever paths callers think of."""

from __future__ import annotations

from mintgate.contract.feed import STATE_FEED_PATH
from mintgate.contract.instance import (
    APP_SERVER_PATH,
    DOMAIN_API_PATH,
    ID_PATH,
    MANAGE_PATH,
    OLAP_PATH,
    PROFILE_PATH,
    TABLE_API_PATH,
)
from mintgate.contract.session_leases import SESSION_LEASE_PATH
from mintgate.gate.forward_targets import ROOT as FORWARD_AUTH_ROOT
from mintgate.identity.endpoints.authorize import (
    CHOOSER_PATH,
    CONSENT_PATH,
    RESUME_PATH,
    SIGN_IN_PATH,
)
from mintgate.identity.endpoints.end_session import PATH as END_SESSION_PATH

OTHER = "other"
FORWARD_AUTH = "forward_auth"
TOKEN = "token"  # noqa: S105 - the name of an endpoint
_IDENTITY = {
    "/connect/token": TOKEN,
    "/connect/authorize": "authorization",
    RESUME_PATH: "authorization",
    "/connect/introspect": "introspection",
    "/connect/revocation": "revocation",
    "/connect/userinfo": "userinfo",
    END_SESSION_PATH: "end_session",
    STATE_FEED_PATH: "state_feed",
    SESSION_LEASE_PATH: "session_lease",
    SIGN_IN_PATH: "sign_in",
    CHOOSER_PATH: "account_chooser",
    CONSENT_PATH: "consent",
    "/.well-known/openid-configuration": "metadata",
    "/.well-known/oauth-authorization-server": "metadata",
    "/.well-known/openid-configuration/jwks": "keys",
}
_EXACT = {
    **{ID_PATH + path: name for path, name in _IDENTITY.items()},
    "/healthz": "health",
    "/readyz": "health",
}
_BELOW = {
    FORWARD_AUTH_ROOT.strip("/"): FORWARD_AUTH,
    DOMAIN_API_PATH.strip("/"): "DomainAPI",
    TABLE_API_PATH.strip("/"): "TableAPI",
    OLAP_PATH.strip("/"): "OLAP",
    APP_SERVER_PATH.strip("/"): "AppServer",
    MANAGE_PATH.strip("/"): "management",
    PROFILE_PATH.strip("/"): "profile",
}


def endpoint_of(path: str) -> str:
    """The name of what answers at a path of `mintgate serve`."""
    return _EXACT.get(path) or _BELOW.get(path.split("/", 2)[1] if "/" in path else "", OTHER)
