"""What the state feed tells of a user [API-14]."""

from __future__ import annotations

from sqlalchemy import select

from mintgate.contract.clock import LAST_MOMENT
from mintgate.contract.feed import ChangedUser
from mintgate.contract.users import User
from mintgate.store import revocations
from mintgate.store.rows import from_row
from mintgate.store.tables import users
from mintgate.store.transaction import Transaction


def tell(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Append what the row says now to the state feed."""
    of_user = (users.c.instance_id == instance_id) & (users.c.id == user_id)
    row = tx.connection.execute(select(users).where(of_user)).mappings().first()
    if row is None:
        return
    user = from_row(User, row)
    until = user.locked_until
    entry = ChangedUser(
        sub_id=user_id,
        active=user.active,
        user_type=user.user_type,
        is_admin=user.is_admin,
        locked_until=None if until is None else min(until, LAST_MOMENT),
        not_before=revocations.not_before(tx.connection, instance_id, user_id),
    )
    tx.changed(instance_id, user_id, entry)
