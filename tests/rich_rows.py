"""A database with rows in every table, of the kind that two engines may take differently."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Double, Integer, LargeBinary, Table, insert

from mintgate.contract.instance import Instance
from mintgate.store import Database, Transaction, instances, schema
from mintgate.store.portable.tables import TABLES
from mintgate.store.records import fill_demo_data

HOME = Instance(id="h" * 36, name="home", database="HOME", base_url="https://home.example")
AWKWARD = "Ж'\"\\\t%s :x ẞ\u2028😀"
GREATEST = 2**63 - 1


def fill(database: Database) -> None:
    """Make the tables, an instance with the demo's data, and three rows in every other table."""
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, HOME)
        fill_demo_data(tx, HOME.id)
    with database.begin() as tx:
        for table in TABLES:
            if table is not instances.instances and not table.foreign_keys:
                add_rows(tx, table)


def add_rows(tx: Transaction, table: Table, first: int = 0) -> None:
    for number in range(first, first + 3):
        row = {c.name: _value(c, number) for c in table.columns}
        if len(table.primary_key.columns) > 1:
            row["instance_id"] = HOME.id
        tx.connection.execute(insert(table).values(row))


def _value(column: Column[Any], number: int) -> Any:
    if number == 2 and column.nullable:
        return None
    match column.type:
        case JSON():
            return [{"a": [1.5, None, True, AWKWARD], "b": {}}, [], AWKWARD][number % 3]
        case Boolean():
            return number % 2 == 0
        case Double():
            return [1_790_000_000.123456789, 0.1 + 0.2, -1e-300][number % 3]
        case Date():
            return datetime.date(2031, 1, 1 + number)
        case LargeBinary():
            return bytes(range(256)) + bytes([number])
        case Integer() if type(column.type) is Integer:
            return [2**31 - 1, -7, 0][number % 3]
        case Integer():
            return [GREATEST, -GREATEST, 900 + number][number % 3] if number < 3 else number
    length = getattr(column.type, "length", None) or 60
    return (f"{number}{column.name[:3]}" + AWKWARD * 20)[:length]
