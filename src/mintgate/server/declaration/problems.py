"""What is wrong with a declared instance, told by line and key, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mintgate.server.declaration.locate import Path


class Problem(msgspec.Struct, frozen=True):
    """One thing to correct.

    Args:
        line: in the file, from 1; None when the declaration comes from no file.
        key: as written in the file; empty when the file as a whole is meant.
        sentence: what is wrong and what is allowed.
    """

    line: int | None
    key: str
    sentence: str

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return place + (f"{self.key}: " if self.key else "") + self.sentence


class InvalidDeclaration(Exception):
    """The declaration cannot be applied; nothing of it was."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(
            dict.fromkeys(problems), key=lambda problem: problem.line or 0
        )
        super().__init__("\n".join(map(str, self.problems)))


class Source(msgspec.Struct, frozen=True):
    """Where a record was declared."""

    lines: Mapping[Path, int] = {}
    path: Path = ()

    @property
    def line(self) -> int | None:
        """Where the record begins."""
        return self.lines.get(self.path)

    def inside(self, key: str) -> Source:
        """Where a table within the record was declared."""
        return Source(self.lines, (*self.path, key))

    def problem(self, key: str, sentence: str, *other_spellings: str) -> Problem:
        """A problem at `key`, at an alias of it, or at the table when neither is there."""
        for spelling in (key, *other_spellings):
            line = self.lines.get((*self.path, spelling))
            if line is not None:
                return Problem(line, spelling, sentence)
        return Problem(self.line, key, sentence)
