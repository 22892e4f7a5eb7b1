"""Listening to PostgreSQL's notifications, on a connection of its own.

Nothing depends on them: without any, the follower's own look finds every change.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from mintgate.store import postgresql
from mintgate.store.database import Database
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.notifying import CHANNEL, Heard, heard
from mintgate.store.transaction import Transaction

_log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
TRIAL_SECONDS = 5.0
"""After which a notification that this process sent itself has got lost."""
_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL))
_SLOWER = "what other processes change is seen here by looking four times a second"
_POOLED = (
    f"the database is reached through a pooler, where LISTEN does not work: {_SLOWER}. To hear of "
    "it at once, give the address of PostgreSQL itself with --notify-database"
)
_UNHEARD = (
    f"a notification of PostgreSQL did not arrive: {_SLOWER}. --notify-database must lead to the "
    "same database as --database, on the server that is written to"
)


class Notifications:
    """Hears of commits of all processes, and says what is in the way, once.

    Args:
        tell: called in the event loop for each notification.
        look: called in the event loop when listening begins: nobody heard what came before.
    """

    def __init__(
        self, database: Database, tell: Callable[[Heard], None], look: Callable[[], None]
    ) -> None:
        self._database = database
        self._tell = tell
        self._look = look
        self._options = postgresql.driver_options(database.engine, database.notify_url)
        self._is_connected = False
        self._was_lost = False
        self._trial = ""
        self._trial_heard = asyncio.Event()
        self._trial_done = False

    async def run(self) -> None:
        """Listen for ever; ends by itself only where listening makes no sense."""
        while True:
            try:
                await self._listen()
                return
            except (psycopg.Error, OSError, TimeoutError) as error:
                if not self._was_lost:
                    _log.warning("PostgreSQL's notifications cannot be heard now: %s", error)
                self._was_lost = True
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
            autocommit=True, **self._options
        )
        async with connection:
            cursor = await connection.execute("SELECT pg_backend_pid()")
            row = await cursor.fetchone()
            if row is None or postgresql.is_pooled(connection, row[0]):
                _log.warning(_POOLED)
                return
            await connection.execute(_LISTEN)
            self._look()
            if self._was_lost:
                _log.warning("PostgreSQL's notifications are heard again")
            self._was_lost = False
            trial = asyncio.create_task(self._try_out())
            try:
                async for notification in connection.notifies():
                    self._hear(notification.payload)
            finally:
                trial.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await trial

    def _hear(self, payload: str) -> None:
        if payload == self._trial:
            self._trial_heard.set()
            return
        known = heard(payload)
        if known is not None:
            self._tell(known)

    async def _try_out(self) -> None:
        """Send a notification the way that commits do, and see whether it is heard, once."""
        if self._trial_done:
            return
        self._trial = f"trial-{secrets.token_hex(8)}"
        try:
            await self._database.write(self._send_trial)
            async with asyncio.timeout(TRIAL_SECONDS):
                await self._trial_heard.wait()
        except DatabaseUnavailable:
            return  # it cannot be told now
        except TimeoutError:
            _log.warning(_UNHEARD)
        self._trial_done = True

    def _send_trial(self, tx: Transaction) -> None:
        tx.connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, self._trial))
