"""The declared APIs of an instance, on both engines [EXT-12]."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mintgate.contract.declared_apis import Limits, settings_of
from mintgate.contract.instance import Instance
from mintgate.contract.policy import BUILT_IN, Policy
from mintgate.store import Database, apis, feed, instances, schema
from mintgate.store.apis import StoredApi

ORION = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")
LYRA = Instance(id="b" * 36, name="lyra", database="LYRA", base_url="https://lyra.example")
SHOP = StoredApi(
    settings=settings_of(
        "Shop",
        Policy(security=("/admin",), reading=("/search",), batch=True),
        Limits(per_client=5, per_session=0),
    ),
    secret_hash="h" * 44,
)
TABLES = StoredApi(settings=settings_of("TableAPI", None, Limits(per_user=9), "shop.example/App"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
        instances.add(tx, LYRA)
    yield database
    database.close()


def stored(database: Database, instance: Instance = ORION) -> list[StoredApi]:
    return database.read_now(lambda c: apis.all_of(c, instance.id))


def told(database: Database) -> int:
    return database.read_now(feed.positions)[ORION.id]


def test_what_is_stored_comes_back_and_is_told(database: Database) -> None:
    with database.begin() as tx:
        apis.add(tx, ORION.id, TABLES)
        apis.add(tx, ORION.id, SHOP)
    assert stored(database) == [SHOP, TABLES]
    assert stored(database, LYRA) == []
    assert database.read_now(lambda c: apis.names_of(c, ORION.id)) == {"Shop", "TableAPI"}
    secrets = database.read_now(lambda c: apis.secrets_of(c, ORION.id))
    assert secrets == {"Shop": "h" * 44, "TableAPI": None}
    before = told(database)
    plain = StoredApi(settings=settings_of("Shop"))
    with database.begin() as tx:
        apis.change(tx, ORION.id, plain)
    assert stored(database) == [plain, TABLES]
    with database.begin() as tx:
        apis.remove(tx, ORION.id, "Shop")
    assert stored(database) == [TABLES]
    assert told(database) == before + 2
    kinds = [c.kind for c in database.read_now(lambda c: feed.after(c, ORION.id, 0))]
    assert set(kinds) == {"instance"}


def test_a_secret_leaves_the_settings_as_they_are(database: Database) -> None:
    with database.begin() as tx:
        apis.add(tx, ORION.id, SHOP)
        apis.set_secret(tx, ORION.id, "Shop", "other")
        apis.set_secret(tx, ORION.id, "OLAP", "olap")
    olap, shop = stored(database)
    assert (shop.settings, shop.secret_hash) == (SHOP.settings, "other")
    assert (olap.settings, olap.secret_hash) == (settings_of("OLAP"), "olap")
    assert "other" not in repr(shop)


def test_a_built_in_policy_is_not_stored(database: Database) -> None:
    """A later version may know more of it."""
    with database.begin() as tx:
        apis.add(tx, ORION.id, TABLES)
        row = tx.connection.exec_driver_sql("SELECT policy FROM apis").scalar()
    assert row is None
    assert stored(database)[0].settings.policy is BUILT_IN["TableAPI"]


def test_names_are_compared_exactly(database: Database) -> None:
    with database.begin() as tx:
        apis.add(tx, ORION.id, SHOP)
        apis.remove(tx, ORION.id, "shop")
        apis.remove(tx, LYRA.id, "Shop")
    assert stored(database) == [SHOP]
