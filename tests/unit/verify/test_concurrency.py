"""Requests that run at once: a model, cancellation, and the order of waiting [API-51..53]."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintgate.contract.errors import TooManyRequests
from mintgate.contract.policy import PREFLIGHT, Operation
from mintgate.verify import Admission, Guard, GuardMiddleware, concurrency
from mintgate.verify.concurrency import (
    Bound,
    ConcurrencyLimits,
    Place,
    overall_bound,
    usual_concurrency,
)
from tests.unit.verify.test_rate_limits import a_principal
from tests.unit.verify.workbench import DATABASE, MemoryState, sign, user_claims, verifier

READS, WRITES = Operation(frozenset({"read"})), Operation(frozenset({"update"}))


def an_admission(session: str = "s1", operation: Operation = READS) -> Admission:
    return Admission(
        principal=a_principal(session=session), operation=operation, path="/", address=""
    )


async def enter(limits: ConcurrencyLimits, admission: Admission) -> Place:
    return limits.enter_at_once(admission) or await limits.enter(admission)


async def settle() -> None:
    """Let every task go on until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: asyncio.run(asyncio.wait_for(test(), 20))


class Model:
    """What should happen: lists of who runs and who waits, by session."""

    def __init__(self, per_session: Bound, overall: Bound | None) -> None:
        self.limits = ConcurrencyLimits(per_session=per_session, overall=overall)
        self.per_session, self.overall = per_session, overall
        self.tasks: dict[int, asyncio.Task[Place]] = {}
        self.session_of: dict[int, str] = {}
        self.inside: dict[str, list[int]] = {}
        self.queues: dict[str, list[int]] = {}
        self.running: list[int] = []
        self.waiting: list[int] = []
        self.refused: set[int] = set()

    def enter(self, number: int, session: str) -> None:
        self.session_of[number] = session
        self.tasks[number] = asyncio.create_task(enter(self.limits, an_admission(session)))
        inside, queue = self.inside.setdefault(session, []), self.queues.setdefault(session, [])
        if len(inside) < self.per_session.at_once:
            inside.append(number)
            self._enter_overall(number)
        elif len(queue) < self.per_session.queue:
            queue.append(number)
        else:
            self.refused.add(number)

    def end(self, number: int) -> None:
        """Leave, or be cancelled while waiting."""
        session = self.session_of[number]
        if number in self.running:
            self.tasks[number].result().leave()
            self.running.remove(number)
            self._next_overall()
            self._leave_session(number)
        else:
            self.tasks[number].cancel()
            if number in self.waiting:
                self.waiting.remove(number)
                self._leave_session(number)
            else:
                self.queues[session].remove(number)

    def _enter_overall(self, number: int) -> None:
        if self.overall is None or len(self.running) < self.overall.at_once:
            self.running.append(number)
        elif len(self.waiting) < self.overall.queue:
            self.waiting.append(number)
        else:
            self.refused.add(number)
            self._leave_session(number)

    def _next_overall(self) -> None:
        if self.waiting:
            self.running.append(self.waiting.pop(0))

    def _leave_session(self, number: int) -> None:
        session = self.session_of[number]
        self.inside[session].remove(number)
        if self.queues[session]:
            following = self.queues[session].pop(0)
            self.inside[session].append(following)
            self._enter_overall(following)

    def check(self) -> None:
        alive = [*self.running, *self.waiting, *(n for q in self.queues.values() for n in q)]
        for number, task in self.tasks.items():
            if number in self.refused:
                assert isinstance(task.exception(), TooManyRequests)
            elif number in self.running:
                task.result()
            elif number in alive:
                assert not task.done()
            else:
                assert task.done()


STEPS = st.lists(st.one_of(st.sampled_from("abc"), st.integers(0, 12)), max_size=60)


@given(
    st.builds(Bound, st.integers(1, 2), st.integers(0, 3)),
    st.one_of(st.none(), st.builds(Bound, st.integers(1, 3), st.integers(0, 3))),
    STEPS,
)
@settings(deadline=None, max_examples=150)
def test_against_a_model(per_session: Bound, overall: Bound | None, steps: list[str | int]) -> None:
    """Requests come, end and are given up in any order; at the end every place is free."""

    async def run() -> None:
        model = Model(per_session, overall)
        for number, step in enumerate(steps):
            if isinstance(step, str):
                model.enter(number, step)
            else:
                alive = [
                    *model.running,
                    *model.waiting,
                    *(n for q in model.queues.values() for n in q),
                ]
                if alive:
                    model.end(alive[step % len(alive)])
            await settle()
            model.check()
        while model.running:
            model.end(model.running[0])
            await settle()
            model.check()
        for session in "abc":
            (await asyncio.wait_for(enter(model.limits, an_admission(session)), 5)).leave()

    asyncio.run(run())


@in_a_loop
async def test_a_place_given_to_one_who_just_gave_up_is_passed_on() -> None:
    limits = ConcurrencyLimits(per_session=Bound(1, 5))
    first = await enter(limits, an_admission())
    second, third = (asyncio.create_task(enter(limits, an_admission())) for _ in range(2))
    await settle()
    first.leave()  # the second has it now, and does not know yet
    second.cancel()
    await settle()
    assert second.cancelled()
    assert third.done()
    third.result().leave()
    (await enter(limits, an_admission())).leave()


