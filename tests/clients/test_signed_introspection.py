"""Signed introspection answers (RFC 9701), read by openid-client and by joserfc [EXT-16]."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from mintgate.contract.identifiers import secret_hash
from mintgate.identity.endpoints.introspection import JWT_MEDIA_TYPE, wants_jwt
from mintgate.store import apis
from mintgate.verify import Verifier
from tests.world import World

SCRIPT = Path(__file__).parent / "node" / "introspection.mjs"
API_SECRET = "the secret of an API"


@pytest.fixture
def api_world(real_time_world: World) -> World:
    world = real_time_world
    with world.database.begin() as tx:
        apis.set_secret(tx, world.instance.id, "DomainAPI", secret_hash(API_SECRET))
    return world


def introspect(world: World, token: str, accept: str = JWT_MEDIA_TYPE) -> httpx.Response:
    return world.http.post(
        "/id/connect/introspect",
        data={"token": token},
        auth=("DomainAPI", API_SECRET),
        headers={"Accept": accept},
    )


@pytest.mark.parametrize("is_good", [True, False])
def test_openid_client(is_good: bool, node: str, api_world: World) -> None:
    token = api_world.service_token() if is_good else "nothing"
    done = subprocess.run(
        [node, str(SCRIPT), api_world.issuer, "DomainAPI"],
        env={**os.environ, "API_SECRET": API_SECRET, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if not is_good:
        assert answer == {"active": False}
        return
    assert (answer["active"], answer["scope"]) == (True, "read update")
    assert answer["client_system_user"] == "svc.stock"


def test_the_signed_answer(api_world: World) -> None:
    """RFC 9701 §5: for this API, of its own type, and no token that an API would take"""
    answer = introspect(api_world, api_world.service_token())
    assert answer.headers["content-type"] == JWT_MEDIA_TYPE
    assert answer.headers["cache-control"] == "no-store"
    jwks = api_world.http.get("/id/.well-known/openid-configuration/jwks").json()
    read = jwt.decode(answer.text, KeySet.import_key_set(jwks))
    assert read.header["typ"] == "token-introspection+jwt"
    assert set(read.claims) == {"iss", "aud", "iat", "token_introspection"}
    assert (read.claims["iss"], read.claims["aud"]) == (api_world.issuer, "DomainAPI")
    plain = introspect(api_world, api_world.service_token(), "application/json").json()
    assert set(read.claims["token_introspection"]) == set(plain)
    outcomes = Verifier(api_world.issuer).explain(answer.text, "DomainAPI")
    assert next(o for o in outcomes if o.id == "API-5").outcome == "failed"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (JWT_MEDIA_TYPE, True),
        (JWT_MEDIA_TYPE.upper(), True),
        (f"application/json;q=0.5, {JWT_MEDIA_TYPE}", True),
        (f"{JWT_MEDIA_TYPE};q=0.2, application/json", False),
        (f"{JWT_MEDIA_TYPE};q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        (f"{JWT_MEDIA_TYPE};q=x", True),
    ],
)
def test_who_asks_for_it(accept: str, expected: bool) -> None:
    assert wants_jwt(accept) is expected
