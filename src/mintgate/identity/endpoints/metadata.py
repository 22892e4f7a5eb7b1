"""What the issuer says of itself: metadata and keys (RFC 8414, OpenID Connect Discovery §3)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract import acr
from mintgate.contract.claims import PROFILE_CLAIMS
from mintgate.contract.errors import TemporarilyUnavailable
from mintgate.contract.feed import STATE_FEED_MEMBER, STATE_FEED_PATH
from mintgate.contract.instance import Instance
from mintgate.contract.scopes import OFFLINE_ACCESS, OPENID, PROFILE, READ, UPDATE
from mintgate.contract.session_leases import SESSION_LEASE_MEMBER, SESSION_LEASE_PATH
from mintgate.identity.application_facts import LogoutChannels
from mintgate.identity.directory import Directory
from mintgate.identity.rendering import RawJson, oauth_error
from mintgate.store import DatabaseUnavailable

# Everyone may read it [EP-8], and may keep it for a while: a new key is published long before use.
EVERYONE = {"Access-Control-Allow-Origin": "*"}
PUBLIC = EVERYONE | {"Cache-Control": "public, max-age=300"}

PROMPTS = ["none", "login", "select_account"]
"""And `consent` where some application has people asked [EXT-2]; elsewhere it asks nothing."""


def metadata_of(instance: Instance, logout: LogoutChannels) -> dict[str, Any]:
    """The discovery document; only what this server answers [DSC-3..12].

    The signing algorithms are those of the keys, which the endpoint adds.
    """
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
        # Ours, not registered names (RFC 8414 §2 allows more members): for verifiers and guards.
        STATE_FEED_MEMBER: f"{issuer}{STATE_FEED_PATH}",
        SESSION_LEASE_MEMBER: f"{issuer}{SESSION_LEASE_PATH}",
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types_supported": ["code", "code id_token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "scopes_supported": [OPENID, PROFILE, READ, UPDATE, OFFLINE_ACCESS],
        "subject_types_supported": ["public"],
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
        "claims_supported": ["sub", *PROFILE_CLAIMS, "acr"],
        "claims_parameter_supported": True,
        "acr_values_supported": list(acr.reachable_at(instance)),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": PROMPTS,
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
        try:
            keys = await self._directory.key_set()
        except TemporarilyUnavailable as refusal:
            return _refused(refusal)
        # [EXT-6] Those of every living key, as its tokens are still about; overrides DSC-9.
        algorithms = list(dict.fromkeys(key.algorithm for key in keys))
        logout = await self._directory.logout_channels()
        document = metadata_of(self._directory.instance, logout)
        document["id_token_signing_alg_values_supported"] = algorithms
        document["introspection_signing_alg_values_supported"] = algorithms  # RFC 9701 §7
        if await self._asks_for_consent():
            document["prompt_values_supported"] = [*PROMPTS, "consent"]
        return _published(request, document)

    async def _asks_for_consent(self) -> bool:
        try:
            return await self._directory.asks_for_consent()
        except DatabaseUnavailable:
            return False  # metadata and keys are there while the database is away


class KeySetEndpoint:
    """`GET /.well-known/openid-configuration/jwks` [DSC-13]."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def respond(self, request: Request) -> Response:
        try:
            key_set = await self._directory.key_set()
        except TemporarilyUnavailable as refusal:
            return _refused(refusal)
        return _published(request, key_set.to_dict())


def _refused(refusal: TemporarilyUnavailable) -> Response:
    response = oauth_error(refusal)
    response.headers.update(EVERYONE)  # [API-23]
    return response


def _published(request: Request, document: dict[str, Any]) -> Response:
    """The document, or 304 for a reader that has it already (RFC 9110 §13.1.2)."""
    body = msgspec.json.encode(document)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = PUBLIC | {"ETag": tag}
    if tag in [part.strip() for part in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return RawJson(body, headers=headers)
