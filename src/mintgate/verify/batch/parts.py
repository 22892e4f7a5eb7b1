"""The requests of a batch and the answers to them, in whichever format they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from mintgate.contract.errors import AmbiguousRequest, BatchTooLarge, Refusal

Headers = tuple[tuple[bytes, bytes], ...]


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch may be; more is refused with 413.

    Args:
        parts: requests in it.
        body_bytes: of the whole.
        body_seconds: until all of it is there, with 408 beyond it: it is held in memory, and not
            counted yet by any limit. For ASGI; WSGI servers have such a limit themselves.
        answer_bytes: of the answer of the application behind, which is held in memory while the
            refused parts are put into it. A batch of which nothing is refused has no such limit.
    """

    parts: int = 100
    body_bytes: int = 4_194_304
    body_seconds: float = 60.0
    answer_bytes: int = 33_554_432


USUAL_LIMITS = BatchLimits()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a batch.

    Args:
        method: in upper case.
        url: as it was written: relative to the batch, from the server's root, or absolute.
        headers: names in lower case.
        body: what its request has as body. In the JSON format: the JSON text of the member
            `body`, whatever it stands for; None without one.
        id: by which others refer to it.
        id_is_inside: the request itself names the id, as early clients do, not its envelope.
        depends_on: the names of requests and groups that must have succeeded.
        condition: the member `if` of the JSON format.
    """

    method: str
    url: str
    headers: Headers
    body: bytes | None = None
    id: str | None = None
    id_is_inside: bool = False
    depends_on: tuple[str, ...] = ()
    condition: str | None = None


class Unit(msgspec.Struct, frozen=True):
    """What succeeds or fails as a whole: one request, or a change set (an atomicity group).

    Args:
        group: None for one request by itself; the name of an atomicity group, empty for a change
            set, which has none.
    """

    parts: tuple[Part, ...]
    group: str | None = None


class Answered(msgspec.Struct, frozen=True):
    """The answer to a unit, in the format of its batch.

    Args:
        pieces: as the format writes them. One answer stands for a whole change set that failed.
        failed: whether the unit did.
    """

    pieces: tuple[bytes, ...]
    failed: bool


class Reply(msgspec.Struct, frozen=True):
    """A finished HTTP answer to one part."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Format(Protocol):
    """One of the two ways to write a batch (OData 4.01 part 1 §11.7.7; JSON Format §19)."""

    accept: bytes
    """What an answer in the same format is asked for with."""
    has_names: bool
    """Whether an answer names its request, or stands in the same place in the row."""

    def read(self, body: bytes, most_parts: int) -> tuple[Unit, ...]:
        """The requests. Raises AmbiguousRequest, BatchTooLarge."""

    def write(self, units: Sequence[Unit]) -> tuple[bytes, bytes]:
        """The media type and the body of a batch of these units."""

    def message_of(self, part: Part) -> tuple[Headers, bytes]:
        """The headers and the body of the request that a part stands for.

        Raises:
            AmbiguousRequest: they do not fit together.
        """

    def read_answers(
        self, content_type: bytes, body: bytes, units: Sequence[Unit]
    ) -> list[Answered | None]:
        """What an application answered to units, in their order; None where nothing.

        Raises:
            UnreadableAnswer: it is no answer to these units.
        """

    def answered(self, unit: Unit, replies: Sequence[Reply]) -> Answered:
        """Replies to a unit: one for each of its parts, or one for all of them."""

    def write_answers(self, answers: Sequence[Answered]) -> tuple[bytes, bytes]:
        """The media type and the body of the answer to a batch."""


def ambiguous(what: str) -> AmbiguousRequest:
    """The refusal of a batch, or of a part, that could be read in two ways."""
    return AmbiguousRequest(f"The $batch {what}.", cause=f"the batch {what}")


def too_large(limits: BatchLimits) -> BatchTooLarge:
    return BatchTooLarge(f"The $batch has more than {limits.body_bytes} bytes.")


def too_many(most: int) -> BatchTooLarge:
    return BatchTooLarge(f"The $batch has more than {most} requests.")


def ambiguous_part(what: str) -> Refusal:
    return AmbiguousRequest(f"This request of the $batch {what}.", cause=f"the part {what}")
