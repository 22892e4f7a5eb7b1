"""The verifier against two other implementations, PyJWT and joserfc, on forged tokens.

Whatever it accepts, both accept, with the same claims. Whatever it refuses and one of them
accepts is refused for a reason that `STRICTER` lists. It never fails in another way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from mintgate.contract.errors import Forbidden, InsufficientScope, InvalidToken
from mintgate.verify import Principal, Verifier
from tests.unit.verify.workbench import (
    HEADER,
    ISSUER,
    KID,
    OTHER_KID,
    PUBLIC_PEM,
    SIGNER,
    STRANGER,
    b64,
    service_claims,
    sign,
    sign_parts,
    user_claims,
    verifier,
    with_member,
)

# PyJWT reads the machine's clock, so every time here is a day or more away from it.
NOW = int(time.time()) - 24 * 3600
DAY = 24 * 3600
AUDIENCE = "DomainAPI"

STRICTER = {
    "malformed: it is longer than": "bounds the work that a hostile input can cause",
    "malformed: a part is not base64url": (
        "one token, one text: padding, which PyJWT takes, would give a revoked or cached token a "
        "second spelling (RFC 7515 §2)"
    ),
    "malformed: the header is not a JSON object with unique members": (
        "two readers of a duplicate member see two tokens (RFC 7515 §4); and padding, as above"
    ),
    "malformed: the payload is not a JSON object": (
        "NaN, Infinity, numbers out of range, lone surrogates and hundreds of levels are no "
        "interoperable JSON (RFC 8259 §6, §8.2, §9)"
    ),
    "a claim is named twice": "two readers of a duplicate claim see two tokens (RFC 7519 §4)",
    "typ is not at+jwt": "keeps ID tokens and other JWTs out (RFC 9068 §4) [API-5]",
    "header has": "a token brings no key and no way to read it; we know no extension (crit)",
    "kid is missing": "our issuers always name the key [TOK-3]; one key's token cannot roam",
    "kid is not in the issuer's key set": "the oracles are given the key without its name",
    "exp, nbf or iat is no int": (
        "times are integers of 64 bits [TOK-11] and required [API-9, API-11]; the others take "
        "floats, texts and booleans, or do without nbf and iat"
    ),
    "is missing or no text": "the ERP.net claims that API-11 requires",
    "scope is not an array of texts": "the ERP.net claim `scope` is an array [TOK-30]",
    "sub with client_system_user": "a token speaks for one of both [API-11]",
}
"""By the cause of our refusal: why we refuse what an oracle accepts."""


class _Unlimited(jws.JWSRegistry):
    """joserfc without its own size limits and without its ban on unknown header members."""

    max_header_length = max_payload_length = max_signature_length = 1 << 24

    def __init__(self) -> None:
        super().__init__(algorithms=["RS256"], strict_check_header=False)


_JOSERFC_KEY = RSAKey.import_key(PUBLIC_PEM)
_JOSERFC_CLAIMS = joserfc_jwt.JWTClaimsRegistry(
    now=NOW,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
)


def pyjwt_accepts(token: str) -> dict[str, Any] | None:
    try:
        return pyjwt.decode(
            token,
            SIGNER.public_key(),
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "aud", "iss"]},
        )
    except (pyjwt.PyJWTError, ValueError, RecursionError, TypeError, OverflowError):
        return None


def joserfc_accepts(token: str) -> dict[str, Any] | None:
    try:
        decoded = joserfc_jwt.decode(token, _JOSERFC_KEY, registry=_Unlimited())
        _JOSERFC_CLAIMS.validate(decoded.claims)
    except (JoseError, ValueError, RecursionError, TypeError, OverflowError, AttributeError):
        return None
    return decoded.claims


def our_verifier() -> Verifier:
    return verifier(clock=lambda: float(NOW), start_leeway=0.0)


def verdict(token: str) -> Principal | InvalidToken | InsufficientScope | Forbidden:
    """A principal or a refusal; any other exception fails the test that asked."""
    try:
        return our_verifier().verify(token, AUDIENCE)
    except (InvalidToken, InsufficientScope, Forbidden) as refusal:
        return refusal


def reason_of(refusal: InvalidToken | InsufficientScope | Forbidden) -> str | None:
    return next((reason for reason in STRICTER if reason in refusal.cause), None)


def compare(token: str) -> bool:
    """Compare the three verdicts on a token; whether ours is yes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {"PyJWT": pyjwt_accepts(token), "joserfc": joserfc_accepts(token)}
    ours = verdict(token)
    if isinstance(ours, Principal):
        for oracle, claims in theirs.items():
            assert claims is not None, f"only mintgate accepts, {oracle} does not"
            assert claims == ours.claims
        return True
    accepting = [oracle for oracle, claims in theirs.items() if claims is not None]
    if accepting:
        assert reason_of(ours), f"{accepting} accept; we refuse, unlisted: {ours.cause}"
    return False


