"""Refused requests in the audit log, each with the explanation that its caller does not get."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection
from starlette.types import Scope

from mintgate.contract.clock import Clock
from mintgate.contract.errors import Refusal
from mintgate.contract.instance import Instance
from mintgate.identity.administration.explanation import explained
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.store import AuditEvent, Database
from mintgate.verify.asgi import request_of


class RefusalLog:
    """Writes what one API refuses; `on_refusal` of its middleware.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, instance: Instance, api: str, database: Database, clock: Clock) -> None:
        self._instance = instance
        self._api = api
        self._database = database
        self._clock = clock

    async def __call__(self, scope: Scope, refusal: Refusal) -> None:
        event = refusal_event(
            "api.refused",
            refusal,
            scope,
            instance_id=self._instance.id,
            at=self._clock(),
            details={
                "api": self._api,
                "method": request_of(scope).method[:16],
                "path": scope["path"][:254],
                "request_id": refusal.id,
            },
        )

        async def completed(event: AuditEvent) -> AuditEvent:
            lines = await self._database.read(lambda connection: self._lines(connection, scope))
            return msgspec.structs.replace(
                event, details={**(event.details or {}), "checks": lines}
            )

        await record_refusal(self._database, event, completed)

    def _lines(self, connection: Connection, scope: Scope) -> list[str]:
        """The checks that failed, one a line; no token and no header is in them."""
        request = request_of(scope)
        outcomes = explained(connection, self._instance, self._clock(), self._api, request)
        return [
            f"{o.id} {o.outcome}: {o.detail}"
            + (f" (seen: {o.seen}; expected: {o.expected})" if o.outcome == "failed" else "")
            for o in outcomes
            # One that passed has a detail when it tells of a legacy scheme.
            if o.outcome == "failed" or (o.outcome == "passed" and o.detail)
        ]
