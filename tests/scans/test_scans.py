"""No request waits for a look at a whole table, however many rows there are.

With 200,000 rows in every table that grows, on both engines: every statement that `flows` had the
server run is shown to the planner.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from sqlalchemy import event

from mintgate.store import Database
from mintgate.store.tables import metadata
from tests.scans import flows
from tests.scans.filling import FEWER, SMALL, fill
from tests.world import World

ROWS = int(os.environ.get("MINTGATE_SCAN_ROWS", "200000"))
BIG = frozenset(metadata.tables) - SMALL.keys() - FEWER.keys()
WHOLE = {
    r"SELECT min\(\S+\) AS \S+ FROM \S+ WHERE \S+ = \S+$": "the first entry of an index",
    r".* FROM crm_customers AS t0 WHERE t0.instance_id = \S+ ORDER BY t0.id LIMIT": (
        "a page in the order of the key"
    ),
    r"(SELECT|DELETE FROM) .*erp_sessions": (
        "has a row for each session that is open now, and who opens one counts those: under the "
        "lock of the licences, as many as there are people at work"
    ),
    r"SELECT revoked_(tokens\.jti, revoked_tokens\.expires_at|before\..*not_before) FROM": (
        "when a process starts or a key changes: what is revoked is kept in memory, all that lives"
    ),
}
"""Statements that look at all rows of an instance on purpose, and why."""
_EXPLAINED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_ALIAS = re.compile(r'(?:FROM|JOIN|,|UPDATE|INTO)\s+"?(\w+)"?\s+AS\s+"?(\w+)"?', re.IGNORECASE)
_SQLITE = re.compile(r"(?P<how>SCAN|SEARCH) (?P<name>\w+)(?: USING [^(]*)?(?P<by>\(.*\))?")
_POSTGRESQL = re.compile(r"Seq Scan on (?P<name>\w+)")


class Grown(World):
    """A world whose tables are full before its server starts."""

    is_full = False

    def declare(self, **changes: Any) -> None:
        super().declare(**changes)
        if not self.is_full:
            self.is_full = True
            fill(self.database, self.instance.id, ROWS)


def recorded(database: Database) -> dict[str, Any]:
    """Filled with each statement from now on, and the parameters that it had first."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.setdefault(statement, parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    return found


def test_no_request_looks_at_a_whole_table(database_url: str) -> None:
    world = Grown(database_url, clock=time.time, more=flows.MORE, customers=True).start()
    try:
        _stop_background(world)
        found = recorded(world.server_database)
        flows.run(world)
        scans = {
            statement: plan
            for statement, parameters in list(found.items())
            if _EXPLAINED.match(statement)
            and not any(re.match(known, " ".join(statement.split())) for known in WHOLE)
            and (plan := scan_in(world.database, statement, parameters)) is not None
        }
    finally:
        # Other tests look for leaks; here that would be a look at millions of rows.
        world.leaks.check = lambda _: None  # type: ignore[method-assign, assignment]
        world.stop()
    assert len(found) > 60
    assert not scans, "\n\n".join(f"{plan}\n{statement}" for statement, plan in scans.items())


def _stop_background(world: World) -> None:
    """Housekeeping runs when a flow says so."""

    async def stop(application: Any, _: Any) -> None:
        for task in application._tasks:
            task.cancel()

    world.run_in_server(stop)


def scan_in(database: Database, statement: str, parameters: Any) -> str | None:
    """The plan, when it has a look at all rows of a big table."""
    how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    given = parameters[0] if isinstance(parameters, list) else parameters
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        cursor = raw.cursor()
        rows = cursor.execute(f"{how} {statement}", given).fetchall()
        cursor.close()
        raw.rollback()
    tables = {alias: table for table, alias in _ALIAS.findall(statement)}
    lines = [str(row[-1]) for row in rows]
    for line in lines:
        if _is_scan(line, tables, is_sqlite=database.is_sqlite):
            return "\n".join(lines)
    return None


def _is_scan(line: str, tables: dict[str, str], *, is_sqlite: bool) -> bool:
    if not is_sqlite:
        found = _POSTGRESQL.search(line)
        return found is not None and found["name"] in BIG
    found = _SQLITE.match(line)
    if found is None or tables.get(found["name"], found["name"]) not in BIG:
        return False
    # Every index begins with the instance: by it alone all of its rows are looked at.
    return found["how"] == "SCAN" or found["by"] == "(instance_id=?)"
