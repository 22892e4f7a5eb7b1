"""What the planners of the databases say of a statement: does it look at a whole table?"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from bench.plans.tables import BIG

FIRST_FOUND = {
    r"SELECT min\(\S+\) AS \S+ FROM \S+ WHERE \S+ = \S+$": "the first entry of an index",
    r"WITH RECURSIVE known\(id\) AS \(SELECT min\(": (
        "the processes that have written to the audit log: one look into the index for each"
    ),
    r".* FROM crm_customers AS t0 WHERE t0.instance_id = \S+ ORDER BY t0.id LIMIT": (
        "a page in the order of the key"
    ),
    r"SELECT .* FROM users WHERE users.instance_id = \S+ ORDER BY users.login_key ASC LIMIT": (
        "the first page in the order of the key"
    ),
    r"SELECT users.login_key FROM users WHERE users.instance_id = \S+ "
    r"ORDER BY users.login_key LIMIT \S+ OFFSET": (
        "where a search for a part of a name ends: so many users"
    ),
    r"SELECT .* FROM consents WHERE consents.instance_id = \S+ ORDER BY consents.user_id ASC, ": (
        "the first page in the order of the key"
    ),
    r"SELECT .* FROM identity_sessions WHERE identity_sessions.instance_id = \S+ "
    r"AND identity_sessions.expires_at \+ \S+ > \S+ ORDER BY identity_sessions.created_at DESC": (
        "the newest sign-ins; only the few that have ended are passed over"
    ),
    r"SELECT audit_events.at, .* FROM audit_events WHERE audit_events.instance_id = \S+ "
    r"ORDER BY audit_events.at DESC, .* LIMIT \S+ OFFSET": (
        "where a page of the audit log ends its search: so many of the newest events"
    ),
}
"""Statements whose plan names all rows of an instance, and which stop at the first ones."""
ON_PURPOSE = {
    r"(SELECT|DELETE FROM) .*erp_sessions": (
        "has a row for each session that is open now, and who opens one counts those: under the "
        "lock of the licences, as many as there are people at work"
    ),
    r"SELECT revoked_(tokens\.jti, revoked_tokens\.expires_at|before\..*not_before) FROM": (
        "when a process starts or a key changes: what is revoked is kept in memory, all that lives"
    ),
}
"""Statements that look at all rows of an instance on purpose, and why."""
BOUNDED = {
    r"SELECT .* FROM audit_events WHERE (?!.*(actor|subject)_id = ).* ORDER BY audit_events.at ": (
        "a page of the audit log looks at 20,000 events"
    ),
    r"SELECT .* FROM users WHERE .*CAST\(users.name AS": (
        "a search for a part of a name looks at 20,000 users"
    ),
}
"""Statements that end at a row which is looked for before; where there are fewer, they have no end.

Recorded with few rows they say nothing of many: `tests/scans` looks at them with enough.
"""
_EXPLAINED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_OWN_MARK = re.compile(r"\$1\b")
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_ALIAS = re.compile(r'(?:FROM|JOIN|,|UPDATE|INTO)\s+"?(\w+)"?\s+AS\s+"?(\w+)"?', re.IGNORECASE)
_SQLITE = re.compile(r"(?P<how>SCAN|SEARCH) (?P<name>\w+)(?: USING [^(]*)?(?P<by>\(.*\))?")
_STOPS_EARLY = {"Limit", "LockRows", "Subquery Scan", "Result"}
"""Nodes of PostgreSQL between which a row is handed up before the next is looked for."""


def can_be_explained(statement: str) -> bool:
    return _EXPLAINED.match(statement) is not None


def only_reads(statement: str) -> bool:
    """Whether carrying it out changes nothing. `FOR UPDATE` counts as writing: it waits."""
    return can_be_explained(statement) and _WRITES.search(statement) is None


def names(statement: str, table: str) -> bool:
    return re.search(rf"\b{table}\b", statement) is not None


def purpose_of(statement: str) -> str | None:
    """Why it looks at all rows of an instance; None when it must not."""
    return _known(statement, ON_PURPOSE | BOUNDED)


def scan_in(connection: Connection, statement: str, parameters: Any) -> str | None:
    """The plan, when it has a look at all rows of a big table that it must not have."""
    if _known(statement, ON_PURPOSE | FIRST_FOUND) is not None:
        return None
    is_sqlite = connection.dialect.name == "sqlite"
    raw: Any = connection.connection.dbapi_connection

    def explained(how: str) -> list[Any]:
        # Rows of many are given to PostgreSQL in its own marks (`ManyRows`).
        execute = raw.execute_raw if not is_sqlite and _OWN_MARK.search(statement) else raw.execute
        with contextlib.closing(execute(f"{how} {statement}", parameters)) as cursor:
            return [row[-1] for row in cursor.fetchall()]

    if is_sqlite:
        lines = explained("EXPLAIN QUERY PLAN")
        tables = {alias: table for table, alias in _ALIAS.findall(statement)}
        found = any(_is_scan(line, tables) for line in lines)
    else:
        ((tree,),) = explained("EXPLAIN (FORMAT JSON)")
        found = _has_scan(tree["Plan"], stops_early=False)
        lines = explained("EXPLAIN") if found else []
    return "\n".join(lines) if found else None


def one_line(statement: str) -> str:
    return " ".join(statement.split())


def _known(statement: str, patterns: dict[str, str]) -> str | None:
    text = one_line(statement)
    return next((why for pattern, why in patterns.items() if re.match(pattern, text)), None)


def _is_scan(line: str, tables: dict[str, str]) -> bool:
    found = _SQLITE.match(line)
    if found is None or tables.get(found["name"], found["name"]) not in BIG:
        return False
    # Every index begins with the instance: by it alone all of its rows are looked at.
    return found["how"] == "SCAN" or found["by"] == "(instance_id=?)"


def _has_scan(node: dict[str, Any], *, stops_early: bool) -> bool:
    """Whether a node of PostgreSQL's plan, or one below it, looks at all rows of a big table.

    Args:
        stops_early: only the first rows are asked of it.
    """
    kind = node["Node Type"]
    parts = node.get("Plans", [])
    if node.get("Relation Name") in BIG:
        if kind == "Seq Scan":
            return True
        indexes = [node] if kind in {"Index Scan", "Index Only Scan"} else list(_indexes(parts))
        all_passed = [one for one in indexes if not _is_narrow(one.get("Index Cond", ""))]
        if all_passed and not (stops_early and "Filter" not in node):
            return True
    early = kind == "Limit" or (stops_early and kind in _STOPS_EARLY)
    return any(_has_scan(part, stops_early=early) for part in parts)


def _indexes(parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of a bitmap: an AND or OR of them may be in between."""
    for part in parts:
        if part["Node Type"] == "Bitmap Index Scan":
            yield part
        elif part["Node Type"] == "BitmapOr":
            yield from _indexes(part["Plans"])
        elif part["Node Type"] == "BitmapAnd":  # one that is narrow is enough
            inner = list(_indexes(part["Plans"]))
            narrow = [one for one in inner if _is_narrow(one.get("Index Cond", ""))]
            yield from narrow or inner


def _is_narrow(condition: str) -> bool:
    """As for SQLite: by the instance and something else. Without it the index is read whole."""
    return "instance_id" in condition and " AND " in condition
