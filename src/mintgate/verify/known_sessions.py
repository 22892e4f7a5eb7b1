"""The sessions that this process knows to be open, for a `SessionSource` of any kind.

A request of a known session costs a look into a dictionary; what it changed is told to others in
batches [SES-27]. Everything here may be called from several threads: each step that matters is one
that the interpreter does not interrupt, and no lock is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mintgate.contract.clock import Clock
from mintgate.contract.licences import (
    BUFFERED_SECONDS,
    IDLE_SECONDS,
    SERVICE_SECONDS,
    Touch,
)
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession, SessionKind

NEARLY_IDLE_SECONDS = IDLE_SECONDS - BUFFERED_SECONDS
"""From here on somebody else may close the session before this process has told of a touch."""
AWAY_SECONDS = 60.0
"""How long known sessions go on when nobody can be asked about them."""
MAX_KNOWN = 50_000


class KnownSessions:
    """Open sessions by their keys.

    Args:
        is_fresh: whether ends of sessions are known up to a second ago [TOP-13].
        clock: Unix seconds.
        limit: how many are kept.
    """

    def __init__(
        self, is_fresh: Callable[[], bool], clock: Clock, *, limit: int = MAX_KNOWN
    ) -> None:
        self._is_fresh = is_fresh
        self._clock = clock
        self._limit = limit
        self._known: dict[str, OpenSession] = {}
        self._fresh_at = clock()
        self._left: list[Touch] = []
        self._attempts: set[Attempt] = set()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def touch(self, principal: Principal) -> OpenSession | None:
        """Note one more request of a session; None when somebody must be asked about it.

        That is: it is not known, it may be idle by now or has ended [SES-14, SES-15], its list of
        applications lacks this one [SES-20], or what ended elsewhere is not known here.
        """
        session = self._known.get(principal.session)
        if session is None:
            return None
        now = self._clock()
        if (
            now - session.last_request >= NEARLY_IDLE_SECONDS
            or now >= session.absolute_end
            or principal.client_id not in session.client_ids
            or not self._is_fresh()
        ):
            return None
        self._fresh_at = session.last_request = now
        session.requests += 1
        return session

    def probable(self, principal: Principal) -> OpenSession | None:
        """The session as it was when what ended elsewhere was last known; no request is noted."""
        session = self._known.get(principal.session)
        now = self._clock()
        if (
            session is None
            or now - session.last_request >= NEARLY_IDLE_SECONDS
            or now >= session.absolute_end
            or principal.client_id not in session.client_ids
        ):
            return None
        return session

    def when_away(self, principal: Principal) -> OpenSession | None:
        """The same while nobody can be asked, for a minute [SES-27]."""
        if self._clock() - self._fresh_at > AWAY_SECONDS:
            return None
        return self.probable(principal)

    def note_request(self, session: OpenSession) -> OpenSession:
        """Note a request of a session that was just asked for."""
        session.last_request = max(session.last_request, self._clock())
        session.requests += 1
        return session

    def note_freshness(self) -> None:
        """Called now and then, also when there are no requests."""
        if self._is_fresh():
            self._fresh_at = self._clock()

    def begin(self, key: str) -> Attempt:
        """Begin to ask for a session; to be given to `keep` or `give_up`."""
        attempt = Attempt(key)
        self._attempts.add(attempt)
        return attempt

    def give_up(self, attempt: Attempt) -> None:
        self._attempts.discard(attempt)

    def keep(
        self,
        attempt: Attempt,
        kind: SessionKind,
        *,
        opened_at: float,
        last_request: float,
        absolute_end: float,
        client_ids: tuple[str, ...],
    ) -> OpenSession:
        """Know a session from now on, unless its end was told while it was asked for."""
        known = self._known.get(attempt.key)
        if known is not None and known.opened_at == opened_at and not attempt.is_outlived:
            session = known  # requests that run now count in it
            session.client_ids.update(client_ids)
        else:
            session = OpenSession(
                attempt.key,
                kind,
                opened_at=opened_at,
                last_request=last_request,
                absolute_end=absolute_end,
                client_ids=client_ids,
            )
        session.told_at = max(session.told_at, last_request)
        session.last_request = max(session.last_request, last_request)
        self._attempts.discard(attempt)
        if not attempt.is_outlived:
            self._known[attempt.key] = session
            self._make_room()
        return session

    def forget(self, key: str | None) -> None:
        """A session was closed; None: all were."""
        for attempt in list(self._attempts):
            if key is None or attempt.key == key:
                attempt.is_outlived = True
        if key is None:
            self._known.clear()
        else:
            self._known.pop(key, None)

    def doubt(self) -> None:
        """Some may have ended without a word: each is asked for anew; its requests stay counted."""
        for attempt in list(self._attempts):
            attempt.is_outlived = True
        for session in list(self._known.values()):
            session.client_ids.clear()

    def forget_gone(self, touches: list[Touch], gone: Any) -> None:
        """Forget those of `touches` whose keys are in `gone`, unless they were opened again."""
        for touch in touches:
            if touch.key in gone:
                known = self._known.get(touch.key)
                if known is not None and known.opened_at == touch.opened_at:
                    self._known.pop(touch.key, None)

    def take_touches(
        self, limit: int | None = None, *, told_before: float = float("inf"), key: str | None = None
    ) -> list[Touch]:
        """Take out what others do not know yet.

        Args:
            limit: of how many sessions at most.
            told_before: only of sessions whose last request that others know of is this old
                (Unix seconds).
            key: of this session in any case.
        """
        now = self._clock()
        # What is added meanwhile is added behind these.
        taken = self._left[:limit]
        del self._left[: len(taken)]
        for session in list(self._known.values()):
            if limit is not None and len(taken) >= limit:
                break
            if session.told_at <= told_before or session.key == key:
                touch = _take(session)
                if touch is not None:
                    taken.append(touch)
            if self._is_over(session, now):
                self._known.pop(session.key, None)
        return taken

    def give_back(self, touches: list[Touch]) -> None:
        """Keep what could not be told."""
        for touch in touches:
            session = self._known.get(touch.key)
            if session is None or session.opened_at != touch.opened_at:
                self._left.append(touch)
                continue
            session.requests += touch.requests
            session.uploaded += touch.uploaded
            session.downloaded += touch.downloaded
            session.told_current -= touch.current
            session.told_at = session.opened_at
        del self._left[: -self._limit]

    def _make_room(self) -> None:
        if len(self._known) > self._limit:
            for key in list(self._known)[: max(1, self._limit // 100)]:
                session = self._known.pop(key, None)
                touch = _take(session) if session is not None else None
                if touch is not None:
                    self._left.append(touch)

    def _is_over(self, session: OpenSession, now: float) -> bool:
        idle = now - session.last_request >= IDLE_SECONDS
        return (idle or now >= session.absolute_end) and not session.current


class Attempt:
    """A session that is being asked for."""

    __slots__ = ("is_outlived", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.is_outlived = False


def kind_of(principal: Principal) -> tuple[SessionKind, float | None]:
    """The kind of a principal's session, and the seconds after which it ends [SES-1..4, SES-15]."""
    if principal.legacy is not None:
        return "legacy", None  # [SES-5]
    if principal.kind == "service":
        return "service", SERVICE_SECONDS
    return "interactive", None


def _take(session: OpenSession) -> Touch | None:
    requests, session.requests = session.requests, 0
    uploaded, session.uploaded = session.uploaded, 0
    downloaded, session.downloaded = session.downloaded, 0
    current = session.current
    more, session.told_current = current - session.told_current, current
    is_new = session.last_request > session.told_at
    if not (is_new or requests or uploaded or downloaded or more):
        return None
    session.told_at = at = session.last_request
    return Touch(
        key=session.key,
        opened_at=session.opened_at,
        at=at,
        requests=requests,
        current=more,
        uploaded=uploaded,
        downloaded=downloaded,
    )
