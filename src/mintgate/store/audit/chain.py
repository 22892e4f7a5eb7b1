"""The hash chain: what a row's hash covers, and the heads of the chains that a process writes.

Pure but for the random salts. Every hash is SHA-256 over the JSON of what it covers.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from mintgate.store.audit.event import AuditEvent

MAX_CAUSE = 500
SALT_BYTES = 16
_SALTS_AT_ONCE = 128
_LABEL = "mintgate audit chain 1"
_encode = msgspec.json.Encoder().encode
_sha256 = hashlib.sha256
_salts: list[bytes] = []
# A forked process must not use the salts of its parent as well.
os.register_at_fork(after_in_child=_salts.clear)


class Head(NamedTuple):
    """The last row of a chain: its number and its hash. The genesis has number 0."""

    sequence: int
    hash: bytes


def genesis(instance_id: str, writer_id: str) -> Head:
    """What the first row of a writer links to: bound to the writer, and to nothing before it."""
    return Head(0, _sha256(_encode((_LABEL, instance_id, writer_id))).digest())


def row_hash(previous: bytes, hashed: Sequence[object]) -> bytes:
    """The hash of a row.

    Args:
        previous: the hash of the row before.
        hashed: the row's values in the order of `rows.HASHED`.
    """
    return _sha256(previous + _encode(hashed)).digest()


def actor_digest(salt: bytes, actor: str | None, address: str | None) -> bytes:
    """What the chain holds of who acted. Without the salt nobody can guess what it was made of."""
    return _sha256(salt + _encode((actor, address))).digest()


def personal_digest(salt: bytes, personal: str) -> bytes:
    """What the chain holds of a row's personal values, given as their JSON text."""
    return _sha256(salt + personal.encode()).digest()


class Chain:
    """The chains of one writer, one an instance, so that an instance is verified by itself.

    Not safe for threads: whoever numbers rows holds a lock until they are committed.
    """

    def __init__(self) -> None:
        self.writer_id = secrets.token_hex(8)
        self._heads: dict[str, Head] = {}

    def link(self, events: Sequence[AuditEvent]) -> tuple[list[tuple[Any, ...]], dict[str, Head]]:
        """The rows of `events` in the order of `rows.COLUMNS`, and where the chains end with them.

        On the path of every token. The new heads count once `advance` is told of them.
        """
        heads: dict[str, Head] = {}
        made: list[tuple[Any, ...]] = []
        writer_id = self.writer_id
        for event in events:
            instance_id = event.instance_id
            sequence, previous = (
                heads.get(instance_id)
                or self._heads.get(instance_id)
                or genesis(instance_id, writer_id)
            )
            sequence += 1
            actor, address, cause = event.actor, event.address, event.cause
            actor_salt = by_actor = personal_salt = personal = of_person = None
            if actor is not None or address is not None:
                actor_salt = _salt()
                by_actor = _sha256(actor_salt + _encode((actor, address))).digest()
            if event.personal is not None:
                personal_salt = _salt()
                personal = _encode(event.personal).decode()
                of_person = personal_digest(personal_salt, personal)
            hashed = (
                instance_id,
                writer_id,
                sequence,
                float(event.at),
                event.event,
                event.actor_id,
                event.subject_id,
                event.application,
                event.session,
                event.jti,
                cause[:MAX_CAUSE] if cause else None,
                _encode(event.details).decode() if event.details is not None else None,
                by_actor,
                of_person,
            )
            end = _sha256(previous + _encode(hashed)).digest()
            made.append((*hashed, end, actor, address, actor_salt, personal, personal_salt))
            heads[instance_id] = Head(sequence, end)
        return made, heads

    def advance(self, heads: dict[str, Head]) -> None:
        """The rows that `link` made are committed."""
        self._heads.update(heads)


def _salt() -> bytes:
    # One call of the system's generator costs more than the hash of a row.
    try:
        return _salts.pop()
    except IndexError:
        drawn = os.urandom(SALT_BYTES * _SALTS_AT_ONCE)
        _salts.extend(
            drawn[start : start + SALT_BYTES] for start in range(SALT_BYTES, len(drawn), SALT_BYTES)
        )
        return drawn[:SALT_BYTES]
