"""Sessions of legacy logins, on both engines [LEG-12, LEG-14]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from mintgate.contract.feed import ClosedSession
from mintgate.contract.identifiers import token_digest
from mintgate.store import (
    applications,
    audit,
    erp_sessions,
    feed,
    legacy_sessions,
    legacy_uses,
    users,
)
from mintgate.store.audit import AuditEvent
from mintgate.store.erp_sessions import Opened, Opening
from mintgate.store.legacy_sessions import LegacyLogin
from tests.unit.store.session_office import HERE, Office, opening_of
from tests.unit.store.test_conformance import APPLICATION
from tests.world import NOW

MINUTE = 60.0


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    office = Office(database_url, licences=3)
    office.hire("ann", "bob")
    yield office
    office.database.close()


def id_of(office: Office, login: str) -> str:
    user = office.database.read_now(lambda c: users.by_login(c, HERE, login))
    assert user is not None
    return user.id


def log_in(office: Office, login: str, nonce: str, **more: Any) -> tuple[Opened, str]:
    given = {"user_id": id_of(office, login), "kind": "legacy", "login_nonce": nonce} | more
    opening = Opening(
        key="", login=login, client_id=str(given.pop("client_id", "app")), process="P1", **given
    )
    with office.database.begin() as tx:
        return legacy_sessions.open_or_find(tx, HERE, opening, token_digest)


def found(office: Office, nonce: str, here: str = "P1") -> LegacyLogin | None:
    key = token_digest(nonce)
    return office.database.read_now(
        lambda c: legacy_sessions.by_key(c, HERE, key, office.clock(), here)
    )


def test_the_same_login_finds_its_session(office: Office) -> None:
    """[LEG-14] by user and application, as long as it is open"""
    opened, nonce = log_in(office, "ann", "n1", language="bg")
    assert (nonce, opened.session and opened.session.key) == ("n1", token_digest("n1"))
    office.clock.advance(19 * MINUTE)
    assert log_in(office, "ann", "n2")[1] == "n1"
    assert log_in(office, "ann", "n3", client_id="other")[1] == "n3"
    assert log_in(office, "bob", "n4")[1] == "n4"
    assert office.counts().in_use == 3
    refused, _ = log_in(office, "bob", "n5", client_id="other")
    assert refused.session is None
    assert refused.refused is not None
    login = found(office, "n1")
    assert login is not None
    assert (login.client_ids, login.login_nonce, login.language) == (("app",), "n1", "bg")
    office.clock.advance(19 * MINUTE)
    assert log_in(office, "ann", "n6", language="de")[1] == "n1"
    assert (login := found(office, "n1")) is not None
    assert login.language == "de"
    office.clock.advance(20 * MINUTE)
    assert found(office, "n1") is None
    assert log_in(office, "ann", "n7")[1] == "n7"


def test_the_use_of_an_id_opens_nothing(office: Office) -> None:
    """[LEG-12]"""
    log_in(office, "ann", "n1")
    use = opening_of("ann", key=token_digest("n1"), kind="legacy", only_join=True)
    with office.database.begin() as tx:
        assert erp_sessions.open_or_join(tx, HERE, use).session is not None
    office.clock.advance(20 * MINUTE)
    with office.database.begin() as tx:
        opened = erp_sessions.open_or_join(tx, HERE, use)
    assert (opened.session, opened.is_over) == (None, True)
    assert office.counts().in_use == 0


def test_sessions_of_tokens_are_no_logins(office: Office) -> None:
    office.open("ann", "sid")
    assert (
        office.database.read_now(lambda c: legacy_sessions.by_key(c, HERE, "sid", NOW, "P1"))
        is None
    )
    assert log_in(office, "ann", "n1")[1] == "n1"


@pytest.mark.parametrize("change", ["password", "disabled", "locked", "removed", "everything"])
def test_what_ends_them(change: str, office: Office) -> None:
    """[USR-22] and the feed tells it"""
    ann = id_of(office, "ann")
    log_in(office, "ann", "n1")
    log_in(office, "bob", "n2")
    office.open("ann", "sid of ann")
    user = office.database.read_now(lambda c: users.by_id(c, HERE, ann))
    assert user is not None
    replaced = {name: getattr(user, name) for name in user.__struct_fields__}
    with office.database.begin() as tx:
        match change:
            case "password":
                users.set_password(tx, HERE, ann, "a hash")
            case "disabled":
                users.change(tx, HERE, type(user)(**(replaced | {"active": False})))
            case "locked":
                users.change(tx, HERE, type(user)(**(replaced | {"locked_until": NOW + 9})))
            case "removed":
                users.remove(tx, HERE, ann)
            case "everything":
                users.revoke_everything(tx, HERE, ann, "ada")
    assert found(office, "n1") is None
    assert found(office, "n2") is not None
    assert office.session("sid of ann") is not None  # a token's, which has its own end
    told = office.database.read_now(lambda c: feed.after(c, HERE, 0))
    assert ClosedSession(session=token_digest("n1")) in [
        ClosedSession(session=one.data["session"]) for one in told if one.kind == "erp_session"
    ]
    # Passwords that were right a moment ago are forgotten by it.
    assert [one.subject for one in told if one.kind == "user"][-1] == ann
    events = office.database.read_now(lambda c: audit.latest(c, HERE, 100))
    (closed,) = [e for e in events if e.event == "erp_session.closed"]
    assert (closed.details or {})["because"] == "user_changed"


def test_an_application_whose_everything_is_revoked(office: Office) -> None:
    """[LIF-18] an id is a credential; others of the user, and other sessions, go on"""
    application = msgspec.structs.replace(APPLICATION, application_uri="app")
    with office.database.begin() as tx:
        applications.add(tx, HERE, application)
    log_in(office, "ann", "n1")
    log_in(office, "bob", "n2", client_id="other")
    office.open("ann", "sid of ann")
    with office.database.begin() as tx:
        assert applications.revoke_everything(tx, HERE, application.id, "ada")
    assert found(office, "n1") is None
    assert found(office, "n2") is not None
    assert office.session("sid of ann") is not None
    told = office.database.read_now(lambda c: feed.after(c, HERE, 0))
    closed = [one.data["session"] for one in told if one.kind == "erp_session"]
    assert closed == [token_digest("n1")]
    events = office.database.read_now(lambda c: audit.latest(c, HERE, 100))
    (event,) = [e for e in events if e.event == "erp_session.closed"]
    assert (event.details or {})["because"] == "application_revoked"


def test_uses_are_added_up(office: Office) -> None:
    """By scheme, API, application and user, whatever the addresses."""

    def use(at: float, count: int, **more: Any) -> AuditEvent:
        told = {"actor": "ann", "actor_id": "A", "application": "app", "address": "192.0.2.1"}
        details = {"scheme": "Basic", "api": "DomainAPI", "count": count}
        details |= {name: more.pop(name) for name in ("scheme", "api") if name in more}
        event = legacy_uses.EVENT
        return AuditEvent(instance_id=HERE, at=at, event=event, details=details, **(told | more))

    with office.database.begin() as tx:
        for event in (
            use(NOW - 9, 100),
            use(NOW, 1),
            use(NOW + 1, 5, address="192.0.2.2"),
            use(NOW + 2, 7, scheme="ErpSession"),
            use(NOW + 3, 1, api="TableAPI", actor="bob", actor_id="B"),
            use(NOW + 4, 2, application="other"),
        ):
            tx.record(event)
        tx.record(AuditEvent(instance_id=HERE, at=NOW, event="token.issued"))
    uses = office.database.read_now(lambda c: legacy_uses.since(c, HERE, NOW))
    assert [(u.scheme, u.api, u.application, u.login, u.count) for u in uses] == [
        ("Basic", "DomainAPI", "other", "ann", 2),
        ("Basic", "TableAPI", "app", "bob", 1),
        ("ErpSession", "DomainAPI", "app", "ann", 7),
        ("Basic", "DomainAPI", "app", "ann", 6),
    ]
    assert sorted(uses[3].addresses) == ["192.0.2.1", "192.0.2.2"]
    assert (uses[3].first_at, uses[3].last_at) == (NOW, NOW + 1)
