"""What is changed at the identity server for some rows of the table, for all ways at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from mintgate.contract.declared_apis import Limits
from mintgate.contract.identifiers import token_digest
from mintgate.contract.users import UserType
from mintgate.store import reference_tokens, revocations
from tests.edge.checks_tokens import REVOKED
from tests.edge.ways import MANY, REFERENCES, Ways, declared
from tests.world import BACKOFFICE, STOCK


class Change(NamedTuple):
    """Args: `spoils` is whether the same tokens pass before it."""

    make: Callable[[Ways], None]
    undo: Callable[[Ways], None]
    spoils: bool = True


def _nothing(_: Ways) -> None:
    """What was revoked stays so; nobody else has those tokens."""


def _revoke(ways: Ways) -> None:
    instance_id = ways.world.instance.id
    digests = [token_digest(ways.reference(kind, name="revoked")) for kind in REFERENCES]
    with ways.world.database.begin() as tx:
        for jti in REVOKED.values():
            revocations.add(tx, instance_id, jti, time.time() + 3600)
        for digest in digests:
            found = reference_tokens.by_key(tx.connection, instance_id, digest)
            assert found is not None
            assert reference_tokens.revoke(tx, instance_id, found.id, "ada")


def _applications(**changes: Any) -> Callable[[Ways], None]:
    def change(ways: Ways) -> None:
        for client_id in (BACKOFFICE, STOCK):
            ways.world.change_application(client_id, **changes)

    return change


def _users(mira: dict[str, Any], service: dict[str, Any]) -> Callable[[Ways], None]:
    def change(ways: Ways) -> None:
        ways.world.change_user("mira.k", **mira)
        ways.world.change_user("svc.stock", **service)

    return change


def _both(**changes: Any) -> Callable[[Ways], None]:
    return _users(changes, changes)


def _limit(per_session: int) -> Callable[[Ways], None]:
    def change(ways: Ways) -> None:
        ways.redeclare(more=declared(per_session))
        for limits in ways.limits:
            limits.use(Limits(per_session=per_session))

    return change


CHANGES = {
    "": Change(_nothing, _nothing, spoils=False),
    "revoked": Change(_revoke, _nothing),
    "disabled application": Change(_applications(is_enabled=False), _applications(is_enabled=True)),
    "inactive user": Change(_both(active=False), _both(active=True)),
    "locked user": Change(_both(locked_until=2e9), _both(locked_until=None)),
    "user of another type": Change(
        _both(user_type=UserType.VIRTUAL),
        _users({"user_type": UserType.INTERNAL}, {"user_type": UserType.SYSTEM}),
    ),
    "no free slot": Change(
        lambda ways: ways.redeclare(replace=("licences = 1000", "licences = 1")),
        lambda ways: ways.redeclare(),
        spoils=False,
    ),
    "limit used up": Change(_limit(1), _limit(MANY)),
}
