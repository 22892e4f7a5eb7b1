"""base64url, JSON without duplicates, and key sets, against their obvious models."""

from __future__ import annotations

import base64
import json
import string
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mintgate.jose import KeySet, MalformedKeySet, MalformedToken, PublicKey, SigningKey
from mintgate.jose import parse_compact as parse
from mintgate.jose.encoding import (
    DuplicateMember,
    base64url_decode,
    base64url_encode,
    decode_object,
    require_unique,
)

KID = "0123456789ABCDEF0123456789ABCDEF"
KEY = SigningKey.generate(KID)
PUBLISHED: dict[str, Any] = KEY.public.to_jwk()
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

_SLOW = [HealthCheck.too_slow]
_URL_ALPHABET = string.ascii_letters + string.digits + "-_"


# --- base64url ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=400)
@given(data=st.binary(max_size=100))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    text = base64url_encode(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=")
    assert base64url_decode(text) == data


@settings(deadline=None, max_examples=600)
@given(text=st.text(alphabet=_URL_ALPHABET + '+/=. \n\x00"\\\\u%é', max_size=12).map(str.encode))
def test_only_the_one_spelling_is_decoded(text: bytes) -> None:
    try:
        data = base64url_decode(text)
    except ValueError:
        # Whatever decodes leniently has another spelling than this one.
        try:
            lenient = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except ValueError:
            return
        assert base64url_encode(lenient) != text
    else:
        assert base64url_encode(data) == text


@settings(deadline=None, max_examples=500)
@given(data=st.binary(max_size=30))
def test_any_bytes_are_decoded_or_refused_with_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert base64url_encode(base64url_decode(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"A", id="one character"),
        pytest.param(b"AAAAA", id="five characters"),
        pytest.param(b"QQ==", id="padding"),
        pytest.param(b"QUI=", id="short padding"),
        pytest.param(b"=", id="only padding"),
        pytest.param(b"====", id="only much padding"),
        pytest.param(b"QR", id="stray bits of two"),
        pytest.param(b"QUJ", id="stray bits of three"),
        pytest.param(b"Q+==", id="plus"),
        pytest.param(b"ab+/", id="standard alphabet"),
        pytest.param(b"QUFB\n", id="newline at the end"),
        pytest.param(b"QU\nFB", id="newline inside"),
        pytest.param(b" QUFB", id="space"),
        pytest.param(b"QUFB QUFB", id="space inside"),
        pytest.param(b"QU\x00B", id="nul"),
        pytest.param("QUÉ".encode(), id="not ASCII"),
        pytest.param(b"QUF!", id="the stand-in character"),
    ],
)
def test_refused_base64url(text: bytes) -> None:
    with pytest.raises(ValueError):
        base64url_decode(text)


# --- require_unique -----------------------------------------------------------------------------


def _is_unique(text: bytes) -> bool:
    """The truth: a parser that shows every pair."""
    unique = True

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal unique
        unique = unique and len(dict(pairs)) == len(pairs)
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return unique


_space = st.sampled_from(["", "", "", "", " ", "\t", "\n", "\r\n", "  "])
_contents = st.sampled_from(
    ["", "a", "b", "ab", '":', '" :', '","', '\\":', "{", "\\", "\u00e9", "a\nb", '"a":1,"a":2']
) | st.text(alphabet='ab":{},\\ \u00e9', max_size=5)


@st.composite
def _strings(draw: st.DrawFn) -> str:
    """A JSON string in one of its spellings."""
    text = draw(_contents)
    plain = json.dumps(text, ensure_ascii=draw(st.booleans()))
    if not draw(st.integers(0, 2)):
        return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'
    return plain


@st.composite
def _objects(draw: st.DrawFn, depth: int = 2) -> str:
    members = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["text", "number", "object", "array"] if depth else ["text"]))
        if kind == "text":
            value = draw(_strings())
        elif kind == "number":
            value = draw(st.sampled_from(["1", "-0", "1.5e3", "true", "null"]))
        elif kind == "object":
            value = draw(_objects(depth=depth - 1))
        else:
            value = f"[{draw(_objects(depth=depth - 1))},{draw(_strings())}]"
        s = [draw(_space) for _ in range(4)]
        members.append(f"{s[0]}{draw(_strings())}{s[1]}:{s[2]}{value}{s[3]}")
    return "{" + ",".join(members) + (draw(_space) if not members else "") + "}"


