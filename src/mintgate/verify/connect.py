"""One call for a verifier that knows everything, or for a whole guard."""

from __future__ import annotations

from typing import Any, Literal

from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.feed import ChangedKey, Entry
from mintgate.contract.policy import Policy
from mintgate.verify.guard import Guard
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.keys import RemoteKeys
from mintgate.verify.limits import RequestLimits
from mintgate.verify.remote_references import RemoteReferences
from mintgate.verify.remote_sessions import RemoteSessions
from mintgate.verify.remote_state import RemoteState, WithoutFeed
from mintgate.verify.sessions import SessionSource
from mintgate.verify.verifier import Verifier


def connect(
    issuer: str,
    *,
    api: str,
    secret: str,
    database: str | None = None,
    without_feed: WithoutFeed = "introspect",
    stale_state_seconds: float = 60.0,
    max_entries: int = 100_000,
    **options: Any,
) -> Verifier:
    """A verifier in an API's own process that makes every check of specification §10.1.

    JWTs are checked in memory: keys are fetched once, and a thread follows the issuer's state
    feed, so that what is revoked, disabled or ended there is refused here within a second.
    Reference tokens are asked about, at most once a minute each while nothing changes.

    Args:
        issuer: the exact `iss`, such as `https://orion.my.example/id`.
        api: the audience name under which this API may introspect, such as `DomainAPI` [ITR-1].
        secret: its secret, as declared in `[[apis]]` of the instance.
        database: the instance's database name [API-12].
        without_feed: `introspect` or `refuse`, for a token that the feed cannot tell about.
        stale_state_seconds: how long the last known state counts when the issuer is away.
        max_entries: how many entries of the feed are kept in memory.
        options: as for `Verifier`.

    Raises:
        ValueError: the issuer is neither https nor on loopback.
    """
    clock = options.pop("clock", system_clock)
    link = _Link(issuer, api, secret, without_feed, stale_state_seconds, max_entries, clock)
    return link.verifier(database, options)


def connect_guard(
    issuer: str,
    *,
    api: str,
    secret: str,
    database: str | None = None,
    policy: Policy | None = None,
    sessions: SessionSource | Literal["leases"] | None = "leases",
    limits: RequestLimits | None = None,
    without_feed: WithoutFeed = "introspect",
    stale_state_seconds: float = 60.0,
    max_entries: int = 100_000,
    clock: Clock = system_clock,
    **options: Any,
) -> Guard:
    """A guard in an API's own process: the verifier of `connect`, and ERP sessions [API-16].

    The first request that the guard lets through opens the session of its token at the issuer,
    and takes a licence slot there; further ones cost no call.

    Args:
        policy: which operation needs which scope; see `Guard`.
        sessions: `leases` asks the issuer; None keeps no sessions, and API-16 is not checked.
        limits: counts requests; without it API-17 is not checked.
        clock: Unix seconds.

    The other arguments, and what is raised, are those of `connect`.
    """
    link = _Link(issuer, api, secret, without_feed, stale_state_seconds, max_entries, clock)
    if sessions == "leases":
        sessions = link.lease_sessions()
    verifier = link.verifier(database, options)
    return Guard(verifier, api, policy, sessions=sessions, limits=limits)


class _Link:
    """All that one API asks its issuer, over one client; the feed keeps the answers true."""

    def __init__(
        self,
        issuer: str,
        api: str,
        secret: str,
        without_feed: WithoutFeed,
        stale_state_seconds: float,
        max_entries: int,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._client = IssuerClient(issuer, api, secret)
        self._keys = RemoteKeys(issuer)
        self._sessions: RemoteSessions | None = None
        self._state = RemoteState(
            self._client,
            without_feed=without_feed,
            stale_state_seconds=stale_state_seconds,
            max_entries=max_entries,
            on_entry=self._on_entry,
            on_gap=self._on_gap,
            clock=clock,
        )
        self._references = RemoteReferences(self._client, self._state)

    def verifier(self, database: str | None, options: dict[str, Any]) -> Verifier:
        return Verifier(
            self._client.issuer,
            database,
            self._state,
            keys=self._keys,
            references=self._references,
            clock=self._clock,
            **options,
        )

    def lease_sessions(self) -> RemoteSessions:
        state = self._state
        self._sessions = RemoteSessions(self._client, lambda: state.is_fresh, clock=self._clock)
        return self._sessions

    def _on_entry(self, entry: Entry) -> None:
        if isinstance(entry, ChangedKey) and entry.ended:
            self._keys.end(entry.kid)
        self._references.on_entry(entry)
        if self._sessions is not None:
            self._sessions.on_entry(entry)

    def _on_gap(self) -> None:
        self._keys.forget()
        self._references.on_gap()
        if self._sessions is not None:
            self._sessions.on_gap()
