"""What the issuer says of itself: metadata and keys (RFC 8414, OpenID Connect Discovery §3)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.instance import Instance
from mintgate.contract.scopes import OFFLINE_ACCESS, OPENID, PROFILE, READ, UPDATE
from mintgate.identity.directory import Directory, LogoutChannels
from mintgate.identity.rendering import RawJson

# Everyone may read it [EP-8], and may keep it for a while: a new key is published long before use.
PUBLIC = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}

USERINFO_CLAIMS = (
    "sub",
    "sub_id",
    "name",
    "preferred_username",
    "email",
    "email_verified",
    "locale",
    "user_type",
)
"""[UIN-5]"""


def metadata_of(instance: Instance, logout: LogoutChannels) -> dict[str, Any]:
    """The discovery document; only what this server answers [DSC-3..12]."""
    issuer = instance.issuer
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/openid-configuration/jwks",
        "authorization_endpoint": f"{issuer}/connect/authorize",
        "token_endpoint": f"{issuer}/connect/token",
        "userinfo_endpoint": f"{issuer}/connect/userinfo",
        "end_session_endpoint": f"{issuer}/connect/endsession",
        "introspection_endpoint": f"{issuer}/connect/introspect",
        "revocation_endpoint": f"{issuer}/connect/revocation",
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "scopes_supported": [OPENID, PROFILE, READ, UPDATE, OFFLINE_ACCESS],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
        ],
        "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "claims_supported": list(USERINFO_CLAIMS),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login"],
        **_logout_members(logout),
    }


def _logout_members(logout: LogoutChannels) -> dict[str, bool]:
    """[EXT-3] Only what some application uses; the `sid` is always told."""
    channels = (("backchannel", logout.back), ("frontchannel", logout.front))
    return {
        f"{channel}_logout{member}_supported": True
        for channel, is_used in channels
        if is_used
        for member in ("", "_session")
    }


class MetadataEndpoint:
    """`GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def respond(self, request: Request) -> Response:
        logout = await self._directory.logout_channels()
        return _published(request, metadata_of(self._directory.instance, logout))


class KeySetEndpoint:
    """`GET /.well-known/openid-configuration/jwks` [DSC-13]."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def respond(self, request: Request) -> Response:
        key_set = await self._directory.key_set()
        return _published(request, key_set.to_dict())


def _published(request: Request, document: dict[str, Any]) -> Response:
    """The document, or 304 for a reader that has it already (RFC 9110 §13.1.2)."""
    body = msgspec.json.encode(document)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = PUBLIC | {"ETag": tag}
    if tag in [part.strip() for part in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return RawJson(body, headers=headers)
