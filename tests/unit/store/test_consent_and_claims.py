"""Withdrawn consent, and what was asked for beside the scopes, on both engines [EXT-2, EXT-15]."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from mintgate.store import (
    Database,
    Transaction,
    applications,
    audit,
    codes,
    instances,
    refresh,
    schema,
    userinfo_requests,
)
from mintgate.store.codes import StoredCode
from mintgate.store.tables import refresh_families
from tests.unit.store.test_conformance import (
    APPLICATION,
    CODE,
    FAMILY,
    HERE,
    LYRA,
    ORION,
    USER,
    presented_for,
    write,
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, lambda: 1000.0)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
        instances.add(tx, LYRA)
    yield database
    database.close()


def withdraw(database: Database) -> bool:
    return bool(
        write(
            database,
            lambda tx: applications.withdraw_consent(
                tx, HERE, USER, APPLICATION, actor="mira.k", address="127.0.0.1"
            ),
        )
    )


def test_withdrawn_consent(database: Database) -> None:
    """[EXT-2] the row, codes and refresh families of this user and application, and no others"""
    replace = msgspec.structs.replace
    others = (("f2", "u2", "app1"), ("f3", "u1", "app2"))
    with database.begin() as tx:
        for user_id, application_id in (("u1", "app1"), ("u2", "app1"), ("u1", "app2")):
            scopes = frozenset({"openid"})
            applications.remember_consent(tx, HERE, user_id, application_id, scopes)
        refresh.start_family(tx, HERE, FAMILY, "T1")
        refresh.start_family(tx, LYRA.id, FAMILY, "T1")
        codes.add(tx, HERE, CODE)
        codes.add(tx, LYRA.id, CODE)
        for name, user_id, application_id in others:
            whose = {"user_id": user_id, "application_id": application_id}
            refresh.start_family(tx, HERE, replace(FAMILY, id=name, **whose), name)
            codes.add(tx, HERE, replace(CODE, code_hash=name, **whose))

    assert withdraw(database)

    def consented(user_id: str, application_id: str) -> frozenset[str]:
        return database.read_now(
            lambda c: applications.consented_scopes(c, HERE, user_id, application_id)
        )

    def revoked(instance_id: str, token: str) -> bool:
        found = database.read_now(lambda c: refresh.find(c, instance_id, token))
        return found is not None and found.family.revoked_at is not None

    def waits(instance_id: str, code: str) -> bool:
        return database.read_now(lambda c: codes.find(c, instance_id, code)) is not None

    assert consented("u1", "app1") == frozenset()
    assert revoked(HERE, "T1")
    assert not waits(HERE, CODE.code_hash)
    assert not revoked(LYRA.id, "T1")
    assert waits(LYRA.id, CODE.code_hash)
    for name, user_id, application_id in others:
        assert consented(user_id, application_id) == {"openid"}
        assert not revoked(HERE, name)
        assert waits(HERE, name)
    (event,) = database.read_now(lambda c: audit.latest(c, HERE))
    assert (event.event, event.actor) == ("consent.withdrawn", "mira.k")
    assert (event.application, event.address) == (APPLICATION.application_uri, "127.0.0.1")
    assert (event.subject_id, event.details) == (USER.id, {"refresh_families": 1})
    because = select(refresh_families.c.revoked_because).where(
        refresh_families.c.instance_id == HERE, refresh_families.c.id == "f1"
    )
    assert database.read_now(lambda c: c.execute(because).scalar_one()) == "consent_withdrawn"
    assert not withdraw(database)
    assert len(database.read_now(lambda c: audit.latest(c, HERE))) == 1  # nothing was withdrawn


def test_consent_withdrawn_while_a_code_is_redeemed(database: Database) -> None:
    """[EXT-2] Whichever comes first: no family lives on."""
    for turn in range(10):
        code = msgspec.structs.replace(CODE, code_hash=f"C{turn}")
        family = msgspec.structs.replace(FAMILY, id=f"f{turn}")
        write(database, lambda tx, code=code: codes.add(tx, HERE, code))

        def redeem(tx: Transaction, code: StoredCode = code, family: Any = family) -> bool:
            if codes.redeem(tx, HERE, code.code_hash, **presented_for(code)) is None:
                return False
            time.sleep(0.002)  # let the other one come between
            refresh.start_family(tx, HERE, family, family.id)
            return True

        with ThreadPoolExecutor(2) as threads:
            redeemed = threads.submit(write, database, redeem)
            threads.submit(withdraw, database).result()
        found = database.read_now(lambda c, f=family: refresh.find(c, HERE, f.id))
        assert redeemed.result() == (found is not None)
        assert found is None or found.family.revoked_at is not None


def test_some_application_asks_for_consent(database: Database) -> None:
    """[EXT-2, DSC-11]"""
    asks = database.read_now(lambda c: applications.some_requires_consent(c, HERE))
    assert not asks
    for enabled, expected in ((True, True), (False, False)):
        asking = msgspec.structs.replace(APPLICATION, require_consent=True, is_enabled=enabled)
        with database.begin() as tx:
            if expected:
                applications.add(tx, HERE, asking)
            applications.change(tx, HERE, asking)
        for where, wanted in ((HERE, expected), (LYRA.id, False)):
            assert wanted == database.read_now(
                lambda c, w=where: applications.some_requires_consent(c, w)
            )


def test_what_userinfo_was_asked_for(database: Database) -> None:
    """[EXT-15]"""
    write(
        database,
        lambda tx: userinfo_requests.add(tx, HERE, "J", ("name", "email"), 100.0),
    )

    def asked(instance_id: str, jti: str) -> tuple[str, ...]:
        return database.read_now(lambda c: userinfo_requests.claims_of(c, instance_id, jti))

    assert asked(HERE, "J") == ("name", "email")
    assert asked(HERE, "other") == asked(LYRA.id, "J") == ()
    assert write(database, lambda tx: userinfo_requests.purge(tx, HERE, 100.0)) == 0
    assert write(database, lambda tx: userinfo_requests.purge(tx, HERE, 100.1)) == 1
    assert asked(HERE, "J") == ()


def test_codes_and_families_keep_what_was_asked_for(database: Database) -> None:
    """[AUT-45, EXT-15]"""
    asked: dict[str, Any] = {"acr": "pwd", "id_token_claims": ("email",)}
    asked |= {"userinfo_claims": ("name", "locale")}
    code = msgspec.structs.replace(CODE, **asked)
    family = msgspec.structs.replace(FAMILY, **asked)
    with database.begin() as tx:
        codes.add(tx, HERE, code)
        refresh.start_family(tx, HERE, family, "T")
    assert database.read_now(lambda c: codes.find(c, HERE, code.code_hash)) == code
    found = database.read_now(lambda c: refresh.find(c, HERE, "T"))
    assert found is not None
    assert found.family == family
