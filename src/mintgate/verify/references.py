"""What a verifier asks about reference tokens, which are opaque to it (§8)."""

from __future__ import annotations

from typing import Any, Protocol


class ReferenceSource(Protocol):
    """Where a verifier learns what a reference token stands for.

    The claims are those of the claim table's PAT and SAT columns; None is a token that is
    unknown, has expired or was revoked [API-3].
    """

    def load(self, token: str) -> dict[str, Any] | None:
        """The claims, waiting for them in this thread. Raises StateUnavailable."""
        ...

    async def load_async(self, token: str) -> dict[str, Any] | None:
        """The claims, waiting for them in the event loop. Raises StateUnavailable."""
        ...

    def note_use(self, claims: dict[str, Any]) -> None:
        """The token authenticated its bearer [REF-38]."""
        ...
