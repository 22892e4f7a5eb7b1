"""The demo instance: valid as declared, known secrets or random ones."""

from __future__ import annotations

from pathlib import Path

from mintgate.contract.identifiers import secret_hash
from mintgate.contract.users import UserType
from mintgate.server.declaration import apply
from mintgate.server.declaration.demo import COMMAND_LINE, NATIVE, SERVICE, DemoSecrets, demo
from mintgate.store import Database, applications, schema, users
from mintgate.store.keys import KeyEncryptionKey


def test_the_demo_applies_without_a_warning_and_only_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/demo.db")
    schema.upgrade(database)

    def kek() -> KeyEncryptionKey:
        return KeyEncryptionKey(b"k" * 32)

    planned = apply(database, demo(8123).declaration, kek)
    assert planned.instance.base_url == "http://127.0.0.1:8123"
    assert planned.instance.database == "DEMO"
    assert planned.instance.licences == 1000
    assert planned.warnings == ()
    assert apply(database, demo(8123).declaration, kek).changes == ()
    instance_id = planned.instance.id
    service = database.read_now(lambda c: applications.by_uri(c, instance_id, SERVICE))
    assert service is not None
    assert service.application_secret_hash == secret_hash("demo-secret")
    stored = database.read_now(lambda c: applications.all_of(c, instance_id))
    public = [a for a in stored if a.application_uri in {NATIVE, COMMAND_LINE}]
    assert len(public) == 2
    assert all(a.allows_redirect_to("http://127.0.0.1:54321/callback") for a in public)
    everyone = database.read_now(lambda c: users.all_of(c, instance_id))
    assert {user.user_type for user in everyone} == {
        UserType.SYSTEM,
        UserType.INTERNAL,
        UserType.COMMUNITY,
    }
    assert sum(user.is_admin for user in everyone) == 1
    database.close()


def test_random_secrets_are_of_256_bits_and_never_the_known_ones() -> None:
    first, second = demo(8080, random_secrets=True), demo(8080, random_secrets=True)
    values = {getattr(d.secrets, name) for d in (first, second) for name in _NAMES}
    assert len(values) == 8
    assert all(len(value) == 43 for value in values)
    assert demo(8080).secrets == DemoSecrets()


_NAMES = ("service", "web", "admin_tool", "password")
