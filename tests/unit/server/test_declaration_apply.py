"""Applying a declared instance: what changes, what stays, and what is refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import pbkdf2_hmac
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from mintgate.contract.identifiers import secret_hash
from mintgate.identity import passwords
from mintgate.identity.passwords import hash_password, password_matches
from mintgate.server import declaration as declarations
from mintgate.server.declaration import InvalidDeclaration, Plan, apply, export, plan, read
from mintgate.store import Database, applications, audit, instances, keys, schema, users
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem

ENVIRONMENT = {"WEB_SECRET": "web-secret", "JOHN_PASSWORD": "john-password"}
EXAMPLE = f"""
[instance]
name = "testdb"
database = "E1_TESTDB"
base_url = "http://127.0.0.1:8080"
licences = 10

[[apis]]                                   # the four are there without being declared
Name = "DomainAPI"
SecretHash = "{secret_hash("api-secret")}"

[[applications]]
ApplicationUri = "my.trusted.app/service"
Name = "Service"
ClientType = "Confidential"
ApplicationSecretHash = "{secret_hash("service-secret")}"
SystemUserAllowed = true
SystemUser = "svc.integration"
Scope = "read update"
ReferenceTokens = "None"

[[applications]]
ApplicationUri = "my.trusted.app/web"
Name = "Web"
ClientType = "Confidential"
ApplicationSecret = {{ env = "WEB_SECRET" }}
ImpersonateLoginUrl = "https://app.example.com/callback,http://127.0.0.1:9101/callback"
ImpersonateLogoutUrl = "http://127.0.0.1:9101/"
ImpersonateAsInternalUserAllowed = true
Scope = "read"

[[users]]
Login = "svc.integration"
Name = "Integration"
UserType = "SystemUserNoLogin"

