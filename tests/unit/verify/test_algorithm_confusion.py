"""One key, one algorithm (RFC 8725 §3.1): whatever else a token claims to be is refused [EXT-6]."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from mintgate.contract.errors import InvalidToken
from mintgate.jose import ALGORITHMS, KeySet, PublicKey, SigningKey
from mintgate.jose.algorithms import UnfitKey, der_to_pair
from mintgate.verify import Verifier
from mintgate.verify.keys import StaticKeys
from tests.unit.verify.workbench import ISSUER, NOW, b64, user_claims

KEYS = {name: SigningKey.generate(f"{i:032X}", name) for i, name in enumerate(ALGORITHMS)}
PUBLISHED = KeySet.from_json(
    json.dumps(KeySet(key.public for key in KEYS.values()).to_dict()).encode()
)
PRIVATE: dict[str, Any] = {
    name: serialization.load_der_private_key(key.to_pkcs8(), None) for name, key in KEYS.items()
}
PSS = padding.PSS(padding.MGF1(SHA256()), 32)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def checker(algorithms: tuple[str, ...] = ALGORITHMS) -> Verifier:
    return Verifier(
        ISSUER, keys=StaticKeys(PUBLISHED), algorithms=algorithms, clock=lambda: float(NOW)
    )


def token(alg: str, kid_of: str, sign: Any) -> str:
    header = {"alg": alg, "kid": KEYS[kid_of].kid, "typ": "at+jwt"}
    signing_input = (
        b64(json.dumps(header).encode()) + b"." + b64(json.dumps(user_claims()).encode())
    )
    return (signing_input + b"." + b64(sign(signing_input))).decode()


def rs256(data: bytes, key: str = "RS256") -> bytes:
    return bytes(PRIVATE[key].sign(data, padding.PKCS1v15(), SHA256()))


def ps256(data: bytes, key: str = "PS256", pss: Any = PSS) -> bytes:
    return bytes(PRIVATE[key].sign(data, pss, SHA256()))


def es256_der(data: bytes) -> bytes:
    return bytes(PRIVATE["ES256"].sign(data, ec.ECDSA(SHA256())))


def es256(data: bytes) -> bytes:
    return der_to_pair(es256_der(data))


def eddsa(data: bytes) -> bytes:
    return bytes(PRIVATE["EdDSA"].sign(data))


def pem_of(name: str) -> bytes:
    return bytes(
        PRIVATE[name]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def hs256_with(name: str) -> Any:
    return lambda data: hmac.digest(pem_of(name), data, hashlib.sha256)


SIGN = {"RS256": rs256, "PS256": ps256, "ES256": es256, "EdDSA": eddsa}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_a_key_signs_is_good(name: str) -> None:
    """By our own signer and by hand; PyJWT agrees."""
    ours = KEYS[name].sign(json.dumps(user_claims()).encode(), "at+jwt")
    for text in (ours, token(name, name, SIGN[name])):
        assert checker().verify(text, "DomainAPI").login == "mira.k"
        assert checker((name,)).verify(text, "DomainAPI").login == "mira.k"
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        key = PRIVATE[name].public_key()
        pyjwt.decode(text, key, algorithms=[name], audience="DomainAPI", options=options)


CONFUSED: list[tuple[str, str, str, Any]] = [
    # what it is, alg, whose kid, signature
    *[(f"HS256 with the public {n} key", "HS256", n, hs256_with(n)) for n in ALGORITHMS],
    *[(f"none, kid of {n}", "none", n, lambda data: b"") for n in ALGORITHMS],
    *[(f"{n} without a signature", n, n, lambda data: b"") for n in ALGORITHMS],
    ("RS256 by the PS256 key", "RS256", "PS256", lambda d: rs256(d, "PS256")),
    ("PS256 by the RS256 key", "PS256", "RS256", lambda d: ps256(d, "RS256")),
    ("PS256 with the padding of RS256", "PS256", "PS256", lambda d: rs256(d, "PS256")),
    ("RS256 with the padding of PS256", "RS256", "RS256", lambda d: ps256(d, "RS256")),
    (
        "RFC 7518 §3.5 PS256 with a short salt",
        "PS256",
        "PS256",
        lambda d: ps256(d, pss=padding.PSS(padding.MGF1(SHA256()), 20)),
    ),
    ("RFC 7518 §3.4 ES256 in DER", "ES256", "ES256", es256_der),
    ("ES256 with a byte more", "ES256", "ES256", lambda d: es256(d) + b"\0"),
    ("ES256 with a byte less", "ES256", "ES256", lambda d: es256(d)[:-1]),
    ("CVE-2022-21449 ES256 of zeros", "ES256", "ES256", lambda d: bytes(64)),
    (
        "ES256 with r and s of the order",
        "ES256",
        "ES256",
        lambda d: P256_ORDER.to_bytes(32, "big") * 2,
    ),
    ("EdDSA by a stranger", "EdDSA", "EdDSA", ed25519.Ed25519PrivateKey.generate().sign),
    ("EdDSA of Ed448", "EdDSA", "EdDSA", ed448.Ed448PrivateKey.generate().sign),
    ("EdDSA with a byte more", "EdDSA", "EdDSA", lambda d: eddsa(d) + b"\0"),
    ("EdDSA with the ES256 key", "EdDSA", "ES256", es256),
    ("ES256 with the EdDSA key", "ES256", "EdDSA", eddsa),
    ("RFC 9864 Ed25519", "Ed25519", "EdDSA", eddsa),
    ("alg in another case", "es256", "ES256", es256),
]


@pytest.mark.parametrize(
    ("alg", "kid_of", "sign"), [pytest.param(*row[1:], id=row[0]) for row in CONFUSED]
)
def test_a_confused_token_is_refused(alg: str, kid_of: str, sign: Any) -> None:
    text = token(alg, kid_of, sign)
    with pytest.raises(InvalidToken):
        checker().verify(text, "DomainAPI")
    assert [line.id for line in checker().explain(text, "DomainAPI") if line.outcome == "failed"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_verifier_that_does_not_list_it(name: str) -> None:
    """[API-5, EXT-6]"""
    others = tuple(other for other in ALGORITHMS if other != name)
    with pytest.raises(InvalidToken, match="alg is not"):
        checker(others).verify(token(name, name, SIGN[name]), "DomainAPI")


def a_point(curve: ec.EllipticCurve) -> dict[str, str]:
    numbers = ec.generate_private_key(curve).public_key().public_numbers()
    size = (curve.key_size + 7) // 8
    return {
        name: b64(value.to_bytes(size, "big")).decode()
        for name, value in (("x", numbers.x), ("y", numbers.y))
    }


GOOD_EC = KEYS["ES256"].public.to_jwk()
GOOD_OKP = KEYS["EdDSA"].public.to_jwk()
GOOD_RSA = KEYS["PS256"].public.to_jwk()


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        pytest.param(GOOD_EC, "ES256", id="P-256"),
        pytest.param(GOOD_EC | {"alg": ...}, "ES256", id="P-256 without alg"),
        pytest.param(GOOD_OKP, "EdDSA", id="Ed25519"),
        pytest.param(GOOD_RSA, "PS256", id="RSA for PS256"),
        pytest.param(GOOD_RSA | {"alg": ...}, "RS256", id="RSA without alg"),
        pytest.param(GOOD_EC | {"alg": "RS256"}, None, id="P-256 for RS256"),
        pytest.param(GOOD_EC | {"alg": ["ES256"]}, None, id="alg is a list"),
        pytest.param(GOOD_EC | {"alg": "ES384"}, None, id="P-256 for ES384"),
        pytest.param(GOOD_EC | {"crv": "P-384"} | a_point(ec.SECP384R1()), None, id="P-384"),
        pytest.param(
            GOOD_EC | {"crv": "secp256k1"} | a_point(ec.SECP256K1()), None, id="secp256k1"
        ),
        pytest.param(GOOD_EC | a_point(ec.SECP256K1()), None, id="a point off the curve"),
        pytest.param(GOOD_EC | {"x": GOOD_EC["y"]}, None, id="another point off the curve"),
        pytest.param(
            GOOD_EC | {"x": b64(bytes(32)).decode(), "y": b64(bytes(32)).decode()},
            None,
            id="the origin",
        ),
        pytest.param(GOOD_EC | {"x": GOOD_EC["x"][:-2]}, None, id="a short coordinate"),
        pytest.param(GOOD_EC | {"x": "AAAA" + GOOD_EC["x"]}, None, id="a long coordinate"),
        pytest.param(GOOD_EC | {"y": 7}, None, id="a coordinate that is a number"),
        pytest.param(GOOD_EC | {"y": ...}, None, id="half a point"),
        pytest.param(GOOD_OKP | {"crv": "Ed448", "x": b64(bytes(57)).decode()}, None, id="Ed448"),
        pytest.param(GOOD_OKP | {"crv": "X25519"}, None, id="X25519 signs nothing"),
        pytest.param(GOOD_OKP | {"x": GOOD_OKP["x"][:-4]}, None, id="a short Ed25519 key"),
    ],
)
def test_which_jwks_are_read(jwk: dict[str, Any], algorithm: str | None) -> None:
    """RFC 7518 §6.2.1, RFC 8037 §2"""
    members = {name: value for name, value in jwk.items() if value is not ...}
    found = [k.algorithm for k in KeySet.from_json(json.dumps({"keys": [members]}).encode())]
    assert found == ([algorithm] if algorithm else [])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_key_is_made_for_its_algorithm_only(name: str) -> None:
    assert SigningKey.from_pkcs8("K", KEYS[name].to_pkcs8(), name).public.to_jwk()["alg"] == name
    other = {"RS256": "ES256", "PS256": "EdDSA", "ES256": "RS256", "EdDSA": "ES256"}[name]
    with pytest.raises(UnfitKey):
        SigningKey.from_pkcs8("K", KEYS[name].to_pkcs8(), other)
    with pytest.raises(UnfitKey):
        PublicKey("K", PRIVATE[name].public_key(), "HS256")


def test_short_rsa_keys_sign_nothing() -> None:
    """[TOK-2]"""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(UnfitKey, match="2048"):
        SigningKey("K", short, "PS256")
