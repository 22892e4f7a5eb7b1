"""A comparison: contenders, what each adds to the floor, and which targets hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import msgspec

from bench.samples import Sample, Summary, summarize


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure: `seconds` is of one measurement, `warm_up` as for `interleave`."""

    rounds: int
    seconds: float
    warm_up: float


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What `ours` adds is at most `limit` times what `peer` adds; or, by rate, it does at least
    `limit` times as much in a second.

    Args:
        ratio, met: known after the run; None when the peer was left out.
    """

    text: str
    ours: str
    peer: str
    limit: float
    by: Literal["added time", "rate"] = "added time"
    ratio: float | None = None
    met: bool | None = None

    def judged(self, contenders: Mapping[str, Summary]) -> Target:
        ours, peer = contenders.get(self.ours), contenders.get(self.peer)
        if ours is None or peer is None:
            return self
        if self.by == "rate":
            ratio = ours.rate / peer.rate
            return msgspec.structs.replace(self, ratio=ratio, met=ratio >= self.limit)
        if ours.added_us is None or peer.added_us is None:
            return self
        # By the product, not the ratio: a peer below the floor must not turn the sign.
        met = ours.added_us <= self.limit * peer.added_us
        times = ours.added_us / peer.added_us if peer.added_us > 0 else None
        return msgspec.structs.replace(self, ratio=times, met=met)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One interleaved run of contenders that do the same work.

    Args:
        floor: the contender that does only what cannot be left out.
        left_out: peers that could not take part, and why.
        notes: further facts that a reader needs to judge the figures.
    """

    name: str
    title: str
    floor: str
    contenders: dict[str, Summary]
    targets: list[Target] = []
    left_out: dict[str, str] = {}
    versions: dict[str, str] = {}
    notes: dict[str, Any] = {}

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        samples: Mapping[str, Sequence[Sample]],
        *,
        floor: str,
        targets: Sequence[Target],
        left_out: dict[str, str],
        versions: dict[str, str],
        notes: dict[str, Any],
    ) -> Self:
        base = samples[floor]
        contenders = {
            contender: summarize(own, None if contender == floor else base)
            for contender, own in samples.items()
        }
        return cls(
            name=name,
            title=title,
            floor=floor,
            contenders=contenders,
            targets=[target.judged(contenders) for target in targets],
            left_out=left_out,
            versions=versions,
            notes=notes,
        )
