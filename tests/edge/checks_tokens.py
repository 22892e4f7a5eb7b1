"""Credentials of the table: good ones, and ones that are wrong in one way."""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from mintgate.contract.identifiers import new_hex128
from mintgate.jose import SigningKey
from mintgate.jose.encoding import base64url_encode
from tests.edge.ways import JWTS, REFERENCES, SERVICE, USER, Token, Ways


def good(*scopes: str) -> Token:
    """A live token with these scopes."""

    def make(ways: Ways, kind: str) -> str:
        if kind in REFERENCES:
            return ways.reference(kind, scopes)
        return ways.jwt(kind, scope=list(scopes))

    return make


def jwt(typ: str = "at+jwt", drop: str = "", **changes: Any) -> Token:
    """A JWT with other claims, and a good signature."""
    return lambda ways, kind: ways.jwt(kind, typ, drop, **changes)


def from_now(claim: str, seconds: int) -> Token:
    """A JWT of which one time is so many seconds from now."""
    return lambda ways, kind: ways.jwt(kind, **{claim: int(time.time()) + seconds})


def named(name: str) -> Token:
    """A reference token of its own."""
    return lambda ways, kind: ways.reference(kind, name=name)


def text(value: str) -> Token:
    return lambda ways, kind: value


def with_header(**header: Any) -> Token:
    """The same signature, under a header that says something else."""

    def make(ways: Ways, kind: str) -> str:
        _, payload, signature = ways.jwt(kind).split(".")
        members = {"alg": "RS256", "kid": ways.kid, "typ": "at+jwt"} | header
        return f"{base64url_encode(json.dumps(members).encode()).decode()}.{payload}.{signature}"

    return make


_other_key = functools.cache(SigningKey.generate)


def forged(ways: Ways, kind: str) -> str:
    """Signed by somebody else, under the name of the instance's key."""
    return _other_key(ways.kid).sign(json.dumps(ways.claims(kind)).encode(), "at+jwt")


def admin(*scopes: str) -> Token:
    """Of an administrator: a person, or a service whose system user is one."""

    def make(ways: Ways, kind: str) -> str:
        if kind in REFERENCES:
            return ways.reference(kind, scopes, login="ada")
        return ways.jwt("admin" if kind == USER else "admin service", scope=list(scopes))

    return make


REVOKED = {kind: new_hex128() for kind in JWTS}
LATE = {kind: new_hex128() for kind in (USER, SERVICE, "admin")}


def revoked(ways: Ways, kind: str) -> str:
    return ways.jwt(kind, jti=REVOKED[kind])


def late(ways: Ways, kind: str) -> str:
    """Of a session that was never open."""
    return (
        ways.jwt(kind, jti=LATE[kind], sid=LATE[kind])
        if kind == USER
        else (ways.jwt(kind, jti=LATE[kind]))
    )


def late_admin(ways: Ways, kind: str) -> str:
    return ways.jwt("admin", jti=LATE["admin"], sid=LATE["admin"])


def ended(ways: Ways, kind: str) -> str:
    return ways.ended_reference(kind)
