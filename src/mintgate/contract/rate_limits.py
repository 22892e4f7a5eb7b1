"""The arithmetic of requests per minute, and how a client reads it. Pure.

Two counts are kept of each thing that is counted: of this window and of the one before. The earlier
one fades out as this window goes by, so that a burst across the border is not given twice. Windows
begin alike everywhere (at multiples of their length), so that processes can add their counts up.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from math import floor

import msgspec

WINDOW_SECONDS = 60
POLICY_HEADER = b"ratelimit-policy"
LIMIT_HEADER = b"ratelimit"


class Usage(msgspec.Struct, frozen=True):
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
        return floor(self.previous * self.left / self.window + self.current)

    def remaining(self, limit: int) -> int:
        """How many more are allowed now."""
        return max(0, limit - self.requests)

    def seconds_until_fewer(self, limit: int) -> int:
        """Whole seconds after which fewer requests count than now, and fewer than `limit`.

        That is when one more is allowed than now: `Retry-After` of a refusal, and the effective
        window of an answer.
        """
        below = max(1, min(limit, self.requests))
        if self.current < below:
            if not self.previous:
                return self.window
            fades_at = (below - self.current) * self.window / self.previous
            return floor(max(0.0, self.left - fades_at)) + 1
        # Not in this window any more; in the next one, this one is what fades.
        return floor(self.left + self.window - below * self.window / self.current) + 1


def policy_header(limits: dict[str, int]) -> tuple[bytes, bytes]:
    """`RateLimit-Policy`: every limit by its name (section 3); the same on every answer."""
    items = (f'"{name}";q={limit};w={WINDOW_SECONDS}' for name, limit in limits.items())
    return POLICY_HEADER, ", ".join(items).encode("ascii")
