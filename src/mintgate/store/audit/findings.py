"""What a verification says: what was looked at, and what is not as it was written."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mintgate.store.audit.checkpoint import Checkpoint


class Finding(NamedTuple):
    """Something that is not as it was written; in which chain, and from which number on."""

    sentence: str
    writer_id: str | None = None
    sequence: int | None = None


class Report(msgspec.Struct):
    """The outcome of a verification.

    Args:
        rows: how many were looked at.
        covered: those of them that a checkpoint covers; the rest is held by its chain alone.
        erased: those whose personal values, or a part of them, were erased.
        waiting: rows that retention removes next, which are not looked at.
        newest: the last checkpoint.
        since: the checkpoint at which the walk began; None is the beginning.
    """

    findings: list[Finding] = []
    rows: int = 0
    covered: int = 0
    erased: int = 0
    waiting: int = 0
    writers: int = 0
    checkpoints: int = 0
    newest: Checkpoint | None = None
    since: Checkpoint | None = None

    @property
    def is_whole(self) -> bool:
        return not self.findings

    def found(self, sentence: str, writer_id: str | None = None, number: int | None = None) -> None:
        self.findings.append(Finding(sentence, writer_id, number))
