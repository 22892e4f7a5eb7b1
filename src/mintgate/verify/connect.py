"""One call for a verifier that knows everything: keys, state, reference tokens."""

from __future__ import annotations

from typing import Any

from mintgate.contract.feed import ChangedKey, Entry
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.keys import RemoteKeys
from mintgate.verify.remote_references import RemoteReferences
from mintgate.verify.remote_state import RemoteState, WithoutFeed
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
    client = IssuerClient(issuer, api, secret)
    keys = RemoteKeys(issuer)

    def on_entry(entry: Entry) -> None:
        if isinstance(entry, ChangedKey) and entry.ended:
            keys.end(entry.kid)
        references.on_entry(entry)

    state = RemoteState(
        client,
        without_feed=without_feed,
        stale_state_seconds=stale_state_seconds,
        max_entries=max_entries,
        on_entry=on_entry,
    )
    references = RemoteReferences(client, state)
    return Verifier(issuer, database, state, keys=keys, references=references, **options)
