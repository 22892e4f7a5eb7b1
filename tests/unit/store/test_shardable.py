"""The schema keeps to what distributed engines can shard by instance (docs/scaling.md)."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, UniqueConstraint

from mintgate.store import records  # noqa: F401 - adds its tables to the metadata
from mintgate.store.tables import metadata

SHARED = {
    "instances": "the directory of instances itself: small, read whole, copied to every node",
    "schema_state": "one row about the schema",
}
BY_INSTANCE = sorted(
    (table for table in metadata.tables.values() if table.name not in SHARED),
    key=lambda table: table.name,
)


def test_exceptions_are_there() -> None:
    assert SHARED.keys() <= metadata.tables.keys()


@pytest.mark.parametrize("table", BY_INSTANCE, ids=lambda table: table.name)
def test_every_key_and_index_begins_with_the_instance(table: Table) -> None:
    """Citus takes no other unique key on a distributed table; elsewhere it keeps rows together."""
    keys = [list(table.primary_key.columns)]
    keys += [list(c.columns) for c in table.constraints if isinstance(c, UniqueConstraint)]
    keys += [list(index.columns) for index in table.indexes]
    for columns in keys:
        assert columns[0].name == "instance_id", [column.name for column in columns]


@pytest.mark.parametrize("table", BY_INSTANCE, ids=lambda table: table.name)
def test_no_row_points_into_another_instance(table: Table) -> None:
    for constraint in table.foreign_key_constraints:
        assert "instance_id" in constraint.column_keys