# --- what is forged -----------------------------------------------------------------------------

_text = st.text(max_size=8) | st.sampled_from(["", "read", AUDIENCE, ISSUER, "InternalUser"])
_numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, NOW + 9 * DAY, NOW - 9 * DAY, 2**53, 2**63, 2**64, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([NOW + 9.5 * DAY, float(NOW + 9 * DAY), 1e18]),
    st.booleans(),
)
_scalars = st.none() | _numbers | _text | st.just(str(NOW + 9 * DAY))
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=4,
)
_claim_names = sorted({*user_claims(), *service_claims(), "auth_time", "amr", "cnf", "act"})
_audiences = st.one_of(
    st.just(AUDIENCE),
    st.sampled_from(["domainapi", "DomainAPI ", "TableAPI", f"{ISSUER}/resources"]),
    st.lists(st.sampled_from([AUDIENCE, "TableAPI", "domainapi", ""]), max_size=3),
    st.just([[AUDIENCE]]),
    st.just({AUDIENCE: AUDIENCE}),
)
_issuers = st.sampled_from([ISSUER, ISSUER + "/", ISSUER.upper(), [ISSUER], "https://evil.example"])
_types = st.sampled_from(
    ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt", "JWT", "jwt", "at+jwt ", ""]
)
_header_changes = st.one_of(
    st.tuples(st.just("typ"), _types | _values | st.just(...)),
    st.tuples(st.just("kid"), st.sampled_from([KID, OTHER_KID, KID.lower(), ...]) | _values),
    st.tuples(
        st.just("alg"),
        st.sampled_from(["RS256", "rs256", "none", "None", "HS256", "RS512", "PS256", "ES256", ...])
        | _values,
    ),
    st.tuples(
        st.sampled_from(["crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"]),
        st.sampled_from([["exp"], ["b64"], [], True, False, "DEF", "https://evil.example/jwks"])
        | _values,
    ),
    st.tuples(st.sampled_from(["x", "nonce", "iss", "", "ALG", "Kid", "p2c"]), _values),
)


@st.composite
def _claims(draw: st.DrawFn) -> dict[str, Any]:
    claims: dict[str, Any] = draw(st.sampled_from([user_claims, service_claims]))(NOW)
    claims["exp"] = NOW + 9 * DAY
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["remove", "retype", "add", "aud", "iss", "time", "scope"]))
        name = draw(st.sampled_from(_claim_names))
        if kind == "remove":
            claims.pop(name, None)
        elif kind == "retype":
            claims[name] = draw(_values)
        elif kind == "add":
            claims[draw(st.text(max_size=6))] = draw(_values)
        elif kind == "aud":
            claims["aud"] = draw(_audiences)
        elif kind == "iss":
            claims["iss"] = draw(_issuers)
        elif kind == "scope":
            claims["scope"] = draw(st.lists(_text, max_size=3) | _text)
        else:
            claims[draw(st.sampled_from(["exp", "nbf", "iat"]))] = draw(_numbers)
    return claims


def _raw_members(claims: dict[str, Any]) -> st.SearchStrategy[str]:
    """Members as JSON text that `json.dumps` would not write."""
    name = st.sampled_from(sorted(claims) or ["iss"])
    value = _values.map(json.dumps)
    return st.one_of(
        st.builds(lambda n, v: f'"{n}":{v}', name, value),
        st.builds(lambda n, v: f'"{n}" :{v}', name, value),
        st.builds(lambda n, v: f'"{n}"\t:\n{v}', name, value),
        st.builds(lambda n, v: f'"\\u{ord(n[0]):04x}{n[1:]}":{v}', name.filter(bool), value),
        st.builds(lambda n, v: f'"deep":{{"x":[{{"{n}":1,"{n}":{v}}}]}}', name, value),
        st.builds(lambda n: f'"note":"\\"{n}\\":1,\\"{n}\\":2"', name.filter(str.isidentifier)),
        st.sampled_from(
            [
                '"x":NaN',
                '"exp":Infinity',
                '"x":-Infinity',
                '"x":1e999',
                '"exp":1e12',
                '"x":"\\ud800"',
                '"x":"\\ud83d\\ude00"',
                '"x":01',
                '"x":' + "9" * 300,
                '"x":' + "9" * 4301,
                '"x":' + "[" * 400 + "]" * 400,
                '"x":' + '{"x":' * 1500 + "1" + "}" * 1500,
                '"x":"' + "y" * 17_000 + '"',
                '"x":1,',
                "'x':1",
                '"x":"\t"',
                '"x":"\u00e9\U0001f600"',
            ]
        ),
    )


