"""Sessions of ErpLogin: their ids, and what a process knows of them [LEG-11..14].

An id is made, not drawn: an HMAC over a random nonce of the login, under a key of the instance
that is not in the database. So the same login gets the same id again as long as its session is
open, while the database holds only the nonce and the SHA-256 of the id.
docs/adr/0006-legacy-session-ids.md says why so.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_secret, token_digest
from mintgate.contract.licences import BUFFERED_SECONDS, Touch, takes_slot
from mintgate.contract.second_factors import asks_for_one
from mintgate.gate.sessions import ErpSessions
from mintgate.identity.directory import Directory
from mintgate.store import Database, Transaction, legacy_sessions, second_factors, users
from mintgate.store.erp_sessions import Opened, Opening
from mintgate.store.legacy_sessions import KIND, LegacyLogin
from mintgate.verify.principal import Principal

PURPOSE = "ids of legacy sessions"
MAX_KNOWN = 10_000
_ID = re.compile(r"[A-Za-z0-9_-]{43}")  # [LEG-11] without colon and quotes


class ErpLogins:
    """Opens and finds the sessions of ErpLogin of one instance.

    Args:
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: ErpSessions,
        database: Database,
        is_fresh: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._instance = directory.instance
        self._instance_id = directory.instance.id
        self._key = directory.derived_key(PURPOSE)
        self._sessions = sessions
        self._database = database
        self._is_fresh = is_fresh
        self._clock = clock
        self._known: dict[str, tuple[LegacyLogin, float]] = {}
        self._generation = 0

    async def open(
        self, principal: Principal, password_hash: str, language: str | None
    ) -> str | None:
        """The id of the session of a login; None when the user changed meanwhile.

        Args:
            password_hash: that the password was checked against.

        Raises:
            NoFreeSlot: all licence slots are taken.
            StateUnavailable, DatabaseUnavailable: not now.
        """
        nonce = new_secret()

        def id_of(nonce: str) -> str:
            return self._id(nonce, principal)

        def work(tx: Transaction, *, touches: list[Touch]) -> tuple[Opened, str]:
            opening = Opening(
                key="",
                kind=KIND,
                user_id=principal.user_id,
                login=principal.login,
                client_id=principal.client_id,
                process=self._sessions.process,
                takes_slot=takes_slot(principal.login, principal.user_type),
                touches=touches,
                login_nonce=nonce,
                language=language,
            )
            return legacy_sessions.open_or_find(
                tx, self._instance_id, opening, lambda nonce: token_digest(id_of(nonce))
            )

        made = id_of(await self._sessions.log_in(principal, work))
        key = token_digest(made)
        self._known.pop(key, None)  # its language may be another one now
        # Whoever changes the password or disables the user ends the sessions that are there. This
        # one may have come a moment later, so it looks again.
        user_id = principal.user_id or ""
        if not await self._database.write(lambda tx: self._holds(tx, user_id, password_hash)):
            await self._database.write(lambda tx: legacy_sessions.end(tx, self._instance_id, key))
            return None
        return made

    async def find(self, session_id: str) -> LegacyLogin | None:
        """The login of an open session; None when no open session has this id.

        Raises:
            DatabaseUnavailable: it is not known here.
        """
        if not _ID.fullmatch(session_id):
            return None
        key = token_digest(session_id)
        known = self._known.get(key)
        if (
            known is not None
            and self._is_fresh()
            and 0 <= self._clock() - known[1] < BUFFERED_SECONDS
        ):
            return known[0]
        generation, process = self._generation, self._sessions.process
        # What was noted of it is told first, or it might seem idle [SES-27].
        if key in self._sessions.known:
            await self._sessions.flush()
        found = await self._database.read(
            lambda c: legacy_sessions.by_key(c, self._instance_id, key, self._clock(), process)
        )
        if found is None:
            self._known.pop(key, None)
        elif generation == self._generation:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = (found, self._clock())
        return found

    def _holds(self, tx: Transaction, user_id: str, password_hash: str) -> bool:
        """Whether user, password and factors are as they were; waits for a change being made."""
        stored = users.hold_password_hash(tx, self._instance_id, user_id)
        user = users.by_id(tx.connection, self._instance_id, user_id)
        is_out = user is None or not user.active or user.is_locked(tx.now)
        if is_out or user is None or stored != password_hash:
            return False
        has_any = second_factors.is_enabled(tx.connection, self._instance_id, user_id)
        return not asks_for_one(self._instance, user.user_type, has_any=has_any)  # [LEG-6]

    def forget(self, key: str | None) -> None:
        """A session was closed; None: all were."""
        self._generation += 1
        if key is None:
            self._known.clear()
        else:
            self._known.pop(key, None)

    def _id(self, nonce: str, principal: Principal) -> str:
        named = "\0".join((nonce, principal.client_id, principal.user_id or ""))
        digest = hmac.digest(self._key, named.encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
