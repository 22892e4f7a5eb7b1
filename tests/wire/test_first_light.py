"""The story of a service token, end to end over the wire."""

from __future__ import annotations

import httpx
import jwt

from tests.world import World


def test_five_customers_with_a_token_of_ours(shared_world: World) -> None:
    answer = shared_world.api("Crm_Sales_Customers?$top=5", shared_world.service_token())
    assert answer.status_code == 200
    assert len(answer.json()["value"]) == 5


def test_another_library_verifies_the_token_from_the_published_keys(shared_world: World) -> None:
    metadata = httpx.get(f"{shared_world.issuer}/.well-known/openid-configuration").json()
    token = shared_world.service_token()
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience="DomainAPI",
        issuer=metadata["issuer"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims["client_system_user"] == "svc.stock"


def test_no_token_no_customers(shared_world: World) -> None:
    answer = shared_world.api("Crm_Sales_Customers?$top=5")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="DomainAPI"'
