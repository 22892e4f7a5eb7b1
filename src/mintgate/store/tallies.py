"""What the store counts in this process; see `contract.tallies`."""

from __future__ import annotations

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext

from mintgate.contract.tallies import Spread, Tally
from mintgate.store.failures import AWAY

FAILED = Tally("kind")
"""Failures of the database: `disconnected`, `busy`, `other`."""
CONNECTED = [0]
"""Connections that were opened."""
GROUPS = Spread((1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
"""How many units of work shared a transaction."""
COMMITS = Spread((0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
"""Seconds that a group took, its commit included."""

_BUSY = ("locked", "busy", "lock timeout", "deadlock")


def count_failure(error: Exception, *, is_disconnect: bool = False) -> None:
    """Count a failure of the database; what breaks a rule of the data is none.

    Args:
        error: as SQLAlchemy raises it; its message is looked at, and not kept.
    """
    if not isinstance(error, AWAY):
        return
    message = str(error.orig).lower()
    is_busy = any(word in message for word in _BUSY)
    FAILED.add("disconnected" if is_disconnect else "busy" if is_busy else "other")


def watch(engine: Engine) -> Engine:
    """Count an engine's connections and failures."""
    event.listen(engine, "connect", _connected)
    event.listen(engine, "handle_error", _failed)
    return engine


def _connected(_connection: object, _record: object) -> None:
    CONNECTED[0] += 1


def _failed(context: ExceptionContext) -> None:
    if context.sqlalchemy_exception is not None:
        count_failure(context.sqlalchemy_exception, is_disconnect=bool(context.is_disconnect))
