"""What a guard asks of rate limits [API-17]."""

from __future__ import annotations

from typing import Protocol

from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession

Headers = list[tuple[bytes, bytes]]


class RequestLimits(Protocol):
    """Counts requests. It answers at once: what processes share is shared in the background."""

    def hit(self, principal: Principal, session: OpenSession | None, address: str) -> Headers:
        """Count one request; returns the `RateLimit` headers of its answer.

        Args:
            session: None where no sessions are kept.
            address: the client's, empty when unknown.

        Raises:
            TooManyRequests: a limit is used up [API-54].
        """
        ...
