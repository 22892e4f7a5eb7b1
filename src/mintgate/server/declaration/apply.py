"""Planning and applying a declaration to a database."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from mintgate.contract.instance import Instance
from mintgate.server.declaration.built_in import built_in_changes
from mintgate.server.declaration.carry_out import carry_out
from mintgate.server.declaration.model import Declaration
from mintgate.server.declaration.plan import Plan, plan_of
from mintgate.server.declaration.stored import Stored, stored
from mintgate.store import AuditEvent, Database, DatabaseUnavailable, Transaction, instances, keys
from mintgate.store.keys import KeyEncryptionKey

ATTEMPTS = 5


def plan(database: Database | None, declaration: Declaration, *, prune: bool = False) -> Plan:
    """What `apply` would do; None is a database that does not exist yet.

    Raises:
        InvalidDeclaration: with every problem.
        DatabaseUnavailable: it cannot be read.
    """
    before = _read(database, declaration) if database else Stored()
    return plan_of(declaration, before, prune=prune)


def apply(
    database: Database,
    declaration: Declaration,
    key_encryption_key: Callable[[], KeyEncryptionKey],
    *,
    prune: bool = False,
    actor: str | None = None,
) -> Plan:
    """Make the database say what the declaration says, in one transaction.

    Args:
        key_encryption_key: asked for only when an instance is new, to seal its signing key.
        prune: remove applications, users and APIs that the declaration does not name.
        actor: who does it, for the audit log.

    Returns:
        What was changed; no changes when nothing was to do.

    Raises:
        InvalidDeclaration: with every problem; nothing was changed.
        KeyEncryptionProblem: no usable key for a new instance; nothing was changed.
        DatabaseUnavailable: it cannot be read or written; nothing was changed.
    """
    for _ in range(ATTEMPTS):
        # Hashing passwords takes long, so it is done before the write lock is held; then it is
        # checked that the plan was made from what is still there.
        before = _read(database, declaration)
        planned = plan_of(declaration, before, prune=prune)
        built_in = built_in_changes(planned.instance, before.applications)
        if not planned.changes and not built_in:
            return planned
        kek = key_encryption_key() if planned.is_new_instance else None
        with database.begin() as tx:
            # Who reserves a licence slot waits, so that there are enough afterwards [SES-36].
            instances.lock(tx, planned.instance.id)
            if stored(tx.connection, declaration) != before:
                continue
            actions = (*planned.changes, *built_in)
            carry_out(tx, planned.instance.id, actions, actor=actor)
            if kek is not None:
                _create_signing_key(tx, planned.instance, kek, actor)
        return planned
    raise DatabaseUnavailable("others keep changing the same instance; try again")


def _read(database: Database, declaration: Declaration) -> Stored:
    def read(connection: Connection) -> Stored:
        return stored(connection, declaration)

    return database.read_now(read)


def _create_signing_key(
    tx: Transaction, instance: Instance, kek: KeyEncryptionKey, actor: str | None
) -> None:
    key = keys.create(tx, instance.id, kek, instance.signing_algorithm.value)
    tx.record(
        AuditEvent(
            instance_id=instance.id,
            at=tx.now,
            event="key.added",
            actor=actor,
            details={"kid": key.kid, "algorithm": key.algorithm},
        )
    )