@settings(deadline=None, max_examples=400, suppress_health_check=_SLOW)
@given(text=_objects())
@example(text='{"a":1,"a":2}')
@example(text='{"a":1,"\\u0061":2}')
@example(text='{"a":1,"a" :2}')
@example(text='{"a":1,"a"\t:2,"b":"\\":"}')
@example(text='{"a":1,"a"\n:2,"b":3,"c":"\\":"}')
@example(text='{"a":1,"a"\r:2,"b":3,"c":"\\":"}')
@example(text='{"a":"x\\":","a":1}')
@example(text='{"a":{"b":1,"b":2}}')
@example(text='{"a":[{"b":1,"b" :2}],"c":1}')
@example(text='{"\\"":1,"\\"":2}')
@example(text='{"":1,"":2}')
@example(text="{}")
def test_require_unique_agrees_with_a_parser_that_sees_every_pair(text: str) -> None:
    raw = text.encode()
    decoded = decode_object(raw)
    if _is_unique(raw):
        require_unique(raw, decoded)
        assert decoded == json.loads(raw)
    else:
        with pytest.raises(DuplicateMember):
            require_unique(raw, decoded)


@settings(deadline=None, max_examples=500)
@given(place=st.integers(0, 2), data=st.binary(max_size=40), encoded=st.booleans())
def test_parsing_any_bytes_raises_nothing_but_malformed_token(
    place: int, data: bytes, encoded: bool
) -> None:
    pieces = [b"e30", b"e30", b"e30"]
    pieces[place] = base64url_encode(data) if encoded else data
    with suppress(MalformedToken):
        parsed = parse(b".".join(pieces), {})
        assert isinstance(parsed.header, dict)
        assert isinstance(parsed.claims, dict)


# --- key sets -----------------------------------------------------------------------------------

