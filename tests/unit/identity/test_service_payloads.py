"""Payloads of service tokens that are put together are those that the claims give."""

from __future__ import annotations

import msgspec
import pytest

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.claims import BadClaims, encode
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.identity import service_payloads
from mintgate.identity.grants import ServiceGrant
from mintgate.identity.mint import service_claims
from mintgate.identity.service_payloads import ServicePayloads

ORION = Instance(id="a", name="orion", database="ÖRION %b X-1", base_url="https://orion.example")
USER = User(id="u1", login="svc.stöck", name={"en": "S"}, user_type=UserType.SYSTEM)
APPLICATION = TrustedApplication(
    id="app1",
    name={"en": "Stock"},
    application_uri='a"jti":"b","iat":1',
    scope="read update",
    audiences="Shop",
)


def grant(**changes: object) -> ServiceGrant:
    usual = ServiceGrant(
        application=APPLICATION,
        system_user=USER,
        scopes=("update", "read"),
        jti=new_hex128(),
        issued_at=1_790_000_100,
    )
    return msgspec.structs.replace(usual, **changes)


def test_the_same_bytes_as_from_claims() -> None:
    """[TOK-7, TOK-20..45] also after a record, or the instance, was replaced by another"""
    payloads = ServicePayloads(service_claims)
    renamed = msgspec.structs.replace(USER, login="svc.other")
    elsewhere = msgspec.structs.replace(APPLICATION, audiences=None)
    shorter = msgspec.structs.replace(ORION, access_token_lifetime=60, database="B")
    for instance in (ORION, shorter, ORION):
        for changes in (
            {},
            {"issued_at": 1_790_000_999},
            {"system_user": renamed},
            {"application": elsewhere},
            {"scopes": ("read",)},
            {},
        ):
            given = grant(**changes)
            made = payloads.payload(given, instance)
            assert made == encode(service_claims(given, instance))
            # as msgspec gives them, and JSON at all
            assert msgspec.json.decode(made)["jti"] == given.jti


def test_bad_claims_are_refused() -> None:
    """[TOK-10, TOK-25]"""
    payloads = ServicePayloads(service_claims)
    for _ in range(2):
        with pytest.raises(BadClaims):
            payloads.payload(grant(jti="no"), ORION)
        nameless = msgspec.structs.replace(USER, login="")
        with pytest.raises(BadClaims):
            payloads.payload(grant(system_user=nameless), ORION)
        payloads.payload(grant(), ORION)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_payloads, "MAX_KNOWN", 3)
    payloads = ServicePayloads(service_claims)
    for number in range(10):
        application = msgspec.structs.replace(APPLICATION, id=f"app{number}")
        given = grant(application=application)
        assert payloads.payload(given, ORION) == encode(service_claims(given, ORION))
    assert len(payloads._known) == 3
