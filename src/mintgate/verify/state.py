"""What a verifier asks about the present: is the token, its application, its user still good?"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from mintgate.contract.users import UserType


class UserState(msgspec.Struct, frozen=True):
    """The acting user now.

    `locked` means locked by an administrator [SGN-10]; `is_admin` is None where it is not known.
    """

    active: bool
    locked: bool
    user_type: UserType
    is_admin: bool | None = None


class TokenState(msgspec.Struct, frozen=True):
    """The present of one token's subjects.

    `application_enabled` is None when the application does not exist, `user` when the user does
    not.
    """

    revoked: bool
    application_enabled: bool | None
    user: UserState | None


class StateUnavailable(Exception):
    """The state cannot be had now; nothing is known to be wrong with the token."""


class StateSource(Protocol):
    """Where a verifier learns the state for checks API-13 and API-14.

    It is asked about a token that passed every check before those: its claims can be believed.

    One that also has `stamp() -> int | None` is not asked again, for `verifier.STAMPED_SECONDS`, as
    long as that is the same number: then nothing that it tells about has changed. None says that
    it cannot tell. The number has to change after what it stands for has, and not before.
    """

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        """The state if it is known here and now, without waiting; None when it must be loaded."""
        ...

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        """The state, waiting for it in this thread. Raises StateUnavailable."""
        ...

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        """The state, waiting for it in the event loop. Raises StateUnavailable."""
        ...
