"""What a guard asks of ERP sessions: one is opened by the first permitted request [SES-11]."""

from __future__ import annotations

import math
from typing import Literal, Protocol

from mintgate.contract.errors import NoFreeSlot
from mintgate.verify.principal import Principal

SessionKind = Literal["interactive", "service", "legacy"]


class OpenSession:
    """A session as this process knows it; times in Unix seconds.

    Args:
        key: `sid` of a person, `jti` of a service [SES-1..4].
        absolute_end: when it closes even when busy; infinite for people [SES-15].
    """

    __slots__ = (
        "absolute_end",
        "client_ids",
        "current",
        "downloaded",
        "key",
        "kind",
        "last_request",
        "opened_at",
        "requests",
        "told_at",
        "told_current",
        "uploaded",
    )

    def __init__(
        self,
        key: str,
        kind: SessionKind,
        *,
        opened_at: float,
        last_request: float,
        absolute_end: float = math.inf,
        client_ids: tuple[str, ...] = (),
    ) -> None:
        self.key = key
        self.kind = kind
        self.opened_at = opened_at
        self.last_request = last_request
        self.absolute_end = absolute_end
        self.client_ids = set(client_ids)
        self.requests = 0
        """Since the last flush, as are `uploaded` and `downloaded` (bytes) [SES-26, SES-27]."""
        self.current = 0
        """Requests that run now."""
        self.uploaded = 0
        self.downloaded = 0
        self.told_at = last_request
        """The last request that others know of, and below how many requests ran then."""
        self.told_current = 0


class SessionSource(Protocol):
    """Opens sessions, and knows those that this process has opened or joined.

    One that also has `peek(credential) -> CheckOutcome` tells of check API-16 in explanations.
    """

    def touch(self, principal: Principal) -> OpenSession | None:
        """Note one more request of a session that is known to be open; None: ask `open`."""
        ...

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        """Open or join the principal's session, waiting in this thread.

        Args:
            credential: the token as it came; a source that asks somebody else has to show it.

        Raises:
            NoFreeSlot: all licence slots are taken [SES-33].
            StateUnavailable: it cannot be known now.
        """
        ...

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        """The same, waiting in the event loop."""
        ...


def no_free_slot(principal: Principal, cause: str) -> NoFreeSlot:
    """The refusal of a caller; an administrator reads what can be done about it [SES-33]."""
    return NoFreeSlot(_ADVICE if principal.is_admin else None, cause=cause)


_ADVICE = (
    "All licence slots are taken. `mintgate session list` shows who has them, and "
    "`mintgate session close` frees one."
)
