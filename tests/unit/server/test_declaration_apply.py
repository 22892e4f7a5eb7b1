"""Applying a declared instance: all of it, once, told and audited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.identity import passwords
from mintgate.identity.passwords import password_matches
from mintgate.server import declaration as declarations
from mintgate.server.declaration import apply, export, plan, read
from mintgate.store import Database, apis, applications, audit, instances, keys, users
from mintgate.store.keys import KeyEncryptionKey
from tests.unit.server.declared_example import (
    CHEAP_HASHER,
    ENVIRONMENT,
    EXAMPLE,
    a_database,
    applied,
    kek,
    told,
)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with a_database(tmp_path / "mintgate.db") as database:
        yield database


def test_the_example_applies_and_the_second_time_changes_nothing(database: Database) -> None:
    first = applied(database, EXAMPLE)
    assert told(first) == [
        "instance added testdb",
        "user added svc.integration",
        "user added john.doe",
        "application added my.trusted.app/service",
        "application added my.trusted.app/web",
        "api added DomainAPI",
    ]
    assert applied(database, EXAMPLE).changes == ()
    instance_id = first.instance.id
    connection = database.engine.connect()
    service = applications.by_uri(connection, instance_id, "my.trusted.app/service")
    system_user = users.by_login(connection, instance_id, "svc.integration")
    assert service is not None
    assert system_user is not None
    assert service.system_user == system_user.id
    assert service.application_secret_hash == secret_hash("service-secret")
    john = users.for_sign_in(connection, instance_id, "john.doe@example.com")
    assert john is not None
    assert password_matches("john-password", john[1] or "")
    assert len(keys.all_of(connection, instance_id, kek())) == 1
    assert apis.secrets_of(connection, instance_id) == {"DomainAPI": secret_hash("api-secret")}
    connection.close()


def test_export_and_apply_change_nothing_here_and_make_the_same_elsewhere(
    database: Database, tmp_path: Path
) -> None:
    extra = """LockoutEndUtc = 2031-01-31T12:00:00Z
    PhoneNumber = '+359 "2" \\ 1'
    [[users]]
    Login = "locked"
    Name = { en = "Locked", bg = "Заключен" }
    UserType = "VirtualUserNoLogin"
    LockoutEndUtc = inf
    Active = false
    """
    instance = applied(database, EXAMPLE + extra).instance
    text = export(database, instance)
    assert text.startswith("#")
    assert "hashes" in text.splitlines()[1]
    assert applied(database, text).changes == ()
    assert applied(database, text, prune=True).changes == ()
    with a_database(tmp_path / "elsewhere.db") as elsewhere:
        assert len(applied(elsewhere, text).changes) == 7
        assert export(elsewhere, elsewhere.read_now(instances.all_of)[0]) == text


def test_export_without_secrets_has_none_and_applying_it_keeps_them(database: Database) -> None:
    instance = applied(database, EXAMPLE).instance
    text = export(database, instance, secrets=False)
    assert "SecretHash" not in text
    assert "PasswordHash" not in text
    assert applied(database, text).changes == ()


def test_changes_are_told_by_attribute_and_without_secrets(database: Database) -> None:
    applied(database, EXAMPLE)
    edited = (
        EXAMPLE.replace('Scope = "read"\n', 'Scope = "read update"\n')
        .replace('{ env = "WEB_SECRET" }', '"another-secret"')
        .replace('{ env = "JOHN_PASSWORD" }', '"another-password"')
        .replace("licences = 10", "licences = 20")
    )
    planned = applied(database, edited)
    assert [
        (d.attribute, d.before, d.after)
        for change in planned.changes
        for d in declarations.differences_of(change, planned.logins)
    ] == [
        ("licences", "10", "20"),
        ("Password", None, "(changed)"),
        ("ApplicationSecretHash", "(set)", "(changed)"),
        ("Scope", "read", "read update"),
    ]
    assert applied(database, edited).changes == ()


def test_every_change_is_audited_without_secrets_and_persons_can_be_erased(
    database: Database,
) -> None:
    instance_id = applied(database, EXAMPLE).instance.id
    applied(database, EXAMPLE.replace('Name = "John Doe"', 'Name = "Johnny"'))
    events = database.read_now(lambda connection: audit.latest(connection, instance_id))
    assert sorted(event.event for event in events) == [
        "api.added",
        *["application.added"] * 4,  # two declared, two built in
        "instance.added",
        "key.added",
        "user.added",
        "user.added",
        "user.changed",
    ]
    assert {event.actor for event in events} == {"tester"}
    changed = next(event for event in events if event.event == "user.changed")
    assert changed.details == {"attributes": ["Name"]}
    assert changed.personal == {
        "name": "john.doe",
        "before": {"Name": {"en": "John Doe"}},
        "after": {"Name": {"en": "Johnny"}},
    }
    everything = repr(events)
    for kept_out in ("argon2", secret_hash("web-secret"), 'secret"'):
        assert kept_out not in everything
    erasable = repr([msgspec.structs.replace(event, personal=None) for event in events])
    assert "John" not in erasable
    assert "@example.com" not in erasable


def test_a_dry_run_changes_nothing(database: Database) -> None:
    assert len(plan(database, read(EXAMPLE, ENVIRONMENT)).changes) == 6
    assert database.read_now(instances.all_of) == []
    assert len(plan(None, read(EXAMPLE, ENVIRONMENT)).changes) == 6


def test_another_issuer_is_warned_of(database: Database) -> None:
    applied(database, EXAMPLE)
    planned = applied(database, EXAMPLE.replace(":8080", ":9000"))
    assert planned.warnings == (
        "base_url changes the issuer from http://127.0.0.1:8080/id to http://127.0.0.1:9000/id: "
        "tokens issued until now are refused",
    )


def test_a_plan_is_made_again_when_someone_else_was_quicker(database: Database) -> None:
    applied(database, EXAMPLE)

    def key_that_others_are_quicker_than() -> KeyEncryptionKey:
        if len(database.read_now(instances.all_of)) == 1:
            applied(database, text)
        return kek()

    text = EXAMPLE.replace('"testdb"', '"second"').replace(":8080", ":8081")
    planned = apply(database, read(text, ENVIRONMENT), key_that_others_are_quicker_than)
    assert planned.changes == ()
    assert len(database.read_now(instances.all_of)) == 2
