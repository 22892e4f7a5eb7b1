"""PyJWT and joserfc verify our tokens from the JWKS URL alone; our verifier works from afar."""

from __future__ import annotations

import asyncio

import httpx
import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from mintgate.client import ClientCredentialsAuth, RefreshTokenAuth
from mintgate.verify import Verifier
from tests.world import BACKOFFICE, FULL, SECRET, STOCK, World


def jwks_url(world: World) -> str:
    return f"{world.issuer}/.well-known/openid-configuration/jwks"


def test_pyjwt(real_time_world: World) -> None:
    tokens = real_time_world.user_tokens()
    keys = jwt.PyJWKClient(jwks_url(real_time_world))
    for name, audience in (("access_token", "OLAP"), ("id_token", BACKOFFICE)):
        token = tokens[name]
        claims = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            audience=audience,
            issuer=real_time_world.issuer,
        )
        assert claims["sub"] == "mira.k"


def test_joserfc(real_time_world: World) -> None:
    token = real_time_world.service_token()
    keys = KeySet.import_key_set(httpx.get(jwks_url(real_time_world)).json())
    decoded = joserfc_jwt.decode(token, keys, algorithms=["RS256"])
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": real_time_world.issuer},
        aud={"essential": True, "value": "TableAPI"},
    )
    registry.validate(decoded.claims)
    assert decoded.header["typ"] == "at+jwt"


def test_our_verifier_from_afar(real_time_world: World) -> None:
    """Keys and database are found by discovery, as a middleware on another machine does."""
    world = real_time_world
    verifier = Verifier.discover(world.base)
    assert (verifier.issuer, verifier.database) == (world.issuer, "ORION_PROD X-1")
    principal = verifier.verify(world.service_token(), "DomainAPI", {"read"})
    assert (principal.kind, principal.login) == ("service", "svc.stock")
    token = world.user_tokens()["access_token"]
    principal = asyncio.run(verifier.verify_async(token, "AppServer", {"update"}))
    assert (principal.kind, principal.login) == ("user", "mira.k")
    outcomes = {o.id: o.outcome for o in verifier.explain(token, "DomainAPI", {"read"})}
    assert outcomes["API-12"] == "passed"
    assert outcomes["API-13"] == outcomes["API-14"] == "not checked"


def test_our_client_against_our_server(real_time_world: World) -> None:
    world = real_time_world
    api = f"{world.base}/api"
    url = f"{api}/domain/odata/Crm_Sales_Customers?$top=5"
    service = ClientCredentialsAuth(
        api=api, issuer=world.issuer, client_id=STOCK, client_secret=SECRET
    )
    with httpx.Client(auth=service) as http:
        assert len(http.get(url).json()["value"]) == 5
    kept: list[str] = []
    person = RefreshTokenAuth(
        api=api,
        issuer=world.issuer,
        client_id=BACKOFFICE,
        client_secret=SECRET,
        refresh_token=world.user_tokens(scope=FULL)["refresh_token"],
        on_rotate=kept.append,
    )

    async def run() -> int:
        async with httpx.AsyncClient(auth=person) as http:
            answers = await asyncio.gather(*(http.get(url) for _ in range(6)))
            return sum(answer.status_code == 200 for answer in answers)

    assert asyncio.run(run()) == 6  # as many as run and wait at once [API-51]
    assert len(kept) == 1
