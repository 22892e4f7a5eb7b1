"""What the accounts' use cases have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mintgate.contract.instance import Instance
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.accounts.limits import RequestLimits
from mintgate.identity.mail.outbox import Outbox
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.store import AuditEvent, Database


class AccountParts(NamedTuple):
    """Args:
    wake: tells that there may be a letter; None when this server sends none.
    """

    instance: Instance
    database: Database
    outbox: Outbox
    passwords: PasswordSignIn
    limits: RequestLimits
    wake: Callable[[], None] | None

    @property
    def can_mail(self) -> bool:
        return self.wake is not None

    def has_written(self) -> None:
        """A letter was committed."""
        if self.wake is not None:
            self.wake()

    def event(
        self, name: str, user: User | None, address: str | None, cause: str | None = None
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self.instance.id,
            at=self.database.clock(),
            event=name,
            actor=user.login if user else None,  # what was typed may be a password
            actor_id=user.id if user else None,
            address=address,
            cause=cause,
        )


def may_sign_in(user: User, now: float) -> bool:
    """Whether the user could sign in at `now` (Unix seconds) with the right password."""
    return user.active and not user.is_locked(now) and user.user_type in MAY_SIGN_IN