[[users]]
Login = "john.doe"
Name = "John Doe"
UserType = "InternalUser"
Email = "john.doe@example.com"
EmailConfirmed = true                      # alias EmailVerified
DefaultLanguage = "en-US"                  # alias Locale
IsAdmin = false
Password = {{ env = "JOHN_PASSWORD" }}
"""
JOHN_AND_JANE = """
[[users]]
Login = "jane"
Name = "Jane"
UserType = "InternalUser"
Password = "jane-password"
"""


def kek() -> KeyEncryptionKey:
    return KeyEncryptionKey(b"k" * 32)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = a_database(tmp_path / "mintgate.db")
    yield database
    database.close()


def a_database(file: Path) -> Database:
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    return database


def applied(database: Database, text: str, *, prune: bool = False) -> Plan:
    return apply(database, read(text, ENVIRONMENT), kek, prune=prune, actor="tester")


def told(planned: Plan) -> list[str]:
    """Such as `user changed john.doe`."""
    return [
        f"{declarations.kind_of(c)} {declarations.action_of(c)} {declarations.name_of(c)}"
        for c in planned.changes
    ]


def problems(database: Database, text: str, *, prune: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDeclaration) as refused:
        applied(database, text, prune=prune)
    assert database.read_now(instances.all_of) == []
    return [(problem.key, problem.sentence) for problem in refused.value.problems]


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
    assert instances.api_secrets(connection, instance_id) == {
        "DomainAPI": secret_hash("api-secret")
    }
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
    elsewhere = a_database(tmp_path / "elsewhere.db")
    assert len(applied(elsewhere, text).changes) == 7
    assert export(elsewhere, elsewhere.read_now(instances.all_of)[0]) == text
    elsewhere.close()


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


def test_every_change_is_audited_without_secrets_and_personal_values(database: Database) -> None:
    instance_id = applied(database, EXAMPLE).instance.id
    applied(database, EXAMPLE.replace('Name = "John Doe"', 'Name = "Johnny"'))
    events = database.read_now(lambda connection: audit.latest(connection, instance_id))
    assert sorted(event.event for event in events) == [
        "api.added",
        "application.added",
        "application.added",
        "instance.added",
        "key.added",
        "user.added",
        "user.added",
        "user.changed",
    ]
    assert {event.actor for event in events} == {"tester"}
    changed = next(event for event in events if event.event == "user.changed")
    assert (changed.details or {})["attributes"] == {"Name": ["(set)", "(changed)"]}
    everything = repr(events)
    for kept_out in ("argon2", secret_hash("web-secret"), 'secret"', "John Doe", "@example.com"):
        assert kept_out not in everything


def test_a_dry_run_changes_nothing(database: Database) -> None:
    assert len(plan(database, read(EXAMPLE, ENVIRONMENT)).changes) == 6
    assert database.read_now(instances.all_of) == []
    assert len(plan(None, read(EXAMPLE, ENVIRONMENT)).changes) == 6


def test_what_the_file_leaves_out_is_the_default_but_secrets_and_locks_stay(
    database: Database,
) -> None:
    instance_id = applied(database, EXAMPLE + "LockoutEndUtc = inf\n").instance.id
    shorter = EXAMPLE.replace('Password = { env = "JOHN_PASSWORD" }', "").replace(
        'ApplicationSecret = { env = "WEB_SECRET" }', ""
    )
    planned = applied(database, shorter.replace('DefaultLanguage = "en-US"', ""))
    assert told(planned) == ["user changed john.doe"]
    web = database.read_now(lambda c: applications.by_uri(c, instance_id, "my.trusted.app/web"))
    assert web is not None
    assert web.application_secret_hash == secret_hash("web-secret")
    john = database.read_now(lambda c: users.by_login(c, instance_id, "john.doe"))
    assert john is not None
    assert john.locked_until == float("inf")


def test_an_empty_hash_takes_a_secret_away(database: Database) -> None:
    applied(database, EXAMPLE)
    without = EXAMPLE.replace('ApplicationSecret = { env = "WEB_SECRET" }', "").replace(
        'Name = "Web"', 'Name = "Web"\nApplicationSecretHash = ""'
    )
    planned = applied(database, without)
    assert told(planned) == ["application changed my.trusted.app/web"]
    assert any("has no secret" in warning for warning in planned.warnings)


def test_an_application_that_becomes_public_loses_its_secret(database: Database) -> None:
    applied(database, EXAMPLE)
    public = EXAMPLE.replace('ApplicationSecret = { env = "WEB_SECRET" }', "").replace(
        'Name = "Web"\nClientType = "Confidential"', 'Name = "Web"\nClientType = "Public"'
    )
    assert told(applied(database, public)) == ["application changed my.trusted.app/web"]
    assert applied(database, public).changes == ()


def test_a_user_is_renamed_by_id_and_by_spelling(database: Database) -> None:
    instance_id = applied(database, EXAMPLE).instance.id
    john = database.read_now(lambda c: users.by_login(c, instance_id, "john.doe"))
    assert john is not None
    renamed = EXAMPLE.replace('Login = "john.doe"', f'Id = "{john.id}"\nLogin = "j.doe"')
    assert told(applied(database, renamed)) == ["user changed john.doe"]
    now = database.read_now(lambda c: users.by_id(c, instance_id, john.id))
    assert now is not None
    assert now.login == "j.doe"
    spelled = EXAMPLE.replace('Login = "john.doe"', 'Login = "J.Doe"')
    assert told(applied(database, spelled)) == ["user changed j.doe"]


def test_two_users_swap_logins_and_emails(database: Database) -> None:
    text = EXAMPLE + JOHN_AND_JANE + 'Email = "jane@example.com"\n'
    instance = applied(database, text).instance
    swapped = (
        export(database, instance)
        .replace("john.doe", "~")
        .replace('"jane', '"john.doe')
        .replace("~", "jane")
    )
    assert sorted(told(applied(database, swapped))) == [
        "user changed jane",
        "user changed john.doe",
    ]
    assert applied(database, swapped).changes == ()


def test_prune_removes_what_is_not_named_but_nothing_built_in(database: Database) -> None:
    built_in = """
    [[applications]]
    ApplicationUri = "internal.erp.net/profile"
    Name = "Profile"
    ClientType = "Public"
    SystemUser = "behind"
    [[users]]
    Login = "behind"
    Name = "Behind the profile"
    UserType = "SystemUserNoLogin"
    [[users]]
    Login = "SYSTEM_APPLICATION_USER"
    Name = "Installed applications"
    UserType = "SystemUserNoLogin"
    [[applications]]
    ApplicationUri = "old"
    Name = "Old"
    [[apis]]
    Name = "OLAP"
    Secret = "s"
    """
    admin = JOHN_AND_JANE + "IsAdmin = true\n"
    applied(database, EXAMPLE + built_in + admin)
    assert applied(database, EXAMPLE).changes == ()
    planned = applied(database, EXAMPLE, prune=True)
    assert told(planned) == ["application removed old", "user removed jane", "api removed OLAP"]
    assert any("no administrator is left" in w and "'jane'" in w for w in planned.warnings)
    assert applied(database, EXAMPLE, prune=True).changes == ()


def test_a_system_user_may_be_in_the_database_only_unless_it_is_pruned(
    database: Database,
) -> None:
    applied(database, EXAMPLE)
    head, _, tail = EXAMPLE.partition('[[users]]\nLogin = "svc.integration"')
    without = head + "[[users]]" + tail.partition("[[users]]")[2]
    assert applied(database, without).changes == ()
    with pytest.raises(InvalidDeclaration, match="pruning would remove it"):
        applied(database, without, prune=True)


def aspnet_v3(password: str) -> str:
    """As ASP.NET Core Identity writes it: PBKDF2 with SHA-512, 100,000 rounds."""
    salt = b"s" * 16
    subkey = pbkdf2_hmac("sha512", password.encode(), salt, 100_000, 32)
    numbers = b"".join(n.to_bytes(4, "big") for n in (2, 100_000, 16))
    return b64encode(b"\x01" + numbers + salt + subkey).decode()


def test_an_imported_hash_stays_upgraded_after_a_sign_in(database: Database) -> None:
    """[EXT-1] Applying the file again must not put the old hash back."""
    text = EXAMPLE.replace(
        'Password = { env = "JOHN_PASSWORD" }', f'PasswordHash = "{aspnet_v3("pw")}"'
    )
    instance_id = applied(database, text).instance.id
    assert applied(database, text).changes == ()
    with database.begin() as tx:
        john = users.by_login(tx.connection, instance_id, "john.doe")
        assert john is not None
        users.upgrade_password_hash(tx, instance_id, john.id, hash_password("pw"))
    assert applied(database, text).changes == ()


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
