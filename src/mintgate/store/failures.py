"""What can go wrong with a database."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

AWAY = (OperationalError, InterfaceError, InternalError)
"""What drivers raise when the database is away, locked, full or read-only; not a broken rule."""


class DatabaseUnavailable(Exception):
    """The database cannot be opened, read or written now; the message says what to do."""


class CommitFailed(Exception):
    """The commit itself failed: it may have happened or not."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def translated(error: Exception) -> Exception:
    """The same error, or `DatabaseUnavailable` when it says that the database is away."""
    if isinstance(error, AWAY):
        return DatabaseUnavailable(f"the database refused: {error.orig}")
    return error
