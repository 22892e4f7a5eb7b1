"""Tokens to check: distinct, each as mintgate mints it for a service."""

from __future__ import annotations

import time

from mintgate.contract.claims import ServiceClaims, audience_of, encode
from mintgate.contract.identifiers import new_hex128
from mintgate.jose import SigningKey
from mintgate.jose.keys import ACCESS_TOKEN_TYPE

ISSUER = "https://bench.example.org/id"
AUDIENCE = "DomainAPI"
DATABASE = "BENCH"
SCOPES = ("read", "update")
LIFETIME = 86_400  # so that none expires during the longest run


def make_tokens(key: SigningKey, count: int) -> list[str]:
    now = int(time.time())
    return [_token(key, now) for _ in range(count)]


def _token(key: SigningKey, now: int) -> str:
    audience = audience_of(SCOPES, ISSUER)
    assert isinstance(audience, tuple)
    claims = ServiceClaims(
        nbf=now,
        exp=now + LIFETIME,
        iss=ISSUER,
        aud=audience,
        client_id="bench.example.org/service",
        client_system_user="svc.bench",
        client_system_user_type="SystemUserNoLogin",
        client_system_user_id="0b6f3a52-3f0c-4c5e-9a57-6a4f6d2f8c11",
        client_db=DATABASE,
        jti=new_hex128(),
        iat=now,
        scope=SCOPES,
    )
    return key.sign(encode(claims), ACCESS_TOKEN_TYPE)
