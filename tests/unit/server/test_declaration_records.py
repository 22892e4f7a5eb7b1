"""What becomes of single records: kept, renamed, pruned, their secrets and hashes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import pbkdf2_hmac
from pathlib import Path

import pytest

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.identifiers import secret_hash
from mintgate.identity import passwords
from mintgate.identity.passwords import hash_password
from mintgate.server.declaration import export
from mintgate.server.declaration.problems import InvalidDeclaration
from mintgate.store import Database, applications, users
from tests.unit.server.declared_example import (
    CHEAP_HASHER,
    EXAMPLE,
    JOHN_AND_JANE,
    a_database,
    applied,
    told,
)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with a_database(tmp_path / "mintgate.db") as database:
        yield database


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


def test_who_is_to_sign_in_needs_a_password(database: Database) -> None:
    """[USR-11] also a user that is there, when its type changes"""
    service = EXAMPLE + '\n[[users]]\nLogin = "later"\nName = "L"\nUserType = "SystemUserNoLogin"\n'
    applied(database, service)
    changed = service.replace(
        '"L"\nUserType = "SystemUserNoLogin"', '"L"\nUserType = "InternalUser"'
    )
    with pytest.raises(InvalidDeclaration, match=r"Password: .*USR-11"):
        applied(database, changed)
    given = changed + 'Password = "from-now-on"\n'
    assert told(applied(database, given)) == ["user changed later"]


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
    ApplicationUri = "internal.erp.net/webclient"
    Name = "Web client"
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


def test_built_in_applications_are_there_and_belong_to_no_file(database: Database) -> None:
    """[TOP-12]"""
    instance = applied(database, EXAMPLE).instance

    def built_in() -> dict[str, TrustedApplication]:
        found = database.read_now(lambda c: applications.all_of(c, instance.id))
        return {a.application_uri: a for a in found if a.application_uri.startswith("internal.")}

    known = built_in()
    assert set(known) == {"internal.erp.net/profile", "internal.erp.net/manage"}
    for name, application in known.items():
        site = name.rpartition("/")[2]
        assert application.scope == "openid profile update offline_access"
        assert application.impersonate_login_url == f"{instance.base_url}/{site}/signin-oidc"
    assert "internal.erp.net" not in export(database, instance)
    assert applied(database, EXAMPLE, prune=True).changes == ()
    applied(database, EXAMPLE.replace(":8080", ":9000"))
    moved = built_in()["internal.erp.net/profile"]
    assert moved.id == known["internal.erp.net/profile"].id
    assert moved.impersonate_login_url == "http://127.0.0.1:9000/profile/signin-oidc"


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
        before = users.password_hash(tx.connection, instance_id, john.id)
        assert before is not None
        assert users.upgrade_password_hash(tx, instance_id, john.id, before, hash_password("pw"))
    assert applied(database, text).changes == ()
