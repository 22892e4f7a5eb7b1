"""The names of the migrations, read from their files without Alembic.

At nearly every start the schema is current. To find that out, Alembic would be imported with all
its parts and every migration run as a module: as much time as a quarter of the start.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

VERSIONS = Path(__file__).parent / "migrations" / "versions"
_NAME = re.compile(r"""^(revision|down_revision)\b[^=\n]*=\s*["']([^"']+)["']""", re.MULTILINE)


class Revisions(NamedTuple):
    """All migrations, and those that no other one follows: one, unless two were made side by
    side."""

    known: frozenset[str]
    heads: frozenset[str]


def revisions(folder: Path = VERSIONS) -> Revisions:
    """What the files say."""
    named: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for file in folder.glob("*.py"):
        for kind, name in _NAME.findall(file.read_text("utf-8")):
            named[kind].add(name)
    known = named["revision"]
    return Revisions(frozenset(known), frozenset(known - named["down_revision"]))
