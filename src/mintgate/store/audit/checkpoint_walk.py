"""Walking the checkpoints: their numbers, their links, their signatures, what they list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from mintgate.store.audit import checkpoint_rows, keys
from mintgate.store.audit.chain import Head
from mintgate.store.audit.checkpoint import (
    Checkpoint,
    CheckpointHead,
    digest_of,
    genesis,
)
from mintgate.store.audit.findings import Report
from mintgate.store.tables import audit_heads

if TYPE_CHECKING:
    from mintgate.store.database import Database


class CheckpointWalk:
    """The checkpoints of one instance, and which of them can be believed.

    Args:
        trusted: the public keys whose signatures count.
        expected: number and hash of a checkpoint that must be among them.
    """

    def __init__(
        self,
        database: Database,
        instance_id: str,
        trusted: frozenset[str],
        report: Report,
        expected: tuple[int, bytes] | None = None,
    ) -> None:
        self._database = database
        self._instance_id = instance_id
        self._trusted = trusted
        self._report = report
        self._expected = expected
        self.removed_through = 0
        self.beginnings: dict[str, Head] = {}
        """Where chains begin since retention removed rows."""
        self.doubtful: set[int] = set()
        """Checkpoints whose heads prove nothing."""

    def run(self) -> None:
        last = self._database.read_now(lambda c: checkpoint_rows.newest(c, self._instance_id))
        self._report.newest = last
        previous = genesis(self._instance_id)
        if last is not None and last.removed_through and self._problem(last) is None:
            self.removed_through = last.removed_through
            previous = last.removed_hash or b""
        number, listed = self.removed_through, 0
        while page := self._page(number):
            for checkpoint, heads in page:
                self._look_at(checkpoint, heads, number + 1, previous)
                number, previous = checkpoint.number, checkpoint.hash
                listed += len(heads)
        if self._database.read_now(self._heads_after_removal) != listed:
            self._report.found("heads are listed for checkpoints that do not exist")
        if self._expected is not None:
            self._report.found(
                f"checkpoint {self._expected[0]} with the hash {self._expected[1].hex()} "
                "is not there"
            )

    def _page(self, after: int) -> list[tuple[Checkpoint, list[CheckpointHead]]]:
        def read(connection: Connection) -> list[tuple[Checkpoint, list[CheckpointHead]]]:
            return [
                (found, checkpoint_rows.heads_of(connection, self._instance_id, found.number))
                for found in checkpoint_rows.page(connection, self._instance_id, after)
            ]

        return self._database.read_now(read)

    def _look_at(
        self, checkpoint: Checkpoint, heads: list[CheckpointHead], number: int, previous: bytes
    ) -> None:
        self._report.checkpoints += 1
        if checkpoint.number != number:
            missing = _range(number, checkpoint.number - 1)
            self._report.found(f"missing: checkpoint {missing}")
        elif checkpoint.previous_hash != previous:
            self._report.found(f"checkpoint {number} does not follow the one before it")
        problem = self._problem(checkpoint)
        if problem is None and digest_of(heads) != checkpoint.heads_digest:
            problem = "does not list the heads that it was signed with"
        if problem is not None:
            self._report.found(f"checkpoint {checkpoint.number} {problem}")
            self.doubtful.add(checkpoint.number)
            return
        if self._expected == (checkpoint.number, checkpoint.hash):
            self._expected = None
        if self.removed_through and checkpoint.removed_through == self.removed_through:
            for head in heads:
                if head.is_cut:
                    self.beginnings.setdefault(head.writer_id, Head(head.sequence, head.hash))

    def _problem(self, checkpoint: Checkpoint) -> str | None:
        if checkpoint.public_key not in self._trusted:
            return f"is signed with a key that is not trusted: {checkpoint.public_key}"
        if not keys.is_signed(checkpoint.public_key, checkpoint.signature, checkpoint.signed):
            return "was changed: its signature does not hold"
        return None

    def _heads_after_removal(self, connection: Connection) -> int:
        return connection.execute(
            select(func.count()).where(
                audit_heads.c.instance_id == self._instance_id,
                audit_heads.c.checkpoint > self.removed_through,
            )
        ).scalar_one()


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
