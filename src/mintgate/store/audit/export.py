"""Reading the log in order, and going on with what is written meanwhile, without missing a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from mintgate.store.audit import rows
from mintgate.store.audit.rows import StoredEvent

if TYPE_CHECKING:
    from mintgate.store.database import Database


class Export:
    """One reading of an instance's log, from a time on.

    A writer's rows become visible in the order of their numbers, while those of several writers
    do not become visible in the order of time. So it is kept how far each writer was read.

    Args:
        since: Unix seconds.
    """

    def __init__(self, database: Database, instance_id: str, since: float = 0.0) -> None:
        self._database = database
        self._instance_id = instance_id
        self._since = since
        self._read_through = database.read_now(lambda c: rows.ends(c, instance_id))

    def existing(self) -> Iterator[StoredEvent]:
        """What was there when the export began, in the order of time."""
        place: tuple[float, str, int] | None = None
        while page := self._page(place):
            for row in page:
                if row.sequence <= self._read_through.get(row.writer_id, 0):
                    yield row
            place = (page[-1].at, page[-1].writer_id, page[-1].sequence)

    def added(self) -> list[StoredEvent]:
        """Some of what was written since the last call, in the order of time; none at the end."""
        found = self._database.read_now(self._added)
        for row in found:
            known = self._read_through.get(row.writer_id, 0)
            self._read_through[row.writer_id] = max(known, row.sequence)
        return sorted(
            (row for row in found if row.at >= self._since),
            key=lambda row: (row.at, row.writer_id, row.sequence),
        )

    def _page(self, place: tuple[float, str, int] | None) -> list[StoredEvent]:
        return self._database.read_now(
            lambda c: rows.page_in_time(c, self._instance_id, self._since, place)
        )

    def _added(self, connection: Connection) -> list[StoredEvent]:
        found = []
        for writer_id, end in rows.ends(connection, self._instance_id).items():
            known = self._read_through.get(writer_id, 0)
            if end > known:
                found += rows.page_of_writer(connection, self._instance_id, writer_id, known)
        return found
