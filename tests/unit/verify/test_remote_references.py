"""Reference tokens at a verifier elsewhere, while made-up ones come [API-6, REF-38, REF-39]."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from mintgate.contract.errors import InvalidToken
from mintgate.contract.feed import ChangedApplication, ChangedReference, ChangedUser, Entry
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.session_leases import LeaseAnswer, LeaseOfNoToken, SeeSessionOf
from mintgate.verify import IssuerClient, RemoteReferences, RemoteState, StateUnavailable
from mintgate.verify.questions import AT_ONCE, JOINED_SECONDS, MOST_ASKED
from mintgate.verify.remote_references import MAX_UNKNOWN, UNKNOWN_SECONDS
from tests.world import MovableClock

GOOD = "enrt_" + "A" * 64


def made_up() -> str:
    return f"enrt_{new_hex128()}{new_hex128()}"


class Issuer:
    """Knows some tokens, answers when it may, and counts what it is asked."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {GOOD: {"jti": "1", "client_id": "c"}}
        self.reason = ""
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.on_question: Callable[[], None] = lambda: None

    def introspect(self, token: str) -> dict[str, Any] | None:
        self.asked.append(token)
        found = self.known.get(token)
        self.on_question()
        assert self.may_answer.wait(20)
        return found

    def session_lease(self, request: SeeSessionOf) -> LeaseAnswer:
        return LeaseOfNoToken(description=self.reason)


class State:
    is_fresh = True

    def ensure_followed(self) -> None: ...


class Elsewhere:
    def __init__(self) -> None:
        self.issuer, self.state, self.clock = Issuer(), State(), MovableClock(0.0)
        self.references = RemoteReferences(
            cast("IssuerClient", self.issuer),
            cast("RemoteState", self.state),
            monotonic=self.clock,
        )
        self.load, self.load_async = self.references.load, self.references.load_async

    def count(self, token: str) -> int:
        return self.issuer.asked.count(token)

    async def asked(self, count: int) -> None:
        """Wait until the issuer has got so many questions, which it may not answer yet."""
        while len(self.issuer.asked) < count:
            await asyncio.sleep(0.001)


@pytest.fixture
def one() -> Elsewhere:
    return Elsewhere()


