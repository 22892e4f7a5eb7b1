"""Every signing algorithm, verified by other libraries from the JWKS URL alone [EXT-6]."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import httpx
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from mintgate.contract.errors import InvalidToken
from mintgate.contract.instance import SigningAlgorithm
from mintgate.jose import ALGORITHMS
from mintgate.verify import Verifier
from tests.clients.test_openid_client import sign_in_with_openid_client
from tests.world import BACKOFFICE, World, payload_of, sqlite_url


@pytest.fixture(scope="module", params=ALGORITHMS)
def signing_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, str]]:
    world = World(
        sqlite_url(tmp_path_factory.mktemp("world")),
        clock=time.time,
        customers=True,
        instance_settings=f'signing_algorithm = "{request.param}"',
    ).start()
    yield world, request.param
    world.stop()


def jwks_url(world: World) -> str:
    return f"{world.issuer}/.well-known/openid-configuration/jwks"


def test_the_contract_and_the_keys_know_the_same() -> None:
    assert tuple(SigningAlgorithm) == ALGORITHMS


def test_discovery_names_the_algorithm(signing_world: tuple[World, str]) -> None:
    world, algorithm = signing_world
    document = world.http.get("/id/.well-known/openid-configuration").json()
    assert document["id_token_signing_alg_values_supported"] == [algorithm]
    (key,) = world.http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]
    assert (key["alg"], key["use"]) == (algorithm, "sig")
    assert not {"d", "p", "q"} & set(key)


def test_pyjwt(signing_world: tuple[World, str]) -> None:
    world, algorithm = signing_world
    tokens = world.user_tokens()
    keys = jwt.PyJWKClient(jwks_url(world))
    for name, audience in (("access_token", "OLAP"), ("id_token", BACKOFFICE)):
        token = tokens[name]
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        claims = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=[algorithm],
            audience=audience,
            issuer=world.issuer,
        )
        assert claims["sub"] == "mira.k"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_joserfc(signing_world: tuple[World, str]) -> None:
    world, algorithm = signing_world
    keys = KeySet.import_key_set(httpx.get(jwks_url(world)).json())
    decoded = joserfc_jwt.decode(world.service_token(), keys, algorithms=[algorithm])
    assert decoded.claims["client_system_user"] == "svc.stock"


def test_openid_client(signing_world: tuple[World, str], node: str) -> None:
    world, algorithm = signing_world
    sign_in_with_openid_client(world, node, BACKOFFICE, algorithm=algorithm)
    sign_in_with_openid_client(world, node, BACKOFFICE, "code id_token", algorithm=algorithm)


def test_the_hash_of_the_id_token(signing_world: tuple[World, str]) -> None:
    """[IDT-7] OpenID Connect Core §3.1.3.6: the hash is that of the signature algorithm."""
    world, algorithm = signing_world
    tokens = world.user_tokens()
    hashed = hashlib.new(
        "sha512" if algorithm == "EdDSA" else "sha256", tokens["access_token"].encode()
    ).digest()
    half = urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode()
    assert payload_of(tokens["id_token"])["at_hash"] == half


def test_our_verifier_takes_what_it_is_told_to_take(signing_world: tuple[World, str]) -> None:
    """[EXT-6] By default RS256 and nothing else."""
    world, algorithm = signing_world
    token = world.service_token()
    assert world.api("Crm_Sales_Customers?$top=1", token).status_code == 200
    told = Verifier.discover(world.base, algorithms=(algorithm,))
    assert told.verify(token, "DomainAPI", {"read"}).login == "svc.stock"
    if algorithm != "RS256":
        with pytest.raises(InvalidToken, match="alg is not RS256"):
            Verifier.discover(world.base).verify(token, "DomainAPI")


@pytest.mark.parametrize("algorithms", [(), ("HS256",), ("RS256", "none"), ("rs256",)], ids=repr)
def test_a_verifier_is_not_told_just_anything(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        Verifier("https://orion.my.example/id", algorithms=algorithms)
