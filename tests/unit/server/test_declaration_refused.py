"""What forbids applying a declared instance; nothing is changed then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintgate.identity import passwords
from mintgate.server.declaration import InvalidDeclaration, apply, read
from mintgate.store import Database, instances
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from tests.unit.server.declared_example import (
    CHEAP_HASHER,
    ENVIRONMENT,
    EXAMPLE,
    a_database,
    applied,
)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with a_database(tmp_path / "mintgate.db") as database:
        yield database


def problems(database: Database, text: str, *, prune: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDeclaration) as refused:
        applied(database, text, prune=prune)
    assert database.read_now(instances.all_of) == []
    return [(problem.key, problem.sentence) for problem in refused.value.problems]


def test_a_system_user_may_be_in_the_database_only_unless_it_is_pruned(
    database: Database,
) -> None:
    applied(database, EXAMPLE)
    head, _, tail = EXAMPLE.partition('[[users]]\nLogin = "svc.integration"')
    without = head + "[[users]]" + tail.partition("[[users]]")[2]
    assert applied(database, without).changes == ()
    with pytest.raises(InvalidDeclaration, match="pruning would remove it"):
        applied(database, without, prune=True)


REFUSED = {
    "SystemUser unknown": ('"svc.integration"\nScope', '"nobody"\nScope', "SystemUser", "no user"),
    "USR-12": ('"SystemUserNoLogin"', '"VirtualUserNoLogin"', "SystemUser", "must be a user"),
    "TAP-14": ('"read update"', '"read write"', "Scope", "unknown scope 'write'"),
    "TAP-22": ("https://app", "http://app", "ImpersonateLoginUrl", "must use https"),
    "TAP-6": (
        '"Web"\nClientType = "Confidential"',
        '"Web"\nClientType = "Public"',
        "ApplicationSecret",
        "a Public application has no secret",
    ),
    "TAP-3": ("my.trusted.app/web", "MY.trusted.app/SERVICE", "ApplicationUri", "in any case"),
    "USR-2": ('"john.doe"', '"SVC.Integration"', "Login", "that of the record in line 32"),
    "USR-3": ("john.doe@example.com", "john.doe", "Email", "must be an address"),
    "USR-6": ('"en-US"', '"English"', "DefaultLanguage", "culture name"),
    "USR-11": ('Password = { env = "JOHN_PASSWORD" }', "", "Password", "is needed for a new user"),
    "TOP-8": ("http://127.0.0.1:8080", "http://example.com", "base_url", "must be https"),
    "TOP-5": ('"DomainAPI"', '"DomainApi"', "Name", "is written DomainAPI"),
    "licences": ("licences = 10", "licences = -1", "licences", "between 0 and"),
    "never recent": (
        "licences = 10",
        "fresh_sign_in_seconds = 59",
        "fresh_sign_in_seconds",
        "between 60 and 3600",
    ),
    "recent for a day": (
        "licences = 10",
        "fresh_sign_in_seconds = 86400",
        "fresh_sign_in_seconds",
        "between 60 and 3600",
    ),
    "audit_retention_days": (
        "licences = 10",
        "audit_retention_days = 0",
        "audit_retention_days",
        "between 1 and",
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_record_that_breaks_a_rule_is_refused(database: Database, rule: str) -> None:
    old, new, key, sentence = REFUSED[rule]
    assert old in EXAMPLE
    found = problems(database, EXAMPLE.replace(old, new))
    assert len(found) == 1, found
    assert found[0][0] == key
    assert sentence in found[0][1]


def test_problems_of_the_file_and_of_the_records_are_told_together(database: Database) -> None:
    text = EXAMPLE.replace('"read update"', '"write"').replace("IsAdmin = false", "IsAdmin = 0")
    assert [key for key, _ in problems(database, text)] == ["Scope", "IsAdmin"]


def test_a_bad_value_causes_no_second_problem(database: Database) -> None:
    text = EXAMPLE.replace('"SystemUserNoLogin"', '"System"').replace("JOHN_PASSWORD", "NOT_SET")
    assert [key for key, _ in problems(database, text)] == ["UserType", "Password"]


def test_a_login_of_another_stored_user_is_refused(database: Database) -> None:
    applied(database, EXAMPLE)
    other = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"
    text = EXAMPLE.replace('Login = "john.doe"', f'Id = "{other}"\nLogin = "john.doe"')
    with pytest.raises(InvalidDeclaration, match=r"Login: 'john\.doe' is that of the stored user"):
        applied(database, text)


def test_two_instances_need_two_addresses_and_one_key(database: Database) -> None:
    applied(database, EXAMPLE)
    second = EXAMPLE.replace('"testdb"', '"second"')
    with pytest.raises(InvalidDeclaration, match="is the address of the instance 'testdb'"):
        applied(database, second)
    second = second.replace(":8080", ":8081")
    with pytest.raises(KeyEncryptionProblem):
        apply(database, read(second, ENVIRONMENT), lambda: KeyEncryptionKey(b"x" * 32))
    assert len(database.read_now(instances.all_of)) == 1
    applied(database, second)
    assert len(database.read_now(instances.all_of)) == 2


def test_a_built_in_application_is_in_no_file(database: Database) -> None:
    """[TOP-12]"""
    text = (
        EXAMPLE
        + """
    [[applications]]
    ApplicationUri = "Internal.erp.net/profile"
    Name = "Mine"
    """
    )
    ((key, sentence),) = problems(database, text)
    assert key == "ApplicationUri"
    assert "is built in" in sentence