def run(test: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_a_kept_token_does_not_wait_behind_made_up_ones(one: Elsewhere) -> None:
    """Nor does anything else that uses the threads of the event loop."""

    async def main() -> None:
        assert await one.load_async(GOOD)
        one.issuer.may_answer.clear()
        flood = [asyncio.create_task(one.load_async(made_up())) for _ in range(100)]
        await one.asked(1 + AT_ONCE)
        assert await one.load_async(GOOD)
        assert await asyncio.to_thread(lambda: True)
        assert not any(task.done() for task in flood)
        one.issuer.may_answer.set()
        assert await asyncio.gather(*flood) == [None] * 100

    run(main())
    assert one.count(GOOD) == 1


def test_too_many_are_refused_and_not_queued(one: Elsewhere) -> None:
    async def main() -> None:
        one.issuer.may_answer.clear()
        flood = [asyncio.create_task(one.load_async(made_up())) for _ in range(MOST_ASKED)]
        await one.asked(AT_ONCE)
        with pytest.raises(StateUnavailable):
            await one.load_async(GOOD)
        one.issuer.may_answer.set()
        await asyncio.gather(*flood)
        assert await one.load_async(GOOD)

    run(main())


def test_who_goes_away_leaves_no_place_taken(one: Elsewhere) -> None:
    async def main() -> None:
        for _ in range(3):
            one.issuer.may_answer.clear()
            flood = [asyncio.create_task(one.load_async(made_up())) for _ in range(MOST_ASKED)]
            begun = len(one.issuer.asked)
            await one.asked(begun + AT_ONCE)
            for task in flood:
                task.cancel()
            one.issuer.may_answer.set()
            await one.asked(begun + MOST_ASKED)
            while one.references._questions._unanswered:
                await asyncio.sleep(0.001)
        assert await one.load_async(GOOD)

    run(main())


def test_a_token_that_comes_often_at_once_is_one_question(one: Elsewhere) -> None:
    async def main() -> None:
        one.issuer.may_answer.clear()
        tasks = [asyncio.create_task(one.load_async(GOOD)) for _ in range(2 * MOST_ASKED)]
        await one.asked(1)
        tasks[0].cancel()
        one.issuer.may_answer.set()
        assert all(await asyncio.gather(*tasks[1:]))

    run(main())
    assert one.count(GOOD) == 1


@pytest.mark.parametrize("why", ["a change", "time"])
def test_an_answer_of_before_is_not_waited_for(why: str, one: Elsewhere) -> None:
    """[REF-39, TOP-13]"""

    async def main() -> None:
        one.issuer.may_answer.clear()
        before = asyncio.create_task(one.load_async(GOOD))
        await one.asked(1)
        del one.issuer.known[GOOD]
        if why == "time":
            one.clock.advance(JOINED_SECONDS + 0.1)
        else:
            one.references.on_entry(ChangedReference(jti="1"))
        after = asyncio.create_task(one.load_async(GOOD))
        await one.asked(2)
        one.issuer.may_answer.set()
        assert await before
        assert await after is None
        assert await one.load_async(GOOD) is None

    run(main())


@pytest.mark.parametrize("is_good", [False, True], ids=["not any more", "by now"])
def test_of_answers_that_overtake_each_other_the_later_question_counts(
    is_good: bool, one: Elsewhere
) -> None:
    good = one.issuer.known[GOOD]

    def set_known(known: bool) -> None:
        one.issuer.known = {GOOD: good} if known else {}

    def meanwhile() -> None:
        one.issuer.on_question = lambda: None
        set_known(is_good)
        one.clock.advance(1)
        assert one.load(GOOD) == (good if is_good else None)

    set_known(not is_good)
    one.issuer.on_question = meanwhile
    assert one.load(GOOD) == (None if is_good else good)
    assert one.load(GOOD) == (good if is_good else None)
    assert one.count(GOOD) == 2


def test_each_caller_gets_a_refusal_of_its_own(one: Elsewhere) -> None:
    """[API-14] a refusal has an id, by which the log finds it."""

    async def main() -> None:
        one.issuer.reason = "The token's user is not active."
        one.issuer.may_answer.clear()
        token = made_up()
        tasks = [asyncio.create_task(one.load_async(token)) for _ in range(5)]
        await one.asked(1)
        one.issuer.may_answer.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {InvalidToken}
        assert len({id(outcome) for outcome in outcomes}) == 5
        with pytest.raises(InvalidToken):  # and it is asked anew, as a lock may end by itself
            await one.load_async(token)
        assert one.count(token) == 2

    run(main())


def test_a_made_up_token_is_asked_about_once_in_a_while(one: Elsewhere) -> None:
    token = made_up()
    for _ in range(3):
        assert one.load(token) is None
    assert one.count(token) == 1
    one.clock.advance(UNKNOWN_SECONDS + 0.1)
    assert one.load(token) is None
    assert one.count(token) == 2
    one.state.is_fresh = False
    assert one.load(token) is None
    assert one.count(token) == 3


CHANGES: list[Entry | None] = [
    ChangedReference(jti="1"),
    ChangedApplication(client_id="c", enabled=True),
    ChangedUser(sub_id="u", active=True),
    None,
]


@pytest.mark.parametrize("entry", CHANGES, ids=lambda e: type(e).__name__)
def test_a_token_that_has_become_good_is_not_refused(entry: Entry | None, one: Elsewhere) -> None:
    """[REF-34] by a change, or after a gap; also when that comes while the issuer answers."""

    def change() -> None:
        one.issuer.known[token] = {"jti": "2"}
        if entry is None:
            one.references.on_gap()
        else:
            one.references.on_entry(entry)

    token = made_up()
    assert one.load(token) is None
    change()
    assert one.load(token)

    one.clock.advance(10.0)
    token = made_up()
    one.issuer.on_question = change
    assert one.load(token) is None
    assert one.load(token)


def test_what_is_remembered_has_a_bound(one: Elsewhere) -> None:
    for _ in range(MAX_UNKNOWN + 10):
        one.load(made_up())
    assert len(one.references._unknown) == 10


def test_a_forked_worker_asks_with_threads_of_its_own(one: Elsewhere) -> None:
    run(one.load_async(made_up()))
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            run(one.load_async(GOOD))
            outcome = 0
        finally:
            os._exit(outcome)
    assert os.waitpid(child, 0)[1] == 0
