"""The life of a signing key, decided by times alone [DSC-14, EXT-14]. All in Unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

ROTATION_SECONDS = 90 * 24 * 3600.0
"""A new key this long after the last one."""
PUBLISHED_BEFORE_USE = 24 * 3600.0
"""So that every verifier has fetched it before the first token that it signs."""
KNOWN_EVERYWHERE = 2.0
"""Every server knows a new key within one second [TOP-13]; earlier no token may name it."""
LONGEST_TOKEN = 24 * 3600.0
"""The upper bound of an access token's lifetime: how long a superseded key may be needed."""

KeyState = Literal["next", "active", "superseded", "ended"]


class KeyTimes(msgspec.Struct, frozen=True):
    """`active_from` is when it begins to sign; `ended_at` when it was declared compromised.

    A key is for one `algorithm` (RFC 8725 §3.1).
    """

    kid: str
    active_from: float
    ended_at: float | None = None
    algorithm: str = "RS256"


def active_key(keys: Sequence[KeyTimes], now: float) -> KeyTimes | None:
    """The key that signs: the newest that has begun; by a clock that is behind, the first."""
    living = sorted(
        (key for key in keys if key.ended_at is None), key=lambda k: (k.active_from, k.kid)
    )
    begun = [key for key in living if key.active_from <= now]
    return begun[-1] if begun else next(iter(living), None)


def state_of(key: KeyTimes, keys: Sequence[KeyTimes], now: float) -> KeyState:
    if key.ended_at is not None:
        return "ended"
    if key == active_key(keys, now):
        return "active"
    return "next" if key.active_from > now else "superseded"


def removal_time(key: KeyTimes, keys: Sequence[KeyTimes]) -> float | None:
    """When the last token that it can have signed has ended; None while nothing follows it."""
    if key.ended_at is not None:
        return key.ended_at + LONGEST_TOKEN
    later = [
        other.active_from
        for other in keys
        if other.ended_at is None and other.active_from > key.active_from
    ]
    return min(later) + LONGEST_TOKEN if later else None


def next_activation(keys: Sequence[KeyTimes], now: float, algorithm: str = "RS256") -> float | None:
    """When a key that should be made now begins to sign; None when none is due yet.

    Args:
        algorithm: what the instance is set to; a key for another one gets a successor [EXT-6].
    """
    living = [key for key in keys if key.ended_at is None]
    if not living:
        return now
    newest = max(living, key=lambda key: (key.active_from, key.kid))
    if newest.algorithm != algorithm:
        # After the newest, so that it takes over for good; published before use all the same.
        return max(newest.active_from + 1, now + PUBLISHED_BEFORE_USE)
    if (
        newest.active_from > now
        or now < newest.active_from + ROTATION_SECONDS - PUBLISHED_BEFORE_USE
    ):
        return None
    return max(newest.active_from + ROTATION_SECONDS, now + PUBLISHED_BEFORE_USE)
