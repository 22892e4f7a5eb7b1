"""What a verifier makes of an issuer, or of something in between, that answers nonsense."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mintgate.contract.feed import STATE_FEED_MEMBER
from mintgate.contract.session_leases import SESSION_LEASE_MEMBER, SeeSessionOf
from mintgate.verify import IssuerClient, RemoteState, StateUnavailable
from tests.unit.verify.workbench import ISSUER

QUESTIONS: dict[str, Callable[[IssuerClient], object]] = {
    "introspection": lambda client: client.introspect("a token"),
    "a page of the feed": lambda client: client.feed_page(None),
    "a session": lambda client: client.session_lease(SeeSessionOf(token="a token")),
}
NONSENSE = {
    "nothing": b"",
    "a page": b"<html>",
    "no UTF-8 at all": b"\xff",
    "a string that is no UTF-8": b'{"active":"\xff","type":"\xff","position":"\xff"}',
    "a name that is no UTF-8": b'{"active":true,"\xff":1,"type":"\xff","at":"\xff"}',
    "half a character": b'{"active":true,"scope":"\xd0","type":"\xd0","position":"\xd0"}',
    "another shape": b'{"active":true,"scope":1,"type":"opened","position":"1"}',
    "deep": b'{"x":' + b"[" * 5000 + b"]" * 5000 + b',"active":true}',
}


def client(answer: bytes) -> IssuerClient:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/openid-configuration"):
            members = ("introspection_endpoint", STATE_FEED_MEMBER, SESSION_LEASE_MEMBER)
            document = dict.fromkeys(members, f"{ISSUER}/asked")
            return httpx.Response(200, json={"issuer": ISSUER, **document})
        return httpx.Response(200, content=answer)

    http = httpx.Client(transport=httpx.MockTransport(respond))
    return IssuerClient(ISSUER, "DomainAPI", "a secret", http=http)


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_that_cannot_be_read_is_none(question: str, answer: str) -> None:
    with pytest.raises(StateUnavailable):
        QUESTIONS[question](client(NONSENSE[answer]))


def test_an_entry_that_cannot_be_read_is_not_passed_over() -> None:
    """As one of an unknown type: nothing known is used any more, and each token is asked about."""
    page = b'{"position":1,"at":1.0,"more":false,"entries":[{"type":"user","sub_id":"\xff"}]}'
    gaps: list[bool] = []
    state = RemoteState(client(page), on_gap=lambda: gaps.append(True))
    state.poll()
    assert gaps == [True]
    assert not state.is_fresh
