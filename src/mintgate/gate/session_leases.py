"""ERP sessions for guards in other processes: the issuer's side.

What is believed: an API proves itself by its secret [ITR-1], and a session is opened for a token
only, which the issuer checks by itself for that very API. So whoever has stolen an API's secret
can neither open a session for somebody whose token it has not got, nor use up slots with names.
A touch names a session by its key, 128 random bits that are in its tokens only, and by the moment
at which it was opened. It keeps a session alive that is open, and can never open one.

Each adapter counts as a process of its own in the store [SES-27]. Nothing is kept of it here, so
there is nothing that many of them could fill, and none that died has to be found out.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial

from sqlalchemy import Connection

from mintgate.contract import licences
from mintgate.contract.clock import Clock
from mintgate.contract.errors import Forbidden, ResourceRefusal
from mintgate.contract.licences import Touch
from mintgate.contract.session_leases import (
    LeaseAnswer,
    LeasedTouch,
    LeaseOfNoToken,
    LeaseOpened,
    LeaseRefused,
    LeaseRequest,
    OpenSessionOf,
    SeeSessionOf,
    SessionSeen,
    TellTouches,
    TouchesTold,
    heard,
)
from mintgate.gate.session_openings import opening_of, refusal_of, told
from mintgate.gate.sessions import PAUSE_SECONDS, TRIES
from mintgate.identity.auditing import record_refusal
from mintgate.store import Database, Transaction, erp_sessions, licence_pools
from mintgate.store.erp_sessions import Opened
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import no_free_slot
from mintgate.verify.state import StateUnavailable
from mintgate.verify.verifier import Verifier


class SessionLeases:
    """Answers adapters of one instance.

    Args:
        verifier: checks the tokens that they show.
        clock: Unix seconds.
    """

    def __init__(
        self, instance_id: str, database: Database, verifier: Verifier, clock: Clock
    ) -> None:
        self._instance_id = instance_id
        self._lane = licence_pools.lane(instance_id)
        self._database = database
        self._verifier = verifier
        self._clock = clock

    async def answer(self, api: str, request: LeaseRequest) -> LeaseAnswer:
        """Do what an API asks.

        Args:
            api: its audience name, which it has proved.

        Raises:
            KeysUnavailable, StateUnavailable: a token cannot be judged now.
            DatabaseUnavailable: nothing was done, or it is not known whether it was.
        """
        if isinstance(request, TellTouches):
            touches = self._heard(request.touches)
            return TouchesTold(gone=tuple(await self._flush(process_of(api, request), touches)))
        try:
            principal = await self._verifier.verify_async(request.token, api)
        except ResourceRefusal as refusal:
            return LeaseOfNoToken(
                forbidden=isinstance(refusal, Forbidden), description=refusal.description
            )
        if isinstance(request, SeeSessionOf):
            return await self._database.read(partial(self._see, principal))
        return await self._open(api, request, principal)

    async def _open(self, api: str, request: OpenSessionOf, principal: Principal) -> LeaseAnswer:
        process, touches = process_of(api, request), self._heard(request.touches)
        gone: tuple[str, ...] = ()
        for _ in range(TRIES):
            opened = await self._database.write(
                partial(self._work, principal, process, touches), lane=self._lane
            )
            touches = []  # they are stored now, once
            gone += opened.gone
            if opened.refused is not None:
                await record_refusal(
                    self._database,
                    refusal_of(principal, opened.refused, self._instance_id, self._clock(), api),
                )
                refusal = no_free_slot(principal, cause=told(opened.refused))
                return LeaseRefused(description=refusal.description, gone=gone)
            session = opened.session
            if session is not None:
                return LeaseOpened(
                    opened_at=session.started_at,
                    now=self._clock(),
                    last_request=session.last_request_at,
                    absolute_end=session.absolute_end,
                    client_ids=session.client_ids,
                    gone=gone,
                )
            await asyncio.sleep(PAUSE_SECONDS)
        raise StateUnavailable("the session is being closed, and that does not end")

    def _work(
        self, principal: Principal, process: str, touches: list[Touch], tx: Transaction
    ) -> Opened:
        opening = opening_of(principal, process, touches)
        return erp_sessions.open_or_join(tx, self._instance_id, opening)

    async def _flush(self, process: str, touches: list[Touch]) -> list[str]:
        return await self._database.write(
            lambda tx: erp_sessions.flush(tx, self._instance_id, process, touches), lane=self._lane
        )

    def _see(self, principal: Principal, connection: Connection) -> SessionSeen:
        now, key = self._clock(), principal.session
        opened_at = erp_sessions.opened_at(connection, self._instance_id, key, now)
        if not licences.takes_slot(principal.login, principal.user_type):
            return SessionSeen(opened_at=opened_at, slot_is_free=True)
        found = licence_pools.occupancy(
            connection, self._instance_id, licences.login_key(principal.login), now
        )
        return SessionSeen(opened_at=opened_at, slot_is_free=licences.seat_for(found) is not None)

    def _heard(self, touches: list[LeasedTouch]) -> list[Touch]:
        now = self._clock()
        return [heard(touch, now) for touch in touches]


def process_of(api: str, request: OpenSessionOf | TellTouches) -> str:
    """The name of an adapter in the store; no API can take the one of another's."""
    named = f"{api}\0{request.process}".encode()
    return hashlib.sha256(named).hexdigest()[:32].upper()