@st.composite
def _payloads(draw: st.DrawFn) -> bytes:
    claims = draw(_claims())
    text = json.dumps(claims, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = json.dumps(claims, separators=(",", ":"))
    how = draw(st.integers(0, 9))
    if how < 2:
        text = text[:-1] + "," + draw(_raw_members(claims)) + "}"
    elif how == 3:
        whole = [
            f"[{text}]",
            f'"{claims.get("jti")}"',
            "null",
            "",
            "1",
            text + text,
            "\ufeff" + text,
        ]
        text = draw(st.sampled_from([*whole, f" \r\n{text}\t"]))
    raw = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 15)) == 0 and raw:
        raw = _flip_bit(raw, draw(st.integers(0, len(raw) * 8 - 1)))
    return raw


@st.composite
def _headers(draw: st.DrawFn) -> bytes:
    header = dict(HEADER)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        name, value = draw(_header_changes)
        header[name] = value
    text = json.dumps({name: value for name, value in header.items() if value is not ...})
    if draw(st.integers(0, 9)) == 0:
        text = text[:-1] + "," + draw(_raw_members(header)) + "}"
    return text.encode("utf-8", "surrogatepass")


def _flip_bit(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position // 8] ^= 1 << (position % 8)
    return bytes(changed)


_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _encode(data: bytes, how: str) -> bytes:
    if how == "padded":
        return base64.urlsafe_b64encode(data)
    if how == "standard":
        return base64.b64encode(data).rstrip(b"=")
    if how == "wrapped":
        return base64.encodebytes(data)
    if how == "stray bits":
        text = b64(data)
        if len(text) % 4 == 0:
            return text
        return text[:-1] + bytes([_ALPHABET[_ALPHABET.index(text[-1]) | 1]])
    return b64(data)


_encodings = st.sampled_from(["plain"] * 60 + ["padded", "standard", "wrapped", "stray bits"])


@st.composite
def forged_tokens(draw: st.DrawFn) -> str:
    header = _encode(draw(_headers()), draw(_encodings))
    payload = _encode(draw(_payloads()), draw(_encodings))
    signed_by = draw(st.sampled_from(["us"] * 12 + ["a stranger", "HS256", "nobody"]))
    if signed_by == "HS256":
        digest = hmac.new(PUBLIC_PEM, header + b"." + payload, hashlib.sha256).digest()
        token = header + b"." + payload + b"." + b64(digest)
    elif signed_by == "nobody":
        token = header + b"." + payload + b"."
    else:
        key = SIGNER if signed_by == "us" else STRANGER
        token = sign_parts(header, payload, key)
        head, body, signature = token.rsplit(b".", 2)
        if draw(st.integers(0, 15)) == 0:
            raw = base64.urlsafe_b64decode(signature + b"==")
            token = b".".join([head, body, _encode(raw, draw(_encodings))])
    return token.decode("latin-1")


_QUICK = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=800, deadline=None, suppress_health_check=_QUICK)
@given(token=forged_tokens())
def test_agrees_with_both_oracles_on_forged_tokens(token: str) -> None:
    compare(token)


_TEMPLATES = [
    sign(claims, head)
    for claims in (user_claims(NOW, exp=NOW + 9 * DAY), service_claims(NOW, exp=NOW + 9 * DAY))
    for head in (None, {"typ": "application/at+jwt", "kid": KID, "alg": "RS256"})
]
_characters = st.sampled_from("+/=.\n\r\t \x00-_AZaz09\xe9\xa0\u212a\U0001f600") | st.characters()


