"""State for verifiers elsewhere: the issuer's state feed, and introspection where it fails.

A JWT stays checkable without a call per request: a thread follows the feed, and every check is a
look into memory. What is guaranteed when the issuer is away is set by `stale_state_seconds`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.feed import Entry, FeedGap
from mintgate.verify.folded import Folded, UnknownEntry, type_in, user_state
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.state import StateUnavailable, TokenState

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.3
FRESH_SECONDS = 1.0
"""[TOP-13]"""
FIRST_PAGE_SECONDS = 5.0
RETRY_SECONDS = 60.0
"""Between two tries to follow a feed that is too long, or has entries of an unknown type."""

WithoutFeed = Literal["introspect", "refuse"]


class RemoteState:
    """The state source (API-13, API-14) of a verifier that is not in the issuer's process.

    Args:
        issuer: asks the issuer as this API.
        without_feed: what to do for a token while the feed cannot tell (it has a gap, is longer
            than `max_entries`, or is stale): ask about each token, or refuse with
            `StateUnavailable` (503).
        stale_state_seconds: how long tokens are still judged by the last known state when the
            issuer is away; 0 refuses at once. Then `without_feed` decides.
        max_entries: how many entries are kept in memory.
        on_entry: told of every entry, in the follower's thread: `keys.end` of a key source, a
            cache of reference tokens, a gate that frees slots.
        on_gap: told that entries may have been missed, so that everything has to be asked anew.
        clock: Unix seconds; `monotonic` paces the following.
    """

    def __init__(
        self,
        issuer: IssuerClient,
        *,
        without_feed: WithoutFeed = "introspect",
        stale_state_seconds: float = 60.0,
        max_entries: int = 100_000,
        poll_seconds: float = POLL_SECONDS,
        on_entry: Callable[[Entry], None] = lambda entry: None,
        on_gap: Callable[[], None] = lambda: None,
        clock: Clock = system_clock,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._without_feed = without_feed
        self._stale_state_seconds = stale_state_seconds
        self._max_entries = max_entries
        self._poll_seconds = poll_seconds
        self._on_entry = on_entry
        self._on_gap = on_gap
        self._clock, self._monotonic = clock, monotonic
        self._folded: Folded | None = None
        self._position = 0
        self._at: float | None = None
        self._polled_at = float("-inf")
        self._not_before_retry = float("-inf")
        self._lock = threading.Lock()
        self._first = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def age(self) -> float:
        """Seconds since the feed was last read to its end; for metrics. Infinite before that."""
        return self._monotonic() - self._polled_at

    @property
    def is_fresh(self) -> bool:
        """Whether the feed is followed up to a second ago [TOP-13]."""
        return self._folded is not None and self.age <= FRESH_SECONDS

    def ensure_followed(self) -> None:
        """Start following unless this process does already; done by itself at the first token."""
        if self._pid != os.getpid():
            self.start()

    def start(self) -> None:
        """Follow the feed in a thread."""
        with self._lock:
            if self._thread is not None and self._pid == os.getpid():
                return
            # A forked worker has the memory of its parent but none of its threads.
            self._pid = os.getpid()
            self._first.clear()
            self._folded = None
            self._thread = threading.Thread(
                target=self._follow, name="mintgate-state-feed", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread; checks go on by the last state until it is stale."""
        self._stopping.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(10)

    # The state source.

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        self.ensure_followed()
        folded = self._folded
        if folded is None:
            return None
        if self.age > FRESH_SECONDS + self._stale_state_seconds:
            return None
        return folded.state_of(claims, token, self._clock())

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        self.ensure_followed()
        if self._thread is not None:
            self._first.wait(FIRST_PAGE_SECONDS)
        found = self.find(claims, token)
        if found is not None:
            return found
        if self._without_feed == "refuse":
            raise StateUnavailable("the state feed does not tell; see the log of this API")
        return self._introspected(claims, token)

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        return await asyncio.to_thread(self.load, claims, token)

    def _introspected(self, claims: dict[str, Any], token: str) -> TokenState:
        if self._issuer.introspect(token) is None:
            return TokenState(revoked=True, application_enabled=None, user=None)
        # The issuer has judged the user too; the type is in the token that it vouches for.
        user = user_state(None, type_in(claims), self._clock())
        return TokenState(revoked=False, application_enabled=True, user=user)

    # The follower.

    def poll(self) -> None:
        """Read the feed to its end; the thread does, or whoever wants to pace it.

        Raises:
            StateUnavailable: the issuer does not answer.
        """
        self._pid = os.getpid()
        started = self._monotonic()
        if self._folded is None and started < self._not_before_retry:
            return
        try:
            self._read_to_end()
        except (FeedGap, UnknownEntry, _TooLong) as problem:
            # What was missed may be the end of any token: nothing known is used any more.
            self._folded = None
            self._on_gap()
            if not isinstance(problem, FeedGap):
                self._not_before_retry = started + RETRY_SECONDS
            _log.warning("the state feed cannot be followed, beginning anew: %r", problem)
            return
        self._polled_at = started

    def _read_to_end(self) -> None:
        folded = self._folded
        if folded is None:
            folded, page = Folded(), self._issuer.feed_page(None)
        else:
            page = self._issuer.feed_page(self._position, self._at)
        while True:
            for raw in page.entries:
                self._tell(folded.add(raw))
            if len(folded) > self._max_entries:
                folded.prune(self._clock())
            if len(folded) > self._max_entries:
                raise _TooLong(f"more than {self._max_entries} entries concern live tokens")
            self._position, self._at = page.position, page.at
            if not page.more:
                break
            page = self._issuer.feed_page(page.position, page.at)
        self._folded = folded  # only a whole feed is looked at

    def _tell(self, entry: Entry) -> None:
        try:
            self._on_entry(entry)
        except Exception:  # noqa: BLE001 - logged; a listener must not end the following
            _log.exception("a listener to the state feed failed")

    def _follow(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self.poll()
                failing = False
            except StateUnavailable as error:
                if not failing:  # once, not twice a second
                    _log.warning("the state feed cannot be read: %s", error)
                failing = True
            except Exception:  # noqa: BLE001 - logged; the state turns stale, and says so
                _log.exception("the state feed could not be followed")
            self._first.set()  # those who wait for the first page go on, with it or without
            self._stopping.wait(self._poll_seconds)


class _TooLong(Exception):
    """The feed does not fit into the memory that it was given."""
