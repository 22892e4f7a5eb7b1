"""One address: who calls, what is wanted, the operation in one transaction, the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.management import reading
from mintgate.apis.management.access import Access
from mintgate.apis.management.answers import Answer, refusal_answer
from mintgate.apis.management.repetition import Repetition, repetition_of
from mintgate.contract.automation.problems import (
    Conflict,
    MethodNotAllowed,
    NoSuchRecord,
    PreconditionRequired,
)
from mintgate.contract.automation.route import Route
from mintgate.contract.errors import Refusal, TemporarilyUnavailable
from mintgate.gate.sessions import ErpSessions
from mintgate.identity.administration.call import Acting, Call, etag_of
from mintgate.identity.administration.operations import OPERATIONS, Operation
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.store import Database, Transaction, instances
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import KeysUnavailable, StateUnavailable
from mintgate.verify.principal import Principal

Special = Callable[[Any], Awaitable[Any]]
"""An operation that asks others than the store: body → result."""


class Parts(msgspec.Struct, frozen=True):
    """What every endpoint of a table has in common.

    Args:
        root: the path above the table's paths.
        specials: by route name.
        under_way: keys of requests that this process is working on.
        can_mail: whether this server sends letters.
        erp_sessions: those that this process has noted something of.
    """

    access: Access
    database: Database
    key_encryption_key: KeyEncryptionKey
    root: str
    erp_sessions: ErpSessions
    specials: Mapping[str, Special] = {}
    under_way: set[str] = set()
    can_mail: bool = False


class Endpoint:
    """An ASGI application for one path; without routes it says that there is nothing."""

    def __init__(self, parts: Parts, routes: Mapping[str, Route]) -> None:
        self._parts = parts
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            if refusal.status in {401, 403}:
                await self._audit(scope, refusal)
            response = refusal_answer(refusal, self._parts.access.realm)
        except (KeysUnavailable, StateUnavailable) as error:
            away = TemporarilyUnavailable(cause=str(error))
            response = refusal_answer(away, self._parts.access.realm)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        access, database = self._parts.access, self._parts.database
        principal = await access.principal_of(request.scope)
        now = database.clock()
        route = self._routes.get(request.method)
        needs_fresh = route is not None and route.needs_fresh
        # Asked again in the transaction; here, so that nobody else makes the server work.
        acting = await database.read(
            lambda c: access.acting(c, principal, request.scope, now, needs_fresh=needs_fresh)
        )
        if not self._routes or any("\0" in value for value in request.path_params.values()):
            raise NoSuchRecord("There is no such address.")
        if route is None:
            raise MethodNotAllowed(", ".join(self._routes))
        wanted = await _wanted(request, route)
        special = self._parts.specials.get(route.name)
        if special is not None:
            return _shown(route, await special(wanted.body), self._parts.root).response()
        if route.counts_sessions:
            await self._parts.erp_sessions.flush()
        operation = OPERATIONS[route.name]
        if not route.is_write:
            return (await self._read(request, principal, wanted, operation)).response()
        if operation.prepare is not None:
            prepared = await asyncio.to_thread(
                operation.prepare, wanted.body, self._parts.access.instance
            )
            wanted = msgspec.structs.replace(wanted, prepared=prepared)
        key = reading.idempotency_key_of(request) if route.method == "POST" else None
        if key is None:
            return (await self._write(request, principal, wanted, operation, None))[0].response()
        return await self._write_once(request, principal, wanted, operation, acting, key)

    async def _read(
        self, request: Request, principal: Principal, wanted: _Wanted, operation: Operation
    ) -> Answer:
        now = self._parts.database.clock()

        def work(connection: Connection) -> Answer:
            call = self._call(connection, None, request, principal, wanted, now)
            return _shown(wanted.route, operation.run(call), self._parts.root)

        database = self._parts.database
        # Who calls, and that they may, was asked of the primary.
        return await (database.report if wanted.route.may_lag else database.read)(work)

    async def _write(
        self,
        request: Request,
        principal: Principal,
        wanted: _Wanted,
        operation: Operation,
        repetition: Repetition | None,
    ) -> tuple[Answer, bool]:
        parts = self._parts
        access = parts.access

        def work(tx: Transaction) -> tuple[Answer, bool]:
            # Before it is read who acts: what is waited for may be the end of the right to
            # [USR-4, TOP-13].
            instances.lock(tx, access.instance.id)
            access.require_live(tx.connection, principal, request.scope, tx.now)
            call = self._call(tx.connection, tx, request, principal, wanted, tx.now)

            def run() -> Answer:
                return _shown(wanted.route, operation.run(call), parts.root)

            if repetition is None:
                return run(), False
            return repetition.once(tx, call.instance.id, parts.key_encryption_key, run)

        return await parts.database.write(work)

    async def _write_once(
        self,
        request: Request,
        principal: Principal,
        wanted: _Wanted,
        operation: Operation,
        acting: Acting,
        key: str,
    ) -> Response:
        address = request.url.path
        repetition = repetition_of(acting, key, request.method, address, wanted.text)
        under_way = self._parts.under_way
        if repetition.key_hash in under_way:
            raise Conflict("The first request with this Idempotency-Key has not ended yet.")
        under_way.add(repetition.key_hash)
        try:
            answer, is_repeated = await self._write(
                request, principal, wanted, operation, repetition
            )
        finally:
            under_way.discard(repetition.key_hash)
        return answer.response(**{"Idempotent-Replayed": "true"} if is_repeated else {})

    def _call(
        self,
        connection: Connection,
        tx: Transaction | None,
        request: Request,
        principal: Principal,
        wanted: _Wanted,
        now: float,
    ) -> Call:
        access, kek = self._parts.access, self._parts.key_encryption_key
        return Call(
            connection=connection,
            instance=access.instance,
            now=now,
            acting=access.acting(
                connection, principal, request.scope, now, needs_fresh=wanted.route.needs_fresh
            ),
            key_encryption_key=lambda: kek,
            tx=tx,
            path=request.path_params,
            query=wanted.query,
            body=wanted.body,
            prepared=wanted.prepared,
            if_match=wanted.if_match,
            can_mail=self._parts.can_mail,
            process=self._parts.erp_sessions.process if wanted.route.counts_sessions else None,
        )

    async def _audit(self, scope: Scope, refusal: Refusal) -> None:
        event = refusal_event(
            "management.refused",
            refusal,
            scope,
            instance_id=self._parts.access.instance.id,
            at=self._parts.database.clock(),
            details={"method": scope["method"], "path": scope["path"][:254]},
        )
        await record_refusal(self._parts.database, event)


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A request, read."""

    route: Route
    text: bytes
    body: Any
    query: Any
    if_match: frozenset[str] | None
    prepared: Any = None


async def _wanted(request: Request, route: Route) -> _Wanted:
    if_match = reading.etags_of(request)
    if route.needs_match and if_match is None:
        raise PreconditionRequired
    query = reading.query_values(request, route.query)
    text = await reading.body_bytes(request)
    body = reading.body_of(request, text, route.body)
    return _Wanted(route=route, text=text, body=body, query=query, if_match=if_match)


def _shown(route: Route, result: Any, root: str) -> Answer:
    if result is None:
        return Answer(204, {}, b"")
    headers = {}
    if route.has_etag:
        headers["ETag"] = etag_of(result)
        if route.status == 201:
            headers["Location"] = f"{root}{route.path}/{result.id}"
    return Answer(route.status, headers, msgspec.json.encode(result))
