"""An audit log to work on: events of several writers, checkpoints, and what verify says of it."""

from __future__ import annotations

import asyncio
from typing import Any

from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import AuditEvent, Database, instances, schema
from mintgate.store.audit import checkpoints, keeping, keys
from mintgate.store.audit.checkpoint import Checkpoint
from mintgate.store.audit.findings import Report
from mintgate.store.audit.verification import verify
from mintgate.store.keys import KeyEncryptionKey
from tests.world import MovableClock

HERE, THERE = "a" * 36, "b" * 36
ORION = Instance(id=HERE, name="orion", database="ORION", base_url="https://orion.example")
LYRA = Instance(id=THERE, name="lyra", database="LYRA", base_url="https://lyra.example")
KEK = KeyEncryptionKey(b"k" * 32)
MIRA = User(
    id="00000000-0000-0000-0000-000000000001",
    login="mira.k",
    name={"en": "Mira Koleva"},
    user_type=UserType.INTERNAL,
    email="mira@orion.example",
)


class Log:
    """One database; every writer is a process of its own, as far as it can tell."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = MovableClock(1000.0)
        self.database = Database(url, self.clock)
        schema.upgrade(self.database)
        with self.database.begin() as tx:
            for instance in (ORION, LYRA):
                instances.add(tx, instance)

    def close(self) -> None:
        self.database.close()

    def restart(self) -> None:
        """Another writer goes on."""
        self.database.close()
        self.database = Database(self.url, self.clock)

    def record(self, count: int = 1, *, instance_id: str = HERE, **more: Any) -> None:
        with self.database.begin() as tx:
            for event in some_events(count, self.clock.now, instance_id, **more):
                tx.record(event)

    def checkpoint(self, instance_id: str = HERE) -> Checkpoint | None:
        with self.database.begin() as tx:
            return checkpoints.write(tx, instance_id, KEK)

    def keep(self, days: int | None = None) -> None:
        """What the server does from time to time."""
        instance = Instance(
            id=HERE, name="orion", database="ORION", base_url="", audit_retention_days=days
        )
        asyncio.run(keeping.keep_audit(self.database, instance, KEK))

    def verify(self, instance_id: str = HERE, **more: Any) -> Report:
        return verify(self.database, instance_id, self.trusted(instance_id), **more)

    def trusted(self, instance_id: str = HERE) -> frozenset[str]:
        return self.database.read_now(lambda c: keys.trusted(c, instance_id, KEK))[0]

    def run(self, statement: str, *values: object) -> None:
        """What somebody does who can write the tables, and has no key."""
        mark = "?" if self.database.is_sqlite else "%s"
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql(statement.replace("?", mark), values)

    def sentences(self, **more: Any) -> list[str]:
        return [finding.sentence for finding in self.verify(**more).findings]


def some_events(count: int, at: float, instance_id: str = HERE, **more: Any) -> list[AuditEvent]:
    values = {
        "event": "token.issued",
        "actor": MIRA.login,
        "actor_id": MIRA.id,
        "application": "shop.example.org/app",
        "session": "S" * 32,
        "address": "192.0.2.7",
        "details": {"scope": ["read", "дела"]},
        "personal": {"name": "Mira Koleva"},
    } | more
    return [
        AuditEvent(instance_id=instance_id, at=at, jti=f"{number:032X}", **values)
        for number in range(count)
    ]
