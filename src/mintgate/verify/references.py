"""What a verifier asks about reference tokens, which are opaque to it (§8)."""

from __future__ import annotations

from typing import Any, Protocol


class ReferenceSource(Protocol):
    """Where a verifier learns what a reference token stands for.

    The claims are those of the claim table's PAT and SAT columns; None is a token that is
    unknown, has expired or was revoked [API-3]. A source that is told more, such as that its user
    is locked [API-14], raises that refusal.
    """

    def load(self, token: str) -> dict[str, Any] | None:
        """The claims, waiting for them in this thread.

        Raises: StateUnavailable, ResourceRefusal.
        """
        ...

    async def load_async(self, token: str) -> dict[str, Any] | None:
        """The claims, waiting for them in the event loop; raises the same."""
        ...

    def note_use(self, claims: dict[str, Any]) -> None:
        """The token authenticated its bearer [REF-38]."""
        ...
