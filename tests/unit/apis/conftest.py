"""A database with demonstration data, on both engines, and the API in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mintgate.store import Database, schema
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World, fill
from tests.world import sqlite_url

ENGINES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session", params=ENGINES)
def filled_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Only for reading: it is made once."""
    yield from _new_database(request, tmp_path_factory)


@pytest.fixture(params=ENGINES)
def own_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """For a test that writes."""
    yield from _new_database(request, tmp_path_factory)


def _new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")()
    else:
        url = sqlite_url(tmp_path_factory.mktemp("sqlite"))
    database = Database(url)
    schema.upgrade(database)
    fill(database, INSTANCE)
    yield database
    database.close()


@pytest.fixture
def world(filled_database: Database) -> World:
    """The API as an administrator with every scope calls it; only for reading."""
    return World(filled_database, INSTANCE, ADMIN)


@pytest.fixture
def own_world(own_database: Database) -> World:
    """The same for a test that writes."""
    return World(own_database, INSTANCE, ADMIN)
