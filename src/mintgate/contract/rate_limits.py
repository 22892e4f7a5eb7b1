"""The arithmetic of requests per minute, and how a client reads it. Pure.

Two counts are kept of each thing that is counted: of this window and of the one before. The earlier
one fades out as this window goes by, so that a burst across the border is not given twice. Windows
begin alike everywhere (at multiples of their length), so that processes can add their counts up.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from typing import NamedTuple

WINDOW_SECONDS = 60
POLICY_HEADER = b"ratelimit-policy"
LIMIT_HEADER = b"ratelimit"


class Usage(NamedTuple):
    """What was used of a limit.

    Args:
        previous: requests of the window before.
        current: requests of this window.
        left: seconds until this window is over.
        window: the length of both, in seconds.
    """

    previous: int
    current: int
    left: float
    window: int = WINDOW_SECONDS

    @property
    def requests(self) -> int:
        """How many count now."""
        return int(self.previous * self.left / self.window) + self.current

    def against(self, limit: int) -> tuple[int, int]:
        """How a limit stands; see `standing`."""
        return standing(limit, *self)


def standing(
    limit: int, previous: int, current: int, left: float, window: int = WINDOW_SECONDS
) -> tuple[int, int]:
    """How a limit stands after what was used.

    Args:
        previous, current, left, window: as in `Usage`.

    Returns:
        How many requests more are allowed now; and the whole seconds after which that is one more
        (of a full limit: the first one): `Retry-After` of a refusal, and the effective window of
        an answer.
    """
    used = int(previous * left / window) + current if previous else current
    if not used:
        return limit, window
    below = used if used < limit else limit
    if current < below:
        # What is left of the window before still fades in this one.
        seconds = left - (below - current) * window / previous
    else:
        # Not in this window any more; in the next one, this one is what fades.
        seconds = left + window - below * window / current
    return limit - below, int(seconds if seconds > 0 else 0) + 1


def policy_header(limits: dict[str, int]) -> tuple[bytes, bytes]:
    """`RateLimit-Policy`: every limit by its name (section 3); the same on every answer."""
    items = (f'"{name}";q={limit};w={WINDOW_SECONDS}' for name, limit in limits.items())
    return POLICY_HEADER, ", ".join(items).encode("ascii")
