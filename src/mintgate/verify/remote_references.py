"""Reference tokens for verifiers elsewhere: the issuer tells what each stands for (RFC 7662)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from mintgate.contract.clock import Clock
from mintgate.contract.feed import ChangedApplication, ChangedReference, ChangedUser, Entry
from mintgate.contract.identifiers import token_digest
from mintgate.contract.reference_tokens import FORMAT, UNKNOWN
from mintgate.contract.session_leases import LeaseOfNoToken, SeeSessionOf
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.remote_state import RemoteState
from mintgate.verify.state import StateUnavailable

KEPT_SECONDS = 60.0
"""[REF-38] The issuer notes the use of a token when it is asked, and that at least this often."""
SETTLING_SECONDS = 2.0
"""After a change nothing is kept: a process of the issuer may know of it later than we [TOP-13]."""
MAX_COPIES = 10_000


class RemoteReferences:
    """The reference source of a verifier that is not in the issuer's process.

    Answers are kept for a minute while the state feed is fresh, and dropped by it as soon as the
    token, its application or its user changes [REF-39].
    """

    def __init__(
        self, issuer: IssuerClient, state: RemoteState, *, monotonic: Clock = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._state = state
        self._monotonic = monotonic
        self._copies: dict[str, tuple[dict[str, Any], float]] = {}
        self._changed_at = float("-inf")

    def load(self, token: str) -> dict[str, Any] | None:
        if not FORMAT.fullmatch(token):
            return None  # [REF-2]
        self._state.ensure_followed()
        digest = token_digest(token)
        found = self._copies.get(digest)
        if (
            found is not None
            and self._state.is_fresh
            and self._monotonic() - found[1] <= KEPT_SECONDS
        ):
            return found[0]
        asked_at = self._monotonic()
        claims = self._issuer.introspect(token)
        if claims is None:
            self._copies.pop(digest, None)
            self._raise_reason(token)
        elif asked_at > self._changed_at + SETTLING_SECONDS:
            if len(self._copies) >= MAX_COPIES:
                self._copies.pop(next(iter(list(self._copies)), ""), None)
            self._copies[digest] = (claims, self._monotonic())
            if asked_at <= self._changed_at + SETTLING_SECONDS:
                self._copies.pop(digest, None)  # the follower came between the question and here
        return claims

    def _raise_reason(self, token: str) -> None:
        """Refuse the token as the issuer's own APIs do [API-13, API-14].

        Introspection does not tell why a token is not active [ITR-3]; the endpoint for adapters
        tells it to the API that the token was sent to. Raises nothing when it does not answer.
        """
        try:
            seen = self._issuer.session_lease(SeeSessionOf(token=token))
        except StateUnavailable:
            return  # an older issuer: the token is refused all the same [API-3]
        if isinstance(seen, LeaseOfNoToken) and seen.description not in {"", UNKNOWN}:
            raise seen.refusal

    async def load_async(self, token: str) -> dict[str, Any] | None:
        return await asyncio.to_thread(self.load, token)

    def note_use(self, claims: dict[str, Any]) -> None:
        """Nothing: the issuer notes it when it is asked."""

    def on_entry(self, entry: Entry) -> None:
        """Drop the copies that a change concerns; called by the follower of the feed."""
        match entry:
            case ChangedReference(jti=jti):
                self._drop("jti", jti)
            case ChangedApplication(client_id=client_id):
                self._drop("client_id", client_id)
            case ChangedUser(sub_id=user_id):
                self._drop("sub_id", user_id)
                self._drop("client_system_user_id", user_id)
            case _:
                pass

    def on_gap(self) -> None:
        """Any token may have ended without a word: each is asked about anew."""
        self._changed_at = self._monotonic()
        self._copies.clear()

    def _drop(self, claim: str, value: str) -> None:
        self._changed_at = self._monotonic()
        for digest, (claims, _) in list(self._copies.items()):
            if claims.get(claim) == value:
                self._copies.pop(digest, None)
