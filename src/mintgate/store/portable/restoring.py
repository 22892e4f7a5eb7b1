"""A backup into an empty database: its rows, and then the end of what may have ended since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from mintgate.store import instances
from mintgate.store.database import Database
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.portable.backup import opened
from mintgate.store.portable.copying import Progress, fill, no_progress
from mintgate.store.portable.ending import InstanceRestored, end_all
from mintgate.store.portable.target import Target
from mintgate.store.sealing import require_opens
from mintgate.store.transaction import Transaction


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored.

    Args:
        backup_at: the moment that the backup holds, Unix seconds.
        rows: how many, of all tables.
    """

    backup_at: float
    rows: int
    instances: list[InstanceRestored]


def restore(
    file: Path,
    database: Database,
    kek: Callable[[], KeyEncryptionKey],
    *,
    actor: str,
    restart: bool = False,
    revoke_reference_tokens: bool = False,
    progress: Progress = no_progress,
) -> Restored:
    """Fill an empty database from a backup; until the last commit no program runs on it.

    Args:
        kek: brings the key-encryption key that sealed what is in the backup.
        actor: who restores, for the audit log.
        restart: empty what an interrupted restore has left.
        revoke_reference_tokens: end them too, instead of listing them.

    Raises:
        CopyProblem: the file is not a backup or damaged, or the target is not empty.
        KeyEncryptionProblem: the key is missing or another one; nothing was written.
        DatabaseUnavailable: the target cannot be written.
    """
    with opened(file) as (backup, at):
        key = kek()
        backup.read_now(lambda connection: require_opens(connection, key))
        into = Target.begin(database, "restore", restart=restart)
        copied = fill(backup, into, progress)
    made: list[InstanceRestored] = []

    def end(tx: Transaction) -> None:
        made.extend(
            end_all(
                tx,
                instance,
                key,
                revoke_reference_tokens=revoke_reference_tokens,
                actor=actor,
                backup_at=at,
            )
            for instance in instances.all_of(tx.connection)
        )

    into.finish(end)
    return Restored(backup_at=at, rows=sum(copied.rows.values()), instances=made)
