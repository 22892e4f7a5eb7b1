"""What was ended before its time: single tokens, and all that was issued before a moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User
from mintgate.identity.copies import Source
from mintgate.store import Change, revocations

RevokedRows = tuple[dict[str, float], dict[str, int]]
"""The end of each revoked `jti`, and the not-before time of each subject: Unix seconds."""


class Revoked:
    """All revoked tokens of an instance, held whole: what is not in here is not revoked."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens: dict[str, float] = {}
        self._not_before: dict[str, int] = {}

    def read(self, connection: Connection) -> RevokedRows:
        """What `take` wants, from the rows."""
        instance_id = self._source.instance.id
        return (
            revocations.live(connection, instance_id, self._source.clock()),
            revocations.all_not_before(connection, instance_id),
        )

    def take(self, rows: RevokedRows) -> None:
        self._tokens, self._not_before = rows

    def add(self, jti: str) -> None:
        # Kept for the longest life of a token; a reload brings the exact time.
        self._tokens[jti] = self._source.clock() + 86_400

    def note_not_before(self, change: Change) -> None:
        not_before = change.data.get("not_before")
        if not_before is not None:
            self._not_before[change.subject] = not_before

    def covers(
        self,
        claims: dict[str, Any],
        application: TrustedApplication,
        user: User | None,
        *,
        is_reference: bool,
    ) -> bool:
        """Whether the token with these claims was ended."""
        if claims["jti"] in self._tokens:
            return True
        not_before = self._not_before
        if not not_before:
            return False
        ended = max(not_before.get(application.id, 0), not_before.get(user.id, 0) if user else 0)
        if not is_reference:  # those are there after a restore, or were revoked one by one
            ended = max(ended, not_before.get(self._source.instance.id, 0))
        return bool(claims["iat"] < ended)

    def issue_time(self, application: TrustedApplication, user: User) -> int:
        """The `iat` of a token issued now: the present second.

        In the second of a 'revoke everything' or a restore it is the next one, lest the new token
        be taken for an old one.
        """
        return max(
            int(self._source.clock()),
            self._not_before.get(application.id, 0),
            self._not_before.get(user.id, 0),
            self._not_before.get(self._source.instance.id, 0),
        )
