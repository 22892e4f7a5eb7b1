"""Reference tokens for verifiers elsewhere: the issuer tells what each stands for (RFC 7662)."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from mintgate.contract.clock import Clock
from mintgate.contract.feed import ChangedApplication, ChangedReference, ChangedUser, Entry
from mintgate.contract.identifiers import token_digest
from mintgate.contract.reference_tokens import FORMAT, UNKNOWN
from mintgate.contract.session_leases import LeaseOfNoToken, SeeSessionOf
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.questions import Questions
from mintgate.verify.remote_state import RemoteState
from mintgate.verify.state import StateUnavailable

KEPT_SECONDS = 60.0
"""[REF-38] The issuer notes the use of a token when it is asked, and that at least this often."""
SETTLING_SECONDS = 2.0
"""After a change nothing is kept: a process of the issuer may know of it later than we [TOP-13]."""
MAX_COPIES = 10_000
UNKNOWN_SECONDS = 5.0
"""A token that is not known is asked about again: a lock may end by itself [SGN-10]."""
MAX_UNKNOWN = 4096


class _Heard(NamedTuple):
    """What the issuer said of a token when it was asked, and until when it counts.

    Times in monotonic seconds.
    """

    claims: dict[str, Any] | None
    asked_at: float
    until: float


_Said = dict[str, Any] | LeaseOfNoToken | None
"""Its claims, why it is refused, or nothing."""


class RemoteReferences:
    """The reference source of a verifier that is not in the issuer's process.

    Answers are kept for a minute while the state feed is fresh, and dropped by it as soon as the
    token, its application or its user changes [REF-39]. That a token is unknown is kept for some
    seconds: what is made up costs the issuer no call each time [API-6]. A value is random, so
    nobody can have sent it before it was created.
    """

    def __init__(
        self, issuer: IssuerClient, state: RemoteState, *, monotonic: Clock = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._state = state
        self._monotonic = monotonic
        self._copies: dict[str, _Heard] = {}
        self._unknown: dict[str, _Heard] = {}
        self._changed_at = float("-inf")
        self._questions: Questions[_Said] = Questions(monotonic)

    def load(self, token: str) -> dict[str, Any] | None:
        if not FORMAT.fullmatch(token):
            return None  # [REF-2]
        digest = token_digest(token)
        known = self._known(digest)
        return known.claims if known is not None else _claims_in(self._ask(token, digest))

    async def load_async(self, token: str) -> dict[str, Any] | None:
        if not FORMAT.fullmatch(token):
            return None
        digest = token_digest(token)
        known = self._known(digest)
        if known is not None:
            return known.claims
        if self._questions.pid != os.getpid():
            self._questions = Questions(self._monotonic)  # a forked worker has no threads
        said = await self._questions.answer(digest, lambda: self._ask(token, digest))
        return _claims_in(said)

    def _known(self, digest: str) -> _Heard | None:
        """What counts still of what was heard, without waiting."""
        self._state.ensure_followed()
        found = self._copies.get(digest) or self._unknown.get(digest)
        if found is not None and self._state.is_fresh and self._monotonic() <= found.until:
            return found
        return None

    def _ask(self, token: str, digest: str) -> _Said:
        asked_at = self._monotonic()
        claims = self._issuer.introspect(token)
        if claims is None:
            copy = self._copies.get(digest)
            if copy is not None and copy.asked_at <= asked_at:
                self._copies.pop(digest, None)
            reason = self._reason(token)
            if reason is not None:
                return reason
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
        elif len(self._copies) >= MAX_COPIES:
            self._copies.pop(next(iter(list(self._copies)), ""), None)
        self._keep(digest, claims, asked_at)
        return claims

    def _keep(self, digest: str, claims: dict[str, Any] | None, asked_at: float) -> None:
        if asked_at <= self._changed_at + SETTLING_SECONDS:
            return
        kept, others, seconds = (
            (self._unknown, self._copies, UNKNOWN_SECONDS)
            if claims is None
            else (self._copies, self._unknown, KEPT_SECONDS)
        )
        kept[digest] = _Heard(claims, asked_at, self._monotonic() + seconds)
        # Answers overtake each other: that to the later question counts, and of two at one moment
        # the refusal.
        other = others.get(digest)
        if other is not None:
            is_later = (asked_at, claims is None) >= (other.asked_at, claims is not None)
            (others if is_later else kept).pop(digest, None)
        if asked_at <= self._changed_at + SETTLING_SECONDS:
            kept.pop(digest, None)  # the follower came between the question and here

    def _reason(self, token: str) -> LeaseOfNoToken | None:
        """Why the issuer's own APIs refuse the token [API-13, API-14].

        Introspection does not tell why a token is not active [ITR-3]; the endpoint for adapters
        tells it to the API that the token was sent to. None when it does not answer.
        """
        try:
            seen = self._issuer.session_lease(SeeSessionOf(token=token))
        except StateUnavailable:
            return None  # an older issuer: the token is refused all the same [API-3]
        if isinstance(seen, LeaseOfNoToken) and seen.description not in {"", UNKNOWN}:
            return seen
        return None

    def note_use(self, claims: dict[str, Any]) -> None:
        """Nothing: the issuer notes it when it is asked."""

    def on_entry(self, entry: Entry) -> None:
        """Drop what a change concerns; called by the follower of the feed."""
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
        self._note_change()
        self._copies.clear()

    def _drop(self, claim: str, value: str) -> None:
        self._note_change()
        for digest, heard in list(self._copies.items()):
            if heard.claims is not None and heard.claims.get(claim) == value:
                self._copies.pop(digest, None)

    def _note_change(self) -> None:
        self._changed_at = self._monotonic()
        self._questions.forget()
        self._unknown.clear()  # whose they would be is not known: any may be good now [REF-34]


def _claims_in(said: _Said) -> dict[str, Any] | None:
    """Raises ResourceRefusal, one for each caller: with the reason, if there is one."""
    if isinstance(said, LeaseOfNoToken):
        raise said.refusal
    return said
