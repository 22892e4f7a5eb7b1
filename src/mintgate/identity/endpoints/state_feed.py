"""`GET /connect/state-feed`: what ended or changed, for verifiers elsewhere [TOP-13].

A reader begins without a position, and gets everything that can concern a live token; then it
asks again and again for what came after the last position that it was given.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.clock import Clock
from mintgate.contract.errors import InvalidRequest, PositionGone, Refusal
from mintgate.contract.feed import MAX_PAGE, FeedGap, FeedPage
from mintgate.contract.key_life import LONGEST_TOKEN
from mintgate.identity.api_authentication import require_api
from mintgate.identity.auditing import record_refusal, refusal_event
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.directory import Directory
from mintgate.identity.forms import query_of
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.store import Database, feed

CLOCK_MARGIN = 3600.0
"""Seconds by which the beginning lies further back than the longest token lives."""
MAX_DIGITS = 18


class StateFeedEndpoint:
    """Answers APIs that prove who they are by their secret, as introspection does [ITR-1]."""

    def __init__(
        self, directory: Directory, database: Database, clock: Clock, tries: ClientTries
    ) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._tries = tries

    async def get(self, request: Request) -> Response:
        try:
            await require_api(request, self._tries, self._directory.instance.id, self._database)
            parameters = query_of(request.scope)
            after = _number(parameters.get("after"), "after")
            known_at = _time(parameters.get("at"))
            limit = _number(parameters.get("limit"), "limit") or MAX_PAGE
            page = await self._page(after, known_at, min(limit, MAX_PAGE))
        except FeedGap:
            return oauth_error(PositionGone())
        except Refusal as refusal:
            await self._audit(request, refusal)
            return oauth_error(refusal)
        return RawJson(page, headers=NO_STORE)

    async def _page(self, after: int | None, known_at: float | None, limit: int) -> FeedPage:
        instance_id = self._directory.instance.id
        since = self._clock() - LONGEST_TOKEN - CLOCK_MARGIN

        # Straight from the database: a copy that is behind would be passed on as the present.
        def read(connection: Connection) -> FeedPage:
            start = after
            if start is None:
                start = feed.position_before(connection, instance_id, since)
            at = feed.time_of(connection, instance_id, start)
            if after is not None and known_at is not None and at not in (None, known_at):
                raise FeedGap  # another entry has the number since a restore from a backup
            entries = feed.entries_after(connection, instance_id, start, limit)
            return FeedPage(
                position=entries[-1].position if entries else start,
                at=entries[-1].at if entries else at,
                more=len(entries) == limit,
                entries=[msgspec.Raw(msgspec.json.encode({"at": e.at, **e.data})) for e in entries],
            )

        return await self._database.read(read)

    async def _audit(self, request: Request, refusal: Refusal) -> None:
        event = refusal_event(
            "state_feed.refused",
            refusal,
            request.scope,
            instance_id=self._directory.instance.id,
            at=self._clock(),
        )
        await record_refusal(self._database, event)


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InvalidRequest("The parameter at must be a number of seconds.") from None


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise InvalidRequest(f"The parameter {name} must be a number.")
    return int(text)
