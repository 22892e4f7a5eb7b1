"""The databases that are compared: each declared alike, then filled."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from bench.engines import NewDatabase
from bench.growth.filling import fill
from bench.growth.rows import DAY, reference_rows, revoked_rows
from bench.growth.sizes import Sizes
from bench.instance import Site
from bench.progress import Progress
from mintgate.store.housekeeping import KEPT_AFTER_END
from mintgate.store.tables import reference_tokens, revoked_tokens

MARGIN = 2 * 3600.0
"""Seconds. Rows that are kept when the run begins must still be kept when it ends."""


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """Args: kept: revoked tokens that ended too lately to be removed; removable: long ago."""

    few: Site
    many: Site
    empty: Site
    kept: Site
    removable: Site


def build(folder: Path, sizes: Sizes, new_database: NewDatabase, progress: Progress) -> Cases:
    """Make and fill all of them."""

    def site(name: str) -> Site:
        progress.say(f"growth: filling the database {name!r}")
        return Site(folder / name, new_database())

    now = time.time()
    few, many = site("few"), site("many")
    for place, count in ((few, sizes.few), (many, sizes.tokens)):
        fill(place.url, reference_tokens, reference_rows(place.ids, count, now))
    empty, kept, removable = site("empty"), site("kept"), site("removable")
    ends = {
        kept.url: (now - KEPT_AFTER_END + MARGIN, now - 1.0),
        removable.url: (now - KEPT_AFTER_END - 20 * DAY, now - KEPT_AFTER_END - 1.0),
    }
    for place in (kept, removable):
        rows = revoked_rows(place.ids, sizes.revoked, *ends[place.url])
        fill(place.url, revoked_tokens, rows)
    return Cases(few=few, many=many, empty=empty, kept=kept, removable=removable)
