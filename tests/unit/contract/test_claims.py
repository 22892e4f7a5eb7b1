"""Claim sets that cannot be built wrong [TOK-*, IDT-*]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from mintgate.contract import scopes
from mintgate.contract.claims import (
    BadClaims,
    IdTokenClaims,
    ServiceClaims,
    UserClaims,
    audience_of,
    encode,
)
from mintgate.contract.identifiers import new_hex128

ISSUER = "https://orion.my.example/id"
RESOURCES = f"{ISSUER}/resources"
FIVE = ("DomainAPI", "TableAPI", "OLAP", "AppServer", RESOURCES)
# The examples of the specification, as they are there.
TOK_60 = '{"nbf":1790000100,"exp":1790003700,"iss":"https://orion.my.example/id","aud":["DomainAPI","TableAPI","OLAP","AppServer","https://orion.my.example/id/resources"],"client_id":"shop.example.org/backoffice","sub":"mira.k","sub_id":"0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10","name":"Mira Kolarova","email":"mira.k@orion.example","user_type":"InternalUser","is_admin":false,"email_verified":true,"db":"ORION_PROD","locale":"bg","jti":"556E74D7D09AEBD078F3097B3C48F12A","sid":"73F0BA2F800B9E2CF58BED92D8040FD3","iat":1790000100,"scope":["openid","profile","read","update","offline_access"]}'  # noqa: E501
TOK_61 = '{"nbf":1790000200,"exp":1790003800,"iss":"https://orion.my.example/id","aud":["DomainAPI","TableAPI","OLAP","AppServer","https://orion.my.example/id/resources"],"client_id":"shop.example.org/backoffice","sub":"petar.d","idp":"4b1f2f6e-6f60-4a0e-8f0e-0b8f5b0b9c77","tid":"9c0f6a34-22cc-4a31-b0c5-1a0f0a2f7d11","sub_id":"5a8c7b1e-0f40-4c43-9b1e-72a6c1d0ef02","name":"Petar Donev","email":"petar.d@orion.example","user_type":"InternalUser","is_admin":true,"email_verified":true,"db":"ORION_PROD","locale":"en-US","jti":"DFC9ED27A1E9E076750A75EB485F1856","sid":"CE2FC70B180C502804E46051EE26DD43","iat":1790000200,"scope":["openid","profile","read"]}'  # noqa: E501
TOK_62 = '{"nbf":1790000300,"exp":1790003900,"iss":"https://orion.my.example/id","aud":"https://orion.my.example/id/resources","client_id":"shop.example.org/portal","sub":"buyer@client.example","sub_id":"e2f4a7b0-9d0c-4d8e-8a67-55b0c9b1d003","name":"Ana Buyer","email":"buyer@client.example","user_type":"ExternalCommunityUser","is_admin":false,"email_verified":false,"db":"ORION_PROD","locale":"en","jti":"FDAC08E56EAACC5A85A2CE576E2FCF49","sid":"0A9621810D6A437BCD2ECCB3E1093E2A","iat":1790000300,"scope":["openid","profile"]}'  # noqa: E501
TOK_63 = '{"nbf":1790000400,"exp":1790004000,"iss":"https://orion.my.example/id","aud":["DomainAPI","TableAPI","OLAP","AppServer","https://orion.my.example/id/resources"],"client_id":"sync.example.org/stock","client_system_user":"svc.stock","client_system_user_type":"InternalUser","client_system_user_id":"7c1e0b3a-1d92-4f5c-b0f6-0a4d1a2b3c04","client_db":"ORION_PROD","jti":"FAA68AF7739E4AB79D7EFE9200DF6E98","iat":1790000400,"scope":["read","update"]}'
IDT_20 = '{"nbf":1790000100,"exp":1790000400,"iss":"https://orion.my.example/id","aud":"shop.example.org/backoffice","nonce":"n-71","iat":1790000100,"c_hash":"DqN8JD9gl0sNVMay12zs4w","s_hash":"MXsvCdmtwRTZigg35oZPQw","sid":"73F0BA2F800B9E2CF58BED92D8040FD3","sub":"mira.k","auth_time":1789999950,"idp":"local","amr":["pwd"]}'

Kind = type[UserClaims] | type[ServiceClaims] | type[IdTokenClaims]
EXAMPLE_OF: dict[Kind, str] = {UserClaims: TOK_60, ServiceClaims: TOK_63, IdTokenClaims: IDT_20}


def _members(text: str, **changes: Any) -> dict[str, Any]:
    members = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }
    return {name: value for name, value in (members | changes).items() if value is not ...}


def user(**changes: Any) -> UserClaims:
    return UserClaims(**_members(TOK_60, **changes))


def service(**changes: Any) -> ServiceClaims:
    return ServiceClaims(**_members(TOK_63, **changes))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param(UserClaims, TOK_60, id="TOK-60 TOK-8 TOK-37"),
        pytest.param(UserClaims, TOK_61, id="TOK-61 TOK-44 TOK-45"),
        pytest.param(UserClaims, TOK_62, id="TOK-62 TOK-52"),
        pytest.param(ServiceClaims, TOK_63, id="TOK-63 TOK-7"),
        pytest.param(IdTokenClaims, IDT_20, id="IDT-20 IDT-4"),
    ],
)
def test_the_examples_come_out_byte_for_byte(kind: Kind, text: str) -> None:
    assert encode(kind(**_members(text))).decode() == text


@pytest.mark.parametrize("kind", EXAMPLE_OF, ids=lambda kind: kind.__name__)
def test_a_claim_without_a_value_is_refused(kind: Kind) -> None:
    """TOK-10"""
    example = _members(EXAMPLE_OF[kind])
    for name in example:
        for nothing in (None, "", ()):
            with pytest.raises((BadClaims, TypeError, ValueError)):
                kind(**(example | {name: nothing}))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"nbf": 1790000099}, id="TOK-11 nbf is not iat"),
        pytest.param({"iat": 1790000101}, id="TOK-11 iat is not nbf"),
        pytest.param({"exp": 1790000100}, id="TOK-11 exp is iat"),
        pytest.param({"exp": 1}, id="TOK-11 exp before iat"),
        pytest.param({"jti": "556e74d7d09aebd078f3097b3c48f12a"}, id="TOK-25 jti in lower case"),
        pytest.param({"jti": "556E74D7D09AEBD078F3097B3C48F12"}, id="TOK-25 jti of 31 digits"),
        pytest.param({"jti": "556E74D7D09AEBD078F3097B3C48F12A\n"}, id="TOK-25 jti, newline"),
        pytest.param({"jti": "G" * 32}, id="TOK-25 jti is no hex"),
        pytest.param({"sid": "x"}, id="TOK-29 sid"),
        pytest.param({"email": ...}, id="TOK-34 email_verified without email"),
        pytest.param({"email_verified": ...}, id="TOK-34 email without email_verified"),
        pytest.param({"idp": "local"}, id="TOK-44 idp local"),
        pytest.param({"tid": "x"}, id="TOK-45 tid without idp"),
        pytest.param({"aud": RESOURCES}, id="TOK-50 a text with an API scope"),
        pytest.param({"scope": ("openid",)}, id="TOK-52 an array without API scope"),
        pytest.param({"scope": ("read", "openid")}, id="SCP-20 order"),
        # these are built.
        pytest.param({"scope": ("read", "read")}, id="SCP-9 a scope twice"),
        pytest.param({"aud": FIVE[:4]}, id="TOK-51 without resources"),
        pytest.param({"aud": (*FIVE[4:], *FIVE[:4])}, id="TOK-51 resources first"),
        pytest.param({"aud": "TableAPI", "scope": ("openid",)}, id="TOK-52 another text"),
        # KeyError of token_order instead of BadClaims.
        pytest.param({"scope": ("email", "read")}, id="SCP-20 an unknown scope"),
    ],
)
def test_a_user_token_cannot_be_built_wrong(changes: dict[str, Any]) -> None:
    with pytest.raises(BadClaims):
        user(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sub": "mira.k"}, id="TOK-26 sub"),
        pytest.param({"sub_id": "1"}, id="TOK-27 sub_id"),
        pytest.param({"sid": "A" * 32}, id="TOK-29 sid"),
        pytest.param({"db": "X"}, id="TOK-39 db"),
        pytest.param({"name": "x"}, id="TOK-32 name"),
        pytest.param({"is_admin": True}, id="TOK-37 is_admin"),
        pytest.param({"amr": ("pwd",)}, id="TOK-12 amr"),
        pytest.param({"auth_time": 1}, id="TOK-28 auth_time"),
        pytest.param({"system_user": "x"}, id="TOK-43 system_user"),
        pytest.param({"client_db": ...}, id="TOK-39 no client_db"),
        pytest.param({"client_system_user": ...}, id="TOK-40 no client_system_user"),
        pytest.param({"jti": "x"}, id="TOK-25 jti"),
        pytest.param({"scope": ("openid",)}, id="TOK-50 without API scope"),
        pytest.param({"scope": ("update", "read")}, id="SCP-20 order"),
        pytest.param({"nbf": 1}, id="TOK-11 nbf"),
    ],
)
def test_a_service_token_cannot_be_built_wrong(changes: dict[str, Any]) -> None:
    with pytest.raises((BadClaims, TypeError)):
        service(**changes)


@pytest.mark.parametrize("name", ["client_db", "client_system_user", "auth_time", "nonce", "amr"])
def test_a_user_token_has_no_such_claim(name: str) -> None:
    """TOK-12 TOK-28 TOK-39"""
    with pytest.raises(TypeError):
        user(**{name: "x"})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"auth_time": 1790000101}, id="IDT-10 auth_time later than iat"),
        pytest.param({"exp": 1790000100}, id="IDT-3 exp is iat"),
        pytest.param({"sid": "x"}, id="IDT-11 sid"),
        pytest.param({"amr": ()}, id="IDT-13 no amr"),
    ],
)
def test_an_id_token_cannot_be_built_wrong(changes: dict[str, Any]) -> None:
    with pytest.raises(BadClaims):
        IdTokenClaims(**_members(IDT_20, **changes))


def test_optional_claims_are_left_out() -> None:
    """TOK-10 TOK-33 TOK-42"""
    without = json.loads(encode(user(email=UNSET, email_verified=UNSET)))
    assert not {"email", "email_verified", "idp", "tid"} & set(without)
    assert "client_system_user_id" not in json.loads(encode(service(client_system_user_id=UNSET)))
    assert json.loads(encode(user(is_admin=False)))["is_admin"] is False  # [TOK-37]
    assert json.loads(encode(user(email_verified=False)))["email_verified"] is False


@pytest.mark.parametrize(
    ("granted", "audience"),
    [
        *(
            pytest.param((name,), FIVE, id=f"TOK-50 {name}")
            for name in ("read", "update", "sec", "DomainApi")
        ),
        pytest.param(("openid", "read"), FIVE, id="TOK-50 TOK-51 one API scope is enough"),
        pytest.param(("openid", "profile"), RESOURCES, id="TOK-52 none"),
        pytest.param(("offline_access",), RESOURCES, id="TOK-52 offline_access"),
        pytest.param((), RESOURCES, id="TOK-52 nothing"),
    ],
)
def test_audience(granted: tuple[str, ...], audience: tuple[str, ...] | str) -> None:
    assert audience_of(granted, ISSUER) == audience


def test_operator_defined_apis_come_before_resources() -> None:
    """EXT-12 TOK-50 TOK-51 TOK-52"""
    assert audience_of(("read",), ISSUER, ("Shop",)) == (*FIVE[:4], "Shop", RESOURCES)
    assert audience_of(("openid",), ISSUER, ("Shop",)) == RESOURCES


_texts = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())
_hex = st.text("0123456789ABCDEF", min_size=32, max_size=32)
_granted = st.sets(st.sampled_from(scopes.TOKEN_ORDER), min_size=1).map(scopes.token_order)


@settings(deadline=None, max_examples=400)
@given(
    granted=_granted, name=_texts, database=_texts, jti=_hex, sid=_hex,
    iat=st.integers(0, 2**40), lifetime=st.integers(1, 10**6),
)  # fmt: skip
def test_whatever_is_granted_can_be_built_and_read_back(
    granted: tuple[str, ...], name: str, database: str, jti: str, sid: str, iat: int, lifetime: int
) -> None:
    """TOK-8 TOK-11 TOP-11"""
    claims = user(
        scope=granted, aud=audience_of(granted, ISSUER), name=name, db=database, jti=jti, sid=sid,
        iat=iat, nbf=iat, exp=iat + lifetime,
    )  # fmt: skip
    written = json.loads(encode(claims))
    assert list(written) == [n for n in json.loads(TOK_60) if n in written]
    assert None not in written.values()
    assert (written["name"], written["db"]) == (name, database)
    assert tuple(written["scope"]) == granted


SNIPPET = """
from mintgate.contract.claims import ServiceClaims

def wrong() -> ServiceClaims:
    return ServiceClaims(
        nbf=1, exp=2, iss="i", aud=("a",), client_id="c", client_system_user="u",
        client_system_user_type="InternalUser", client_db="d", jti="A" * 32, iat=1,
        scope=("read",), sub="mira.k",
    )
"""


def test_a_service_token_with_sub_does_not_type_check(tmp_path: Path) -> None:
    """TOK-26: not only at run time."""
    snippet = tmp_path / "snippet.py"
    for text, is_good in ((SNIPPET, False), (SNIPPET.replace(', sub="mira.k"', ""), True)):
        snippet.write_text(text)
        ran = subprocess.run(
            [
                sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
                "--config-file=", f"--cache-dir={tmp_path / 'cache'}", str(snippet),
            ],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (ran.returncode == 0) == is_good, ran.stdout + ran.stderr
        assert ('Unexpected keyword argument "sub"' in ran.stdout) != is_good


def test_identifiers_are_given_out_once_also_after_a_fork() -> None:
    """[TOK-25] drawn many at once, each used once, in every process."""
    new_hex128()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "\n".join(new_hex128() for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 65_536).decode().split("\n")
    ours = [new_hex128() for _ in range(500)]
    assert len({*theirs, *ours}) == 550
