"""Authlib: code with PKCE, refresh, client credentials [CLI-8]."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import HybridIDToken
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet

from tests.world import (
    BACKOFFICE,
    PASSWORD,
    REDIRECT,
    SECRET,
    SPA,
    STOCK,
    Browser,
    World,
    payload_of,
)


def sign_in(world: World, url: str) -> str:
    """What the person does at the URL; returns where the browser ends."""
    browser = Browser(world)
    page = browser.follow(browser.http.get(url))
    answer = browser.submit(page, login="mira.k", password=PASSWORD)
    return str(answer.headers["location"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_client_credentials(method: str, real_time_world: World) -> None:
    """[TKN-1]"""
    world = real_time_world
    with OAuth2Client(STOCK, SECRET, token_endpoint_auth_method=method, scope="read") as client:
        token = client.fetch_token(f"{world.issuer}/connect/token", grant_type="client_credentials")
        assert token["scope"] == "read"
        answer = client.get(f"{world.base}/api/domain/odata/Crm_Sales_Customers?$top=5")
    assert len(answer.json()["value"]) == 5


@pytest.mark.parametrize(
    ("client_id", "secret", "method"),
    [
        pytest.param(BACKOFFICE, SECRET, "client_secret_basic", id="Confidential"),
        pytest.param(SPA, None, "none", id="Public"),
    ],
)
def test_code_with_pkce_and_refresh(
    client_id: str, secret: str | None, method: str, real_time_world: World
) -> None:
    world = real_time_world
    metadata = httpx.get(f"{world.issuer}/.well-known/openid-configuration").json()
    with OAuth2Client(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        scope="openid profile read offline_access",
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
    ) as client:
        verifier = "v" * 60
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        callback = sign_in(world, url)
        token = client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=callback,
            state=state,
            code_verifier=verifier,
        )
        userinfo = client.get(metadata["userinfo_endpoint"]).json()
        assert userinfo["sub"] == payload_of(token["id_token"])["sub"] == "mira.k"
        renewed = client.refresh_token(
            metadata["token_endpoint"], refresh_token=token["refresh_token"]
        )
    assert renewed["refresh_token"] != token["refresh_token"]
    assert payload_of(renewed["access_token"])["sid"] == payload_of(token["access_token"])["sid"]


def test_hybrid_without_pkce(real_time_world: World) -> None:
    """[AUT-41, IDT-8] Authlib's own check of the front-channel ID token, with its `c_hash`"""
    world = real_time_world
    metadata = httpx.get(f"{world.issuer}/.well-known/openid-configuration").json()
    keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).json())
    with OAuth2Client(
        BACKOFFICE, SECRET, scope="openid profile read", redirect_uri=REDIRECT
    ) as client:
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], response_type="code id_token", nonce="n-71"
        )
        answer = dict(parse_qsl(urlsplit(sign_in(world, url)).fragment))
        assert answer["state"] == state
        decoded = jwt.decode(answer["id_token"], keys, algorithms=["RS256"])
        parameters = {"code": answer["code"], "nonce": "n-71", "client_id": BACKOFFICE}
        claims = HybridIDToken(
            decoded.claims,
            decoded.header,
            {"iss": {"essential": True, "value": world.issuer}},
            parameters,
        )
        claims.validate(now=time.time(), leeway=5)
        another = HybridIDToken(decoded.claims, decoded.header, {}, parameters | {"code": "x"})
        with pytest.raises(InvalidClaimError):
            another.validate(now=time.time(), leeway=5)
        token = client.fetch_token(metadata["token_endpoint"], code=answer["code"])
    assert payload_of(token["id_token"])["sub"] == claims["sub"] == "mira.k"
