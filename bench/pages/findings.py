"""What was found out of each page, for a file and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Self

import msgspec

from bench.samples import percentile

COLUMNS = ("page", "times", "p50 ms", "p95 ms", "max ms", "first visit ms", "page KB",
           "first visit KB")  # fmt: skip
LIMIT_MS = 150.0
"""What a page may take at the median, on a first visit with all that it needs."""
LIMIT_BYTES = 100_000
"""What a first visit may transfer."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A page that was asked for once.

    Args:
        assets_ms, assets_bytes: of what a browser loads besides on a first visit.
    """

    page_ms: float
    page_bytes: int
    assets_ms: float = 0.0
    assets_bytes: int = 0


class OfPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page over all rounds.

    Args:
        first_visit_ms: median, with the assets.
        page_bytes, first_visit_bytes: the most that one took.
        excused: why its time is not judged; None when it is.
    """

    name: str
    times: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    first_visit_ms: float
    page_bytes: int
    first_visit_bytes: int
    excused: str | None = None

    @classmethod
    def of(cls, name: str, asked: Sequence[Asked], excused: str | None) -> Self:
        """Args: asked: at least one."""
        ordered = sorted(one.page_ms for one in asked)
        return cls(
            name=name,
            times=len(asked),
            p50_ms=percentile(ordered, 0.50),
            p95_ms=percentile(ordered, 0.95),
            max_ms=ordered[-1],
            first_visit_ms=median(one.page_ms + one.assets_ms for one in asked),
            page_bytes=max(one.page_bytes for one in asked),
            first_visit_bytes=max(one.page_bytes + one.assets_bytes for one in asked),
            excused=excused,
        )


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one database."""

    title: str
    pages: list[OfPage]
    notes: dict[str, Any] = {}
    limit_ms: float = LIMIT_MS
    limit_bytes: int = LIMIT_BYTES

    @classmethod
    def of(
        cls,
        title: str,
        asked: Mapping[str, Sequence[Asked]],
        *,
        excused: Mapping[str, str],
        notes: dict[str, Any],
    ) -> Self:
        pages = [OfPage.of(name, ones, excused.get(name)) for name, ones in asked.items()]
        return cls(title=title, pages=pages, notes=notes)

    def slow(self) -> list[OfPage]:
        return [
            one for one in self.pages if one.excused is None and one.first_visit_ms > self.limit_ms
        ]

    def heavy(self) -> list[OfPage]:
        return [one for one in self.pages if one.first_visit_bytes > self.limit_bytes]


def rows(pages: Pages) -> Iterator[tuple[str, ...]]:
    """What `COLUMNS` names."""
    slow, heavy = pages.slow(), pages.heavy()
    for one in pages.pages:
        marks = [text for text, group in (("SLOW", slow), ("HEAVY", heavy)) if one in group]
        yield (
            " ".join([one.name, *marks]),
            f"{one.times:,}",
            f"{one.p50_ms:,.1f}",
            f"{one.p95_ms:,.1f}",
            f"{one.max_ms:,.1f}",
            f"{one.first_visit_ms:,.1f}",
            f"{one.page_bytes / 1000:,.1f}",
            f"{one.first_visit_bytes / 1000:,.1f}",
        )


def remarks(pages: Pages) -> Iterator[str]:
    """Verdicts, and what they leave out."""
    judged = [one for one in pages.pages if one.excused is None]
    heaviest = max(pages.pages, key=lambda one: one.first_visit_bytes)
    if judged:
        slowest = max(judged, key=lambda one: one.first_visit_ms)
        yield (
            f"{_state(pages.slow())}: a first visit to each page takes at most "
            f"{pages.limit_ms:g} ms at the median ({slowest.first_visit_ms:,.1f} ms: "
            f"{slowest.name})"
        )
    yield (
        f"{_state(pages.heavy())}: a first visit to each page transfers at most "
        f"{pages.limit_bytes / 1000:g} KB ({heaviest.first_visit_bytes / 1000:,.1f} KB: "
        f"{heaviest.name})"
    )
    for one in pages.pages:
        if one.excused is not None:
            yield f"time not judged: {one.name}: {one.excused}"
    yield from (f"{name}: {value}" for name, value in pages.notes.items())


def _state(broken: Sequence[OfPage]) -> str:
    return "NOT MET" if broken else "met"