@settings(max_examples=600, deadline=None, suppress_health_check=_QUICK)
@given(
    token=st.sampled_from(_TEMPLATES),
    edits=st.lists(
        st.tuples(
            st.sampled_from(["replace", "insert", "delete", "flip", "swap part", "cut"]),
            st.integers(0, 1 << 16),
            _characters,
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_agrees_with_both_oracles_on_edited_texts(
    token: str, edits: list[tuple[str, int, str]]
) -> None:
    original = token
    for kind, place, character in edits:
        at = place % (len(token) + 1)
        if kind == "replace":
            token = token[:at] + character + token[at + 1 :]
        elif kind == "insert":
            token = token[:at] + character + token[at:]
        elif kind == "delete":
            token = token[:at] + token[at + 1 :]
        elif kind == "flip" and at < len(token) and ord(token[at]) < 128:
            token = token[:at] + chr(ord(token[at]) ^ (1 << place % 7)) + token[at + 1 :]
        elif kind == "swap part":
            other = _TEMPLATES[place % len(_TEMPLATES)].split(".")
            parts = token.split(".")
            which = place % min(len(parts), 3)
            parts[which] = other[which]
            token = ".".join(parts)
        elif kind == "cut":
            token = token[:at]
    # Only a token that one of the templates is may be accepted: no second spelling.
    assert compare(token) == (token in _TEMPLATES or token == original)


@settings(max_examples=400, deadline=None)
@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    assert isinstance(verdict(text), InvalidToken)
    first = next(o for o in our_verifier().explain(text, AUDIENCE) if o.outcome != "not checked")
    expected = "API-3" if text.startswith("enrt_") else "API-4"
    assert (first.id, first.outcome) == (expected, "failed")


@settings(max_examples=500, deadline=None)
@given(parts=st.lists(st.binary(max_size=60) | st.just(b64(b"{}")), min_size=1, max_size=6))
def test_any_number_of_parts_is_refused_unless_signed(parts: list[bytes]) -> None:
    for part in (parts, [b64(part) for part in parts]):
        token = b".".join(part).decode("latin-1")
        assert isinstance(verdict(token), InvalidToken)


@settings(max_examples=300, deadline=None, suppress_health_check=_QUICK)
@given(header=_headers(), payload=_payloads(), genuine=st.booleans())
def test_explain_never_fails_and_agrees_with_verify(
    header: bytes, payload: bytes, genuine: bool
) -> None:
    key = SIGNER if genuine else STRANGER
    token = sign_parts(b64(header), b64(payload), key).decode()
    assume(len(token) < 10_000)
    outcomes = our_verifier().explain(token, AUDIENCE)
    assert [line.id for line in outcomes] == [f"API-{number}" for number in range(3, 16)]
    failed = [line for line in outcomes if line.outcome == "failed"]
    ours = verdict(token)
    if isinstance(ours, Principal):
        assert failed == []
    else:
        assert failed[0].detail == ours.cause


def _good(**changes: Any) -> dict[str, Any]:
    return user_claims(NOW, **{"exp": NOW + 9 * DAY, **changes})


_DOUBLED = with_member(_good(), '"sub":"admin"')

_EXAMPLES_OF_STRICTNESS = {
    "malformed: it is longer than": sign(_good(x="y" * 17_000)),
    "malformed: a part is not base64url": sign(_good()) + "==",
    "malformed: the header is not a JSON object with unique members": sign(
        _good(), with_member(HEADER, '"alg":"RS256"')
    ),
    "malformed: the payload is not a JSON object": sign(with_member(_good(), '"x":NaN')),
    "a claim is named twice": sign(_DOUBLED),
    "typ is not at+jwt": sign(_good(), HEADER | {"typ": "JWT"}),
    "header has": sign(_good(), HEADER | {"jku": "https://evil.example/jwks"}),
    "kid is missing": sign(_good(), {"alg": "RS256", "typ": "at+jwt"}),
    "kid is not in the issuer's key set": sign(_good(), HEADER | {"kid": OTHER_KID}),
    "exp, nbf or iat is no int": sign(_good(exp=NOW + 9.5 * DAY)),
    "is missing or no text": sign(_good(sid=...)),
    "scope is not an array of texts": sign(_good(scope="read update")),
    "sub with client_system_user": sign(service_claims(NOW, sub="mira.k", exp=NOW + 9 * DAY)),
}


@pytest.mark.parametrize("reason", STRICTER)
def test_every_reason_is_in_use(reason: str) -> None:
    token = _EXAMPLES_OF_STRICTNESS[reason]
    ours = verdict(token)
    assert not isinstance(ours, Principal)
    assert reason_of(ours) == reason
    assert pyjwt_accepts(token) is not None or joserfc_accepts(token) is not None


_NAMED_ATTACKS = {
    "alg none": b64(b'{"alg":"none","kid":"%s","typ":"at+jwt"}' % KID.encode())
    + b"."
    + b64(json.dumps(_good()).encode())
    + b".",
    "signed by a stranger": sign(_good(), key=STRANGER).encode(),
    "another issuer": sign(_good(iss=ISSUER + "/")).encode(),
    "another audience": sign(_good(aud="TableAPI")).encode(),
    "expired": sign(_good(exp=NOW - DAY)).encode(),
    "of tomorrow": sign(_good(nbf=NOW + 3 * DAY)).encode(),
    "b64 false": sign(_good(), HEADER | {"b64": False, "crit": ["b64"]}).encode(),
    "four parts": sign(_good()).encode() + b".x",
    "five parts": sign(_good()).encode() + b".x.y",
    "two parts": sign(_good()).encode().rpartition(b".")[0],
}


@pytest.mark.parametrize("attack", _NAMED_ATTACKS)
def test_nobody_accepts_a_classic_attack(attack: str) -> None:
    token = _NAMED_ATTACKS[attack].decode()
    assert isinstance(verdict(token), InvalidToken)
    assert pyjwt_accepts(token) is None
    assert joserfc_accepts(token) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_the_public_key_is_no_secret(algorithm: str) -> None:
    for header in (HEADER | {"alg": algorithm}, HEADER):
        signing_input = b64(json.dumps(header).encode()) + b"." + b64(json.dumps(_good()).encode())
        for secret in (PUBLIC_PEM, PUBLIC_PEM.strip(), b""):
            digest = hmac.new(secret, signing_input, algorithm.replace("HS", "sha")).digest()
            token = (signing_input + b"." + b64(digest)).decode()
            assert isinstance(verdict(token), InvalidToken)


@pytest.mark.parametrize("token", _TEMPLATES)
def test_all_three_accept_what_the_issuer_writes(token: str) -> None:
    assert compare(token)


def test_a_header_that_was_accepted_before_is_held_against_the_same_rules() -> None:
    checker = our_verifier()
    good = sign(_good())
    assert checker.verify(good, AUDIENCE).login == "mira.k"
    head, body, signature = good.split(".")
    assert checker.verify(good, AUDIENCE).login == "mira.k"
    forged = f"{head}.{b64(json.dumps(_good(sub='admin')).encode()).decode()}.{signature}"
    with pytest.raises(InvalidToken):
        checker.verify(forged, AUDIENCE)
    with pytest.raises(InvalidToken):
        checker.verify(f"{head}.{body}.{'A' * len(signature)}", AUDIENCE)


# `check_audience` takes an array that also holds what is no text; RFC 7519 §4.1.3 and PyJWT
# want texts only.
@pytest.mark.parametrize("other", [5, None, True, [AUDIENCE], {"x": 1}], ids=repr)
def test_an_audience_that_is_no_text_spoils_the_array(other: Any) -> None:
    compare(sign(_good(aud=[AUDIENCE, other])))


# `check_time` adds a float leeway to an `exp` of any size: OverflowError. It is worse in
# `explain`, which runs the check on tokens that nobody signed.
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("digits", ["9" * 400, "-" + "9" * 400], ids=["huge", "hugely negative"])
def test_a_huge_time_is_refused_or_compared(name: str, digits: str) -> None:
    claims = with_member(_good(**{name: ...}), f'"{name}":{digits}')
    compare(sign(claims))
    our_verifier().explain(sign(claims, key=STRANGER), AUDIENCE)


# msgspec reads a few levels more than `json` can, so `require_unique` raises RecursionError
# in `check_signature`, which expects DuplicateMember only.
def test_every_depth_is_accepted_or_refused() -> None:
    for depth in range(900, 1001):
        nested = '{"x":' * depth + "1" + "}" * depth
        token = sign(with_member(_good(), f'"x":{nested}'))
        assert isinstance(verdict(token), Principal | InvalidToken)
        our_verifier().explain(token, AUDIENCE)