@in_a_loop
async def test_first_come_first_served() -> None:
    """Nobody slips in between a place that is left and the one who waits for it."""
    limits = ConcurrencyLimits(per_session=Bound(1, 5))
    first = await enter(limits, an_admission())
    waits = asyncio.create_task(enter(limits, an_admission()))
    await settle()
    first.leave()
    assert limits.enter_at_once(an_admission()) is None
    (await waits).leave()
    assert limits.enter_at_once(an_admission()) is not None


@in_a_loop
async def test_one_transaction_of_a_session() -> None:
    """[API-52] while others of its requests read, and other sessions write"""
    limits = ConcurrencyLimits(per_session=Bound(9), transactions_per_session=Bound(1))
    writes = await enter(limits, an_admission(operation=WRITES))
    await enter(limits, an_admission(operation=READS))
    await enter(limits, an_admission("s2", WRITES))
    for operation in (WRITES, Operation(frozenset(), is_batch=True)):
        with pytest.raises(TooManyRequests, match="that change data"):
            await enter(limits, an_admission(operation=operation))
    writes.leave()
    await enter(limits, an_admission(operation=WRITES))


@in_a_loop
async def test_a_refused_transaction_gives_its_place_back() -> None:
    limits = ConcurrencyLimits(per_session=Bound(2), transactions_per_session=Bound(1))
    await enter(limits, an_admission(operation=WRITES))
    for _ in range(5):
        with pytest.raises(TooManyRequests, match="that change data"):
            await enter(limits, an_admission(operation=WRITES))
    await enter(limits, an_admission(operation=READS))


@in_a_loop
async def test_a_preflight_takes_no_place() -> None:
    limits = ConcurrencyLimits(overall=Bound(1))
    await enter(limits, an_admission())
    preflight = Admission(principal=None, operation=PREFLIGHT, path="/", address="")
    (await enter(limits, preflight)).leave()


@in_a_loop
async def test_idle_lines_do_not_pile_up() -> None:
    limits = ConcurrencyLimits(per_session=Bound(1))
    kept = await enter(limits, an_admission("kept"))
    for number in range(concurrency.MAX_IDLE + 10):
        (await enter(limits, an_admission(f"s{number}"))).leave()
    assert limits._sessions is not None
    assert len(limits._sessions) <= concurrency.MAX_IDLE
    assert limits.enter_at_once(an_admission("kept")) is None
    kept.leave()


@pytest.mark.parametrize(
    ("asked", "cores", "at_once"),
    [(2, 8, 2), (2, 1, 1), (9, 8, 4), (9, 3, 3), (0, 8, 1)],
)
def test_no_more_than_cores_and_four(asked: int, cores: int, at_once: int) -> None:
    """[API-53]"""
    assert overall_bound(asked, cores=cores) == Bound(at_once, 5)


def test_bounds_that_make_no_sense() -> None:
    for at_once, queue in ((0, 5), (1, -1)):
        with pytest.raises(ValueError, match="at least one"):
            Bound(at_once, queue)


def test_what_apis_have_by_themselves() -> None:
    """[API-51, API-53, EXT-11]"""
    assert usual_concurrency("DomainAPI") is not None
    assert usual_concurrency("TableAPI") is not None
    assert [usual_concurrency(api) for api in ("OLAP", "AppServer", "X")] == [None] * 3


class SlowApi:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.may_end = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.may_end.wait()
        finally:
            self.running -= 1
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@in_a_loop
async def test_the_middleware_runs_one_queues_five_and_refuses_the_rest() -> None:
    """[API-51, API-54, API-40] and another session is not concerned"""
    api, refused = SlowApi(), []

    async def audit(scope: Any, refusal: Any) -> None:
        refused.append(refusal.cause)

    guard = Guard(verifier(database=DATABASE, state=MemoryState()), "DomainAPI")
    app = GuardMiddleware(api, guard, audit, concurrency=usual_concurrency("DomainAPI"))
    transport = httpx.ASGITransport(app)
    mine, other = (
        {"Authorization": f"Bearer {sign(user_claims(sid=sid))}"} for sid in ("A" * 32, "B" * 32)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        tasks = [asyncio.create_task(http.get("/x", headers=mine)) for _ in range(9)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        while sum(task.done() for task in tasks) < 3:
            await asyncio.sleep(0.001)
        assert api.running == 1
        another = asyncio.create_task(http.get("/x", headers=other))
        while api.running < 2:
            await asyncio.sleep(0.001)
        given_up = next(task for task in tasks if not task.done())
        given_up.cancel()  # the one that runs: its place goes to the next
        await settle()
        api.may_end.set()
        answers = [await task for task in tasks if task is not given_up]
        assert (await another).status_code == 204
    assert sorted(answer.status_code for answer in answers) == [204] * 5 + [429] * 3
    refusal = next(answer for answer in answers if answer.status_code == 429)
    assert refusal.headers["retry-after"] == "1"
    assert refusal.json()["error"]["code"] == 429
    assert refusal.json()["error"]["type"] == "too_many_requests"
    assert refused == ["the queue of requests of this session is full"] * 3
    assert api.most == 2
