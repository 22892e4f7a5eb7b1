"""Ending a token that somebody holds in hand, of whatever kind it is [REV-3, REV-4, EXT-13]."""

from __future__ import annotations

import msgspec

from mintgate.contract.automation.credentials import Revoked, TokenToRevoke
from mintgate.contract.automation.problems import InvalidInput, NoSuchRecord
from mintgate.contract.identifiers import HEX_128, token_digest
from mintgate.contract.key_life import LONGEST_TOKEN
from mintgate.contract.lifetimes import CLOCK_ERROR
from mintgate.contract.reference_tokens import FORMAT
from mintgate.identity.administration import grants, reference_tokens
from mintgate.identity.administration.call import Call
from mintgate.jose import KeySet, MalformedToken, parse_compact
from mintgate.jose.encoding import DuplicateMember, require_unique
from mintgate.store import keys, refresh, revocations
from mintgate.store import reference_tokens as stored_tokens

UNKNOWN = "This is no token of this instance; nothing was revoked."


def revoke(call: Call) -> Revoked:
    """Raises NoSuchRecord for a token that this instance does not know."""
    call.lock()
    body = call.given(TokenToRevoke)
    if (body.token is None) == (body.jti is None) or (body.jti is None) != (body.exp is None):
        raise InvalidInput("Give either token, or jti and exp.")
    if body.jti is not None and body.exp is not None:
        return _by_jti(call, body.jti, body.exp)
    token = (body.token or "").strip()
    if FORMAT.fullmatch(token):
        return _reference_token(call, token)
    return _access_token(call, token) if "." in token else _refresh_token(call, token)


def _by_jti(call: Call, jti: str, expires: int) -> Revoked:
    if not HEX_128.fullmatch(jti):
        raise InvalidInput(problems=[("jti", "must be 32 upper-case hex digits [TOK-25]")])
    found = stored_tokens.by_jti(call.connection, call.instance.id, jti)
    if found is not None:
        return reference_tokens.revoked(call, found)
    if expires > call.now + LONGEST_TOKEN:
        raise InvalidInput(problems=[("exp", "is later than any access token of this instance")])
    return _revoked(call, jti, expires, None)


def _reference_token(call: Call, token: str) -> Revoked:
    found = stored_tokens.by_key(call.connection, call.instance.id, token_digest(token))
    if found is None:
        raise NoSuchRecord(UNKNOWN)
    return reference_tokens.revoked(call, found)


def _refresh_token(call: Call, token: str) -> Revoked:
    found = refresh.find(call.connection, call.instance.id, token_digest(token))
    if found is None:
        raise NoSuchRecord(UNKNOWN)
    return grants.revoked(call, found.family)


def _access_token(call: Call, text: str) -> Revoked:
    document = {"keys": keys.public_jwks(call.connection, call.instance.id)}
    published = KeySet.from_json(msgspec.json.encode(document))
    try:
        token = parse_compact(text, {})
        kid = token.header.get("kid")
        key = published.get(kid) if isinstance(kid, str) else None
        if key is None or token.header.get("typ") != "at+jwt":
            raise NoSuchRecord(UNKNOWN)
        if not key.has_signed(token):
            raise NoSuchRecord(UNKNOWN)
        require_unique(token.payload_json, token.claims)
    except (MalformedToken, DuplicateMember, RecursionError):
        raise NoSuchRecord(UNKNOWN) from None
    client_id, jti, expires = (token.claims.get(name) for name in ("client_id", "jti", "exp"))
    if not (isinstance(client_id, str) and isinstance(jti, str) and type(expires) is int):
        raise NoSuchRecord(UNKNOWN)
    return _revoked(call, jti, expires, client_id)


def _revoked(call: Call, jti: str, expires: int, client_id: str | None) -> Revoked:
    instance_id = call.instance.id
    # Also by the clocks of those who would accept it.
    has_ended = expires <= call.now - CLOCK_ERROR
    if has_ended or revocations.is_revoked(call.connection, instance_id, jti):
        return Revoked(kind="access_token", was_live=False)
    revocations.add(call.writing, instance_id, jti, float(expires))
    call.record("token.revoked", application=client_id, jti=jti, details={"kind": "access_token"})
    return Revoked(kind="access_token", was_live=True)
