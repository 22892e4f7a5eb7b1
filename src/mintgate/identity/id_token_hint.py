"""Reading an ID token that comes back as a hint (OpenID Connect RP-Initiated Logout §2)."""

from __future__ import annotations

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.identity.directory import Directory
from mintgate.jose import MalformedToken, parse_compact
from mintgate.jose.encoding import DuplicateMember, require_unique


class Hint(msgspec.Struct, frozen=True):
    """Whom a genuine ID token of ours was issued to, and in which session."""

    application: TrustedApplication
    sub: str
    sid: str


async def read_hint(id_token: str, directory: Directory) -> Hint | None:
    """The hint, or None when it is void: not ours, not genuine, unknown client [END-3].

    Its expiry does not matter.
    """
    try:
        token = parse_compact(id_token, {})
    except MalformedToken:
        return None
    header, claims = token.header, token.claims
    kid, typ = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or typ != "JWT":
        return None
    key = await directory.public_key(kid)
    if key is None or not key.has_signed(token):
        return None
    try:
        require_unique(token.payload_json, claims)
    except DuplicateMember:
        return None
    sub, sid, audience = claims.get("sub"), claims.get("sid"), claims.get("aud")
    if claims.get("iss") != directory.instance.issuer or not (
        isinstance(sub, str) and isinstance(sid, str) and isinstance(audience, str)
    ):
        return None
    application = await directory.application(audience)
    return Hint(application, sub, sid) if application is not None else None
