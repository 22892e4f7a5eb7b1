"""What is sent to the token endpoint to get the next access token."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol

from mintgate.client.endpoint import Issued
from mintgate.client.errors import RotationNotStored


class Grant(Protocol):
    """A renewable grant. `form`, `accept` and `store` are called by one renewal at a time."""

    @property
    def unstored(self) -> bool:
        """Whether something waits for `store`."""
        ...

    def form(self) -> dict[str, str]:
        """The parameters of the token request, without client authentication."""
        ...

    def accept(self, issued: Issued) -> None:
        """Take over what the answer changes; never fails."""
        ...

    def store(self) -> None:
        """Hand over what must survive a restart.

        Raises:
            RotationNotStored: it could not be handed over; `unstored` stays true.
        """
        ...


class ClientCredentialsGrant:
    """RFC 6749 §4.4 [TKN-12]."""

    unstored = False

    def __init__(self, scope: str | None) -> None:
        self._scope = scope

    def form(self) -> dict[str, str]:
        form = {"grant_type": "client_credentials"}
        return form | ({"scope": self._scope} if self._scope else {})

    def accept(self, issued: Issued) -> None:
        pass

    def store(self) -> None:
        pass


class RefreshTokenGrant:
    """RFC 6749 §6: every use rotates, the old refresh token is dead at once [LIF-12]."""

    def __init__(
        self, refresh_token: str, scope: str | None, on_rotate: Callable[[str], None] | None
    ) -> None:
        if not refresh_token:
            raise ValueError("refresh_token must not be empty")
        if inspect.iscoroutinefunction(on_rotate):
            raise TypeError("on_rotate must be a plain function; it is called in a worker thread")
        self._refresh_token = refresh_token
        self._scope = scope
        self._on_rotate = on_rotate
        self.unstored = False

    def form(self) -> dict[str, str]:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        return form | ({"scope": self._scope} if self._scope else {})

    def accept(self, issued: Issued) -> None:
        # RFC 6749 §6: a server that does not rotate sends none, and the old one stays good.
        if issued.refresh_token and issued.refresh_token != self._refresh_token:
            self._refresh_token = issued.refresh_token
            self.unstored = self._on_rotate is not None

    def store(self) -> None:
        if self._on_rotate is None or not self.unstored:
            return
        problem: Exception | None = None
        try:
            self._on_rotate(self._refresh_token)
        except Exception as error:  # noqa: BLE001 - the caller's code may raise anything
            problem = error
        if problem is not None:
            raise RotationNotStored(problem)
        self.unstored = False
