"""Connections to PostgreSQL, straight or through a pooler such as PgBouncer.

A pooler that hands out its connections by the transaction forgets between two of them what a
session has said: prepared statements, settings, LISTEN. Whether there is one is seen when
connecting: it answers with a process id of its own making.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from mintgate.store.failures import CommitFailed

RV = TypeVar("RV")
STATEMENT_MS = 5000
"""What a statement may take, and what it may wait for a lock."""
ANSWER_SECONDS = 7.0
"""What an answer may take. Longer than a statement may: past it something in between is silent."""
CLIENT_OPTIONS = {
    "connect_timeout": "5",
    # A peer that is gone without a word: 5 s after what was sent, 11 s after what it last sent.
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "fallback_application_name": "mintgate",
}
"""Nothing here is told to the server but the name: PgBouncer refuses settings that it is told."""
_LIMITS = (
    f"SELECT set_config('statement_timeout', '{STATEMENT_MS}', {{local}}),"
    f" set_config('lock_timeout', '{STATEMENT_MS}', {{local}})"
)
_FOR_THE_SESSION = _LIMITS.format(local="false")
_FOR_THE_TRANSACTION = _LIMITS.format(local="true")
_WHO = (
    "SELECT pg_backend_pid(), current_setting('statement_timeout') <> '0'"
    " AND current_setting('lock_timeout') <> '0'"
)
_LIMIT_EACH = "mintgate_limit_each_transaction"


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on an answer that does not come.

    The server's own timeouts do not help when it, or the way to it, is silent.
    """

    answer_seconds = ANSWER_SECONDS
    raw_cursor_factory: type[psycopg.RawCursor[Any]] = psycopg.RawCursor

    def execute_raw(self, text: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
        """Execute a statement whose values are marked `$1`, `$2` and so on, as the server reads it.

        Others are translated: one of more than fifty values letter by letter, every time.
        """
        return self.raw_cursor_factory(self).execute(text, values)

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        # The driver comes back here ten times a second while it waits.
        deadline = time.monotonic() + self.answer_seconds
        try:
            waits_for = next(gen)
            while True:
                ready = yield waits_for
                if not ready and time.monotonic() > deadline:
                    # What was asked may still be answered: nobody must read that as another's.
                    self.pgconn.finish()
                    seconds = f"{self.answer_seconds:g} seconds"
                    raise psycopg.OperationalError(f"no answer within {seconds}")
                waits_for = gen.send(ready)
        except StopIteration as done:
            result: RV = done.value
            return result


def is_pooled(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], pid: int) -> bool:
    """Whether somebody in between hands out connections.

    Args:
        pid: what the server says of itself (`pg_backend_pid()`).
    """
    return connection.info.backend_pid != pid


def driver_options(engine: Engine, url: URL) -> dict[str, Any]:
    """What the driver is called with for `url`; what the URL itself says wins."""
    _, options = engine.dialect.create_connect_args(url)
    return {**CLIENT_OPTIONS, **options}


def make_engine(url: URL, pool_size: int) -> Engine:
    """An engine whose connections all keep to the limits above, behind a pooler too."""
    # hide_parameters: rows of others must not stand in an exception that is logged.
    engine = create_engine(url, pool_size=pool_size, pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _limit)
    event.listen(engine, "handle_error", _leave_a_server_that_only_reads)
    return engine


def take_time(connection: Connection) -> None:
    """Lift the limits for the transaction on `connection`: a migration may take minutes.

    The connection is closed afterwards.
    """
    raw: Any = connection.connection.dbapi_connection
    connection.detach()
    raw.answer_seconds = float("inf")
    connection.exec_driver_sql(
        "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
    )


def may_commit_by_itself(connection: Connection) -> bool:
    """Whether a statement keeps to the limits without a transaction around it."""
    return not connection.info.get(_LIMIT_EACH)


@contextlib.contextmanager
def committing_by_itself(connection: Connection) -> Iterator[None]:
    """Have each statement inside be a transaction of its own: one way there and back, not three.

    Raises:
        CommitFailed: the answer did not come; it may have happened or not.
    """
    raw: Any = connection.connection.dbapi_connection
    raw.autocommit = True
    try:
        yield
    except DBAPIError as error:
        # What the server refuses it has not done; without its word nobody knows.
        if raw.closed or getattr(error.orig, "sqlstate", None) is None:
            raise CommitFailed(error) from error
        raise
    finally:
        if not raw.closed:
            raw.autocommit = False


def _connect(
    _dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]
) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **{**CLIENT_OPTIONS, **options})


def _prepare(raw: BoundedConnection, record: ConnectionPoolEntry) -> None:
    raw.autocommit = True
    try:
        pid, has_limits = raw.execute(_WHO).fetchall()[0]
        if is_pooled(raw, pid):
            raw.prepare_threshold = None
            record.info[_LIMIT_EACH] = not has_limits
        else:
            raw.execute(_FOR_THE_SESSION)
    finally:
        with contextlib.suppress(psycopg.Error):  # the failure above says more
            raw.autocommit = False


def _limit(connection: Connection) -> None:
    if connection.info.get(_LIMIT_EACH):
        connection.exec_driver_sql(_FOR_THE_TRANSACTION)


def _leave_a_server_that_only_reads(context: ExceptionContext) -> None:
    # After a failover it may be the one that was the primary, and read old rows, too. The next
    # connection goes to where the URL leads then.
    if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
        context.is_disconnect = True