_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=10)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)  # fmt: skip
_number_texts = st.one_of(
    st.sampled_from([PUBLISHED["n"], PUBLISHED["e"], "", "AQ", "AA", "A", "Aw", "====", "é", "!"]),
    st.binary(max_size=300).map(base64url_encode).map(bytes.decode),
    st.integers(0, 2**2049).map(
        lambda n: base64url_encode(n.to_bytes((n.bit_length() + 7) // 8 or 1, "big")).decode()
    ),
)
_jwks = st.fixed_dictionaries(
    {},
    optional={
        "kty": st.sampled_from(["RSA", "RSA", "RSA", "EC", "oct", "rsa"]) | _json_values,
        "kid": st.just(KID) | _json_values,
        "use": st.sampled_from(["sig", "enc"]) | _json_values,
        "alg": st.sampled_from(["RS256", "PS256", "HS256", "none"]) | _json_values,
        "n": _number_texts | _json_values,
        "e": _number_texts | _json_values,
        "d": _number_texts | _json_values,
        "key_ops": _json_values,
        "x5c": _json_values,
    },
)


@settings(deadline=None, max_examples=600, suppress_health_check=_SLOW)
@given(document=st.fixed_dictionaries({"keys": st.lists(_jwks | _json_values, max_size=4)}))
def test_hostile_members_are_passed_over(document: dict[str, Any]) -> None:
    keys = KeySet.from_json(json.dumps(document).encode())
    for key in keys:
        assert key.to_jwk()["kty"] == "RSA"
        assert not PRIVATE_MEMBERS & set(key.to_jwk())


@settings(deadline=None, max_examples=500)
@given(
    text=st.binary(max_size=60)
    | _json_values.filter(lambda v: not _is_key_set(v)).map(lambda v: json.dumps(v).encode())
)
@example(text=b"[" * 5000 + b"]" * 5000)
@example(text=b'{"keys":' * 2000)
@example(text=b'{"keys":' + b"[" * 3000 + b"]" * 3000 + b"}")
@example(text=b'{"keys":{}}')
@example(text=b'{"keys":null}')
@example(text=b'{"keys":[1e999]}')
@example(text=b"\xef\xbb\xbf{}")
@example(text=json.dumps({"keys": [{}] * 65}).encode())
def test_what_is_no_key_set_raises_malformed_key_set(text: bytes) -> None:
    with pytest.raises(MalformedKeySet):
        KeySet.from_json(text)


def _is_key_set(value: Any) -> bool:
    # Hypothesis may find the name "keys" in our own source.
    return isinstance(value, dict) and isinstance(value.get("keys"), list)


def _set_of(*members: dict[str, Any]) -> KeySet:
    return KeySet.from_json(json.dumps({"keys": members}).encode())


def _number(value: int) -> str:
    return base64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("change", "usable"),
    [
        pytest.param({}, True, id="DSC-13 as published"),
        pytest.param({"x5t": "abc", "unknown": [1]}, True, id="unknown members"),
        pytest.param({"use": "enc"}, False, id="for encryption"),
        pytest.param({"alg": "PS384"}, False, id="for another algorithm"),
        pytest.param({"kty": "EC"}, False, id="another type"),
        pytest.param({"kid": ""}, False, id="empty kid"),
        pytest.param({"kid": 7}, False, id="kid is no text"),
        pytest.param({"kid": None}, False, id="kid is null"),
        pytest.param({"n": _number((1 << 2047) - 1)}, False, id="TOK-2 2047 bit"),
        pytest.param({"e": "AQ"}, False, id="exponent 1"),
        pytest.param({"e": "Ag"}, False, id="even exponent"),
        pytest.param({"n": "A A"}, False, id="no base64url"),
        # RFC 7517 §4.3, a key whose `key_ops` lack `verify` says what it is for, too.
        pytest.param({"use": ..., "key_ops": ["encrypt"]}, False, id="key_ops of encryption"),
        pytest.param({"key_ops": ["verify"]}, True, id="key_ops of signatures"),
    ],
)
def test_which_keys_are_usable(change: dict[str, Any], usable: bool) -> None:
    members = {name: value for name, value in (PUBLISHED | change).items() if value is not ...}
    assert len(_set_of(members)) == int(usable)


def test_64_keys_are_read_and_65_are_not() -> None:
    members = [PUBLISHED | {"kid": f"K{number}"} for number in range(64)]
    assert len(_set_of(*members)) == 64
    with pytest.raises(MalformedKeySet):
        _set_of(*members, PUBLISHED)


def test_private_members_are_never_published() -> None:
    published = KeySet([KEY.public]).to_dict()
    assert published == {"keys": [PUBLISHED]}
    assert list(PUBLISHED) == ["kty", "use", "alg", "kid", "n", "e"]  # [DSC-13]
    # A private JWK that somebody published by mistake is read as its public half.
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    private = {
        "n": _number(numbers.public_numbers.n), "e": _number(numbers.public_numbers.e),
        "d": _number(numbers.d), "p": _number(numbers.p), "q": _number(numbers.q),
        "dp": _number(numbers.dmp1), "dq": _number(numbers.dmq1), "qi": _number(numbers.iqmp),
    }  # fmt: skip
    again = _set_of({"kty": "RSA", "kid": KID, **private}).to_dict()
    assert set(again["keys"][0]) == {"kty", "use", "alg", "kid", "n", "e"}


def test_a_private_key_never_prints_itself() -> None:
    assert repr(KEY) == str(KEY) == f"SigningKey(kid={KID})"
    assert "PRIVATE" not in f"{KEY!r}{vars(KEY.public)}"


def test_a_short_key_is_refused() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(ValueError, match="2048"):
        PublicKey(KID, short.public_key())
    with pytest.raises(ValueError, match="2048"):
        SigningKey(KID, short)


@pytest.mark.parametrize("typ", ["at+jwt", "JWT"])
def test_the_header_is_alg_kid_typ_in_this_order(typ: str) -> None:
    parsed = parse(KEY.sign(b"{}", typ), {})
    assert list(parsed.header.items()) == [("alg", "RS256"), ("kid", KID), ("typ", typ)]  # [TOK-1]
    assert KEY.public.verifies(parsed.signature, parsed.signing_input)


def test_a_key_survives_pkcs8() -> None:
    again = SigningKey.from_pkcs8(KID, KEY.to_pkcs8())
    assert again.public.to_jwk() == PUBLISHED
