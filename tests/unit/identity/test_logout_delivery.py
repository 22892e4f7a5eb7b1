"""What an instance's own settings mean for the delivery of logout tokens [EXT-3]."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.identity.directory import Directory
from mintgate.identity.logout.delivery import LogoutDelivery
from mintgate.store import (
    AuditEvent,
    Database,
    applications,
    audit,
    instances,
    keys,
    logout_notices,
    schema,
)
from mintgate.store.keys import KeyEncryptionKey
from tests.unit.identity.test_outgoing_targets import serving
from tests.world import MovableClock, sqlite_url

DAY = 24 * 3600.0
KEK = KeyEncryptionKey(b"k" * 32)
PUBLIC, LOOPBACK = "https://orion.example", "http://127.0.0.1:8080"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path), MovableClock(1000.0))
    schema.upgrade(database)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("base_url", "private", "expected"),
    [
        (PUBLIC, False, "127.0.0.1 is a loopback address"),
        (PUBLIC, True, None),
        (LOOPBACK, False, None),
    ],
)
def test_who_may_be_told_on_this_machine(
    base_url: str, private: bool, expected: str | None, database: Database
) -> None:
    """Through `start_due`, until the notice is gone."""
    instance = Instance(
        id="a" * 36,
        name="orion",
        database="ORION",
        base_url=base_url,
        allow_private_logout_targets=private,
    )
    with serving() as server:
        url = f"http://127.0.0.1:{server.port}/back"
        application = TrustedApplication(
            id="app1", name={"en": "A"}, application_uri="a", back_channel_logout_url=url
        )
        with database.begin() as tx:
            instances.add(tx, instance)
            keys.create(tx, instance.id, KEK)
            applications.add(tx, instance.id, application)
            logout_notices.add(tx, instance.id, application_id="app1", sid="A" * 32, sub=None)
        (event,) = asyncio.run(deliver(database, instance))
    assert (event.application, event.session) == ("a", "A" * 32)
    if expected is None:
        assert event.event == "logout.delivered"
        assert len(server.requests) == 1
    else:
        assert event.event == "logout.delivery_failed"
        assert expected in str(event.cause)
        assert server.requests == []


async def deliver(database: Database, instance: Instance) -> list[AuditEvent]:
    clock = database.clock
    assert isinstance(clock, MovableClock)
    directory = Directory(instance, database, KEK, lambda: True, clock)
    await directory.start()
    delivery = LogoutDelivery(directory, database, clock)
    while (
        due := await database.read(lambda c: logout_notices.next_due(c, instance.id))
    ) is not None:
        if due > clock() and not delivery.rounds.is_busy:
            clock.advance(DAY)
        await delivery.rounds.start_due()
        await asyncio.sleep(0.01)
    await delivery.rounds.stop()
    return await database.read(lambda c: audit.latest(c, instance.id))
