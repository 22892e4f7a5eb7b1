"""An example of a declared instance, and a database to apply it to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argon2 import PasswordHasher

from mintgate.contract.identifiers import secret_hash
from mintgate.server import declaration as declarations
from mintgate.server.declaration import Plan, apply, read
from mintgate.store import Database, schema
from mintgate.store.keys import KeyEncryptionKey

CHEAP_HASHER = PasswordHasher(1, 8, 1)
"""Instead of one that takes its time on purpose."""
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


@contextmanager
def a_database(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    yield database
    database.close()


def applied(database: Database, text: str, *, prune: bool = False) -> Plan:
    return apply(database, read(text, ENVIRONMENT), kek, prune=prune, actor="tester")


def told(planned: Plan) -> list[str]:
    """Such as `user changed john.doe`."""
    return [
        f"{declarations.kind_of(c)} {declarations.action_of(c)} {declarations.name_of(c)}"
        for c in planned.changes
    ]
