"""Session leases: what an adapter asks, what it tells, and what the issuer believes of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from mintgate.contract.errors import InvalidToken, NoFreeSlot
from mintgate.contract.feed import ClosedSession, EndedSession
from mintgate.contract.session_leases import (
    LeaseOfNoToken,
    OpenSessionOf,
    SeeSessionOf,
    SessionSeen,
    TellTouches,
)
from mintgate.gate.session_leases import process_of
from mintgate.store import Database, audit, erp_session_ends, schema
from mintgate.verify import (
    Guard,
    GuardMiddleware,
    Principal,
    RemoteSessions,
    StateUnavailable,
)
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.lessee_process import PROBE_SECONDS
from mintgate.verify.remote_sessions import FLUSH_SECONDS
from mintgate.verify.request_explanation import explain_request
from tests.unit.gate.lease_desk import SECRETS, Adapter, Desk, token_of
from tests.unit.gate.test_session_model import principal_of
from tests.unit.store.session_office import HERE, Office
from tests.unit.verify.workbench import verifier, wait_until
from tests.world import sqlite_url

ANN, BOB = principal_of("ann", "A"), principal_of("bob", "B")
ADA = principal_of("ada", "ADA", is_admin=True)
SERVICE = principal_of("svc", "S", service=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, to be copied: making them takes longer than a test."""
    folder = tmp_path_factory.mktemp("empty")
    database = Database(sqlite_url(folder))
    schema.upgrade(database)
    database.close()
    return folder / "test.db"


@pytest.fixture
def office(empty: Path, tmp_path: Path) -> Iterator[Office]:
    shutil.copy(empty, tmp_path)
    office = Office(sqlite_url(tmp_path), licences=1)
    yield office
    office.database.close()


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(HERE, office.database, office.clock)


@pytest.fixture
def adapter(desk: Desk, office: Office) -> Adapter:
    return Adapter(desk, office.clock)


# What it asks and tells.


def test_a_warm_request_asks_nothing(adapter: Adapter, desk: Desk, office: Office) -> None:
    """[SES-27] one call opens, one tells of everything since"""
    adapter.use(ANN)
    for _ in range(1000):
        assert adapter.touch(ANN) is not None
    assert desk.kinds() == ["open"]
    session = adapter.touch(ANN)
    assert session is not None
    session.current += 2
    session.uploaded += 30
    session.downloaded += 40
    adapter.sessions.flush()
    assert desk.kinds() == ["open", "touch"]
    found = office.session("A")
    assert found is not None
    counts = (found.total_requests, found.current_requests, found.uploaded, found.downloaded)
    assert counts == (1002, 2, 30, 40)
    adapter.sessions.flush()
    assert desk.kinds() == ["open", "touch"], "nothing new"


def test_requests_that_come_at_once_ask_once(adapter: Adapter, desk: Desk, office: Office) -> None:
    """[SES-13] in threads and in an event loop"""
    together = threading.Barrier(9)
    waiting = threading.Event()
    desk.before = lambda asked: waiting.wait(5) and None

    def request() -> Any:
        together.wait(5)
        return adapter.open(ANN)

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(request) for _ in range(8)]
        together.wait(5)
        wait_until(lambda: desk.kinds() == ["open"])
        waiting.set()
        assert len({id(one.result()) for one in asked}) == 1

    async def requests() -> None:
        opened = (adapter.sessions.open_async(SERVICE, token_of(SERVICE)) for _ in range(50))
        with pytest.raises(NoFreeSlot):
            await asyncio.gather(*opened)

    asyncio.run(requests())
    assert desk.kinds() == ["open"] * 2
    adapter.sessions.flush()
    found = office.session("A")
    assert found is not None
    assert found.total_requests == 8


def test_whoever_goes_away_does_not_take_the_opening_along(adapter: Adapter, desk: Desk) -> None:
    waiting = threading.Event()
    desk.before = lambda asked: waiting.wait(5) and None

    async def requests() -> None:
        first = asyncio.create_task(adapter.sessions.open_async(ANN, token_of(ANN)))
        second = asyncio.create_task(adapter.sessions.open_async(ANN, token_of(ANN)))
        await asyncio.sleep(0.01)
        first.cancel()
        waiting.set()
        assert (await second).key == "A"

    asyncio.run(requests())
    assert desk.kinds() == ["open"]


def test_the_thread_tells_by_itself_and_at_the_end(desk: Desk, office: Office) -> None:
    """[SES-27]"""
    with pytest.raises(ValueError, match="10 seconds"):
        RemoteSessions(desk.client(), lambda: True, flush_seconds=FLUSH_SECONDS + 1)
    sessions = RemoteSessions(desk.client(), lambda: True, clock=office.clock, flush_seconds=0.01)
    sessions.open(ANN, token_of(ANN))
    wait_until(lambda: "touch" in desk.kinds())
    sessions.close()
    assert sessions.touch(ANN) is not None
    sessions.close()
    found = office.session("A")
    assert found is not None, "closing tells, and closes no session"
    assert found.total_requests == 2


def test_the_end_of_an_application_tells_what_is_left(adapter: Adapter, office: Office) -> None:
    """[SES-27] servers end by a signal, at which the interpreter runs nothing any more"""
    guard = Guard(verifier(clock=office.clock), "DomainAPI", sessions=adapter.sessions)
    told: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def life() -> None:
        async def receive() -> dict[str, Any]:
            return {}

        async def send(message: Any) -> None:
            told.append(message)

        await GuardMiddleware(app, guard)({"type": "lifespan"}, receive, send)

    adapter.use(ANN)
    asyncio.run(life())
    assert len(told) == 2
    found = office.session("A")
    assert found is not None
    assert found.total_requests == 1


def test_a_second_application_of_the_sign_in_is_told(adapter: Adapter, office: Office) -> None:
    """[SES-20]"""
    adapter.use(ANN)
    adapter.use(principal_of("ann", "A", client_id="other"))
    found = office.session("A")
    assert found is not None
    assert found.client_ids == ("app", "other")
    assert office.counts().sessions == 1


def test_a_session_is_closed_by_its_own_adapter_in_time(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    """[SES-14, SES-27] idle after 1200 seconds for who touched it alone, 15 later for others"""
    other = Adapter(desk, office.clock)
    adapter.use(ANN)
    office.clock.advance(1199)
    with pytest.raises(NoFreeSlot):
        adapter.use(BOB)
    office.clock.advance(1)
    with pytest.raises(NoFreeSlot):
        other.use(BOB)
    adapter.use(BOB)
    assert office.session("A") is None


def test_touches_on_their_way_are_not_overtaken_by_an_opening(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    """[SES-14] else the issuer would take a session in use for idle, and give its slot away."""
    adapter.use(ANN)
    adapter.sessions.flush()
    office.clock.advance(1184)
    assert adapter.touch(ANN) is not None
    office.clock.advance(16)
    waiting, arrived = threading.Event(), threading.Event()

    def before(asked: dict[str, Any]) -> None:
        if asked["type"] == "touch":
            arrived.set()
            assert waiting.wait(5)

    desk.before = before
    with ThreadPoolExecutor(2) as threads:
        telling = threads.submit(adapter.sessions.flush)
        assert arrived.wait(5)
        opening = threads.submit(adapter.open, BOB)
        assert not _done_soon(opening.done)
        waiting.set()
        telling.result()
        with pytest.raises(NoFreeSlot):
            opening.result()
    assert office.session("A") is not None


def test_what_could_not_be_told_goes_along_with_the_next_opening(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    """[SES-27]"""
    adapter.use(ANN)
    adapter.sessions.flush()
    office.clock.advance(1184)
    assert adapter.touch(ANN) is not None
    desk.is_away = True
    with pytest.raises(StateUnavailable):
        adapter.sessions.flush()
    desk.is_away = False
    office.clock.advance(30)
    with pytest.raises(NoFreeSlot):
        adapter.use(BOB)
    assert [len(asked.get("touches", [])) for asked in desk.asked][-1] == 1
    assert office.session("A") is not None


def test_touches_that_went_along_with_an_opening_are_not_lost(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    """When it fails, when its token is refused; and what the issuer does not have is forgotten."""
    office.buy(2)
    adapter.use(ANN)
    office.clock.advance(700)
    assert adapter.touch(ANN) is not None
    desk.is_away = True
    with pytest.raises(StateUnavailable):
        adapter.use(BOB)
    desk.is_away = False
    with pytest.raises(InvalidToken):
        adapter.sessions.open(BOB, "no token")
    adapter.use(BOB)
    assert [len(asked["touches"]) for asked in desk.asked] == [0, 1, 1, 1]
    found = office.session("A")
    assert found is not None
    assert (found.total_requests, found.last_request_at) == (2, office.clock())

    office.clock.advance(700)
    assert adapter.touch(ANN) is not None
    office.close("A")
    adapter.use(ADA)
    assert adapter.touch(ANN) is None


def test_many_touches_go_in_several_messages(desk: Desk, office: Office, adapter: Adapter) -> None:
    office.buy(1000)
    everybody = [principal_of("ann", f"A{number}") for number in range(300)]
    token = token_of(ANN)
    used_by(everybody, adapter, office)
    adapter.sessions.flush()
    assert [len(asked["touches"]) for asked in desk.asked] == [250, 50]
    assert not any(adapter.knows(one) for one in everybody), "the issuer has none of them"
    used_by(everybody, adapter, office)
    office.clock.advance(700)
    adapter.sessions.open(ANN, token)
    told = [(asked["type"], len(asked["touches"])) for asked in desk.asked[2:]]
    assert told == [("touch", 250), ("open", 50)]


def test_touches_that_many_sessions_left_go_in_several_messages(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    """[SES-27] of sessions that were closed while the issuer could not be told"""
    used_by([principal_of("ann", f"A{number}") for number in range(600)], adapter, office)
    office.clock.advance(700)

    def before(asked: dict[str, Any]) -> None:
        adapter.sessions.on_entry(ClosedSession(session=None))
        desk.is_away = True

    desk.before = before
    with pytest.raises(StateUnavailable):
        adapter.open(ANN)
    desk.before = lambda asked: None
    desk.is_away = False
    desk.asked.clear()
    adapter.sessions.flush()
    adapter.sessions.flush()
    assert [len(asked["touches"]) for asked in desk.asked] == [250, 250, 100]


def test_telling_comes_to_an_end_while_requests_come(
    desk: Desk, office: Office, adapter: Adapter
) -> None:
    adapter.use(ANN)

    def before(asked: dict[str, Any]) -> None:
        assert desk.kinds() == ["open", "touch"]
        office.clock.advance(1)
        assert adapter.touch(ANN) is not None

    desk.before = before
    adapter.sessions.flush()
    assert desk.kinds() == ["open", "touch"]


def used_by(everybody: list[Principal], adapter: Adapter, office: Office) -> None:
    """A session and a request of each, which the issuer does not know of."""
    known = adapter.sessions._own.lessee.known
    for one in everybody:
        known.keep(
            known.begin(one.session),
            "interactive",
            opened_at=office.clock(),
            last_request=office.clock(),
            absolute_end=float("inf"),
            client_ids=("app",),
        )
        assert adapter.touch(one) is not None


def test_clocks_that_differ(desk: Desk, office: Office) -> None:
    """A minute ahead or behind: sessions end as early and as late as others."""
    office.buy(5)
    behind = Adapter(desk, lambda: office.clock() - 60)
    behind.use(BOB)
    office.clock.advance(1185)
    assert behind.touch(BOB) is None
    ahead = Adapter(desk, lambda: office.clock() + 60)
    session = ahead.use(SERVICE)
    assert session.absolute_end == office.clock() + 60 + 3600
    ahead.use(ADA)
    ahead.use(ANN)
    office.clock.advance(30)
    assert ahead.touch(ANN) is not None
    ahead.sessions.flush()
    found = office.session("A")
    assert found is not None
    assert found.last_request_at == office.clock()
    office.clock.advance(1154)
    assert ahead.touch(ADA) is not None
    office.clock.advance(30)
    assert ahead.touch(ANN) is not None


# What ends.


@pytest.mark.parametrize(
    ("ended", "is_known"),
    [
        (EndedSession(sid="A"), False),
        (ClosedSession(session="A"), False),
        (ClosedSession(session=None), False),
        (EndedSession(sid="OTHER"), True),
    ],
    ids=["sign-out", "closed", "all closed", "another one"],
)
def test_what_ended_is_forgotten(ended: Any, *, is_known: bool, adapter: Adapter) -> None:
    """[TOP-13]"""
    adapter.use(ANN)
    adapter.sessions.on_entry(ended)
    assert (adapter.touch(ANN) is not None) is is_known


def test_an_end_that_comes_during_the_opening(adapter: Adapter, desk: Desk) -> None:
    desk.before = lambda asked: adapter.sessions.on_entry(ClosedSession(session="A"))
    adapter.use(ANN)
    assert adapter.touch(ANN) is None


def test_after_a_gap_of_the_feed_every_session_is_asked_for(
    adapter: Adapter, desk: Desk, office: Office
) -> None:
    adapter.use(ANN)
    running = adapter.touch(ANN)
    assert running is not None
    running.current += 1
    adapter.sessions.flush()
    adapter.sessions.on_gap()
    assert adapter.touch(ANN) is None
    assert adapter.use(ANN) is running, "a request that runs stays counted"
    running.current -= 1
    adapter.sessions.flush()
    found = office.session("A")
    assert found is not None
    assert (found.current_requests, found.total_requests) == (0, 3)


def test_a_session_that_nobody_told_of_ends_by_the_flush(adapter: Adapter, office: Office) -> None:
    """[SES-27] and touching it does not bring it back"""
    adapter.use(ANN)
    office.close("A")
    assert adapter.touch(ANN) is not None
    adapter.sessions.flush()
    assert adapter.touch(ANN) is None
    assert office.session("A") is None


def test_a_session_that_is_just_being_closed_is_waited_for(postgresql: Any) -> None:
    """What goes along is stored once, however often it is tried."""
    office = Office(postgresql(), licences=2)
    desk = Desk(HERE, office.database, office.clock)
    adapter = Adapter(desk, office.clock)
    adapter.use(ANN)
    adapter.use(BOB)
    office.clock.advance(601)
    assert adapter.touch(BOB) is not None
    adapter.sessions.on_entry(EndedSession(sid="A"))
    with ThreadPoolExecutor(1) as threads, office.database.begin() as tx:
        erp_session_ends.close_of_sign_in(tx, HERE, "A", "sign_out")
        opening = threads.submit(adapter.open, ANN)
        assert not _done_soon(opening.done)
        tx.connection.commit()
        assert opening.result().key == "A"
    found = office.session("B")
    assert found is not None
    assert found.total_requests == 2
    assert office.counts().in_use == 2
    office.database.close()


# The issuer is away.


def test_known_sessions_go_on_for_a_minute(adapter: Adapter, desk: Desk, office: Office) -> None:
    """[SES-27] and none is opened"""
    office.buy(2)
    office.clock.advance(100)
    adapter.use(ANN)
    desk.is_away, adapter.is_fresh = True, False
    asked = len(desk.asked)
    for seconds in (0, 30, 30):
        office.clock.advance(seconds)
        assert adapter.use(ANN).key == "A"
        with pytest.raises(StateUnavailable):
            adapter.use(BOB)
    assert len(desk.asked) == asked + 1, "one finds out, and the others do not wait for it"
    office.clock.advance(1)
    with pytest.raises(StateUnavailable):
        adapter.use(ANN)
    adapter.monotonic += PROBE_SECONDS
    desk.is_away = False
    assert adapter.use(ANN).key == "A"
    assert adapter.use(BOB).key == "B"
    adapter.is_fresh = True
    adapter.sessions.flush()
    found = office.session("A")
    assert found is not None
    assert found.total_requests == 5


def test_one_request_finds_out_and_the_others_do_not_wait(
    adapter: Adapter, desk: Desk, office: Office
) -> None:
    office.buy(5)
    adapter.use(ANN)
    desk.is_away, adapter.is_fresh = True, False
    adapter.use(ANN)
    adapter.monotonic += PROBE_SECONDS
    waiting, arrived = threading.Event(), threading.Event()

    def before(asked: dict[str, Any]) -> None:
        arrived.set()
        assert waiting.wait(5)

    desk.before = before
    asked = len(desk.asked)
    with ThreadPoolExecutor(1) as threads:
        finding_out = threads.submit(adapter.use, BOB)
        assert arrived.wait(5)
        assert adapter.use(ANN).key == "A"
        with pytest.raises(StateUnavailable):
            adapter.use(ADA)
        assert len(desk.asked) == asked + 1
        waiting.set()
        with pytest.raises(StateUnavailable):
            finding_out.result()


def test_while_the_feed_cannot_be_read_each_session_is_looked_at(
    adapter: Adapter, desk: Desk, office: Office
) -> None:
    """[TOP-13] by a question that writes nothing"""
    adapter.use(ANN)
    adapter.is_fresh = False
    assert adapter.use(ANN).key == "A"
    assert desk.kinds() == ["open", "see"]
    office.close("A")
    office.open("bob")
    with pytest.raises(NoFreeSlot):
        adapter.use(ANN)


def test_a_lost_answer_is_no_lost_slot(adapter: Adapter, desk: Desk, office: Office) -> None:
    desk.loses_answers = True
    with pytest.raises(StateUnavailable):
        adapter.use(ANN)
    desk.loses_answers = False
    adapter.use(ANN)
    assert office.counts().in_use == 1


def test_an_idle_connection_that_was_just_closed_is_no_refusal(
    adapter: Adapter, desk: Desk, office: Office
) -> None:
    failures = iter([httpx.RemoteProtocolError("disconnected"), None])

    def before(asked: dict[str, Any]) -> None:
        failure = next(failures)
        if failure is not None:
            raise failure

    desk.before = before
    assert adapter.use(ANN).key == "A"
    assert office.counts().in_use == 1


# A preforking server.


def test_a_forked_worker_is_a_process_of_its_own(adapter: Adapter, office: Office) -> None:
    """What its parent has noted, its parent tells."""
    adapter.use(ANN)
    adapter.touch(ANN)
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            own = adapter.sessions._mine()
            told = [adapter.touch(ANN) is None, own.lessee.process, len(own.lessee.known)]
            os.write(writing, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(writing)
    knows_nothing, process, known = json.loads(os.read(reading, 4096))
    assert (knows_nothing, known) == (True, 0)
    assert process != adapter.sessions._own.lessee.process
    assert adapter.touch(ANN) is not None


# What the issuer believes.


def test_a_session_needs_a_token(adapter: Adapter, desk: Desk, office: Office) -> None:
    """A stolen secret opens nothing: forged, ended and foreign tokens take no slot [ITR-1]."""
    forged = token_of(ANN).rpartition(".")[0] + "." + "A" * 342
    for token in (
        forged,
        token_of(ANN, exp=int(office.clock()) - 1),
        token_of(ANN, aud=["TableAPI"]),
        token_of(ANN, iss="https://other.example/id"),
        "ann",
    ):
        with pytest.raises(InvalidToken):
            adapter.sessions.open(ANN, token)
        refused = desk.client().session_lease(SeeSessionOf(token=token))
        assert isinstance(refused, LeaseOfNoToken)
        assert not refused.forbidden
        assert refused.refusal.description == refused.description != ""
    with pytest.raises(StateUnavailable):
        adapter.sessions.open(ANN)
    assert office.counts().sessions == 0
    adapter.use(ANN)


def test_the_session_is_that_of_the_token(adapter: Adapter, office: Office) -> None:
    """Whatever the adapter says."""
    adapter.sessions.open(BOB, token_of(ANN))
    assert [(one.key, one.login) for one in office.listed()] == [("A", "ann")]


def test_an_adapter_cannot_speak_for_that_of_another_api(
    adapter: Adapter, desk: Desk, office: Office
) -> None:
    """Else it could say that sessions are idle which only the other one has touched."""
    process = adapter.sessions._own.lessee.process
    asked = OpenSessionOf(process=process, token=token_of(BOB))
    assert process_of("DomainAPI", asked) != process_of("TableAPI", asked)
    assert process_of("DomainAPI", asked) == process_of("DomainAPI", asked)
    adapter.use(ANN)
    office.clock.advance(1200)
    answer = desk.client("TableAPI").session_lease(asked)
    assert type(answer).__name__ == "LeaseRefused"


def test_nobody_can_touch_what_he_cannot_name(desk: Desk, office: Office) -> None:
    """And no touch is from the future."""
    office.open("ann", "A")
    client = desk.client()
    touch = {"key": "A", "opened_at": office.clock() + 1, "ago": 0, "requests": 9}
    process = "A" * 32

    def tell(**changes: Any) -> httpx.Response:
        body = {"type": "touch", "process": process, "touches": [touch | changes]}
        return client._http.get().post(
            f"{client.issuer}/connect/session_leases",
            json=body,
            auth=("DomainAPI", SECRETS["DomainAPI"]),
        )

    assert tell().json() == {"type": "told", "gone": ["A"]}
    assert tell(opened_at=office.clock(), current=-5).json() == {"type": "told", "gone": []}
    found = office.session("A")
    assert found is not None
    assert (found.total_requests, found.current_requests) == (9, 0)
    for bad in ({"ago": -1}, {"requests": -1}, {"uploaded": -1}, {"current": 10**9}, {"x": 1}):
        assert tell(**bad).status_code == 400
    assert client.session_lease(TellTouches(process=process, touches=[])).gone == ()


def test_the_refusal_is_that_of_the_server(adapter: Adapter, office: Office, desk: Desk) -> None:
    """[SES-33, SES-34] with what an administrator can do about it"""
    adapter.use(ANN)
    for principal, advice in ((BOB, False), (ADA, True)):
        with pytest.raises(NoFreeSlot) as refused:
            adapter.use(principal)
        assert ("mintgate session list" in refused.value.description) is advice
        assert (refused.value.status, refused.value.retry_after) == (503, 60)
    found = office.database.read_now(lambda c: audit.latest(c, HERE, 10))
    noted = [event for event in found if event.event == "erp_session.refused"]
    assert [event.actor for event in noted] == ["ada", "bob"]
    assert noted[0].details == {"api": "DomainAPI"}
    assert "1 of 1 slots" in str(noted[0].cause)


# Explanations.


def request_of(token: str | None) -> ApiRequest:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    return ApiRequest("GET", b"/orders", b"", headers)


@pytest.mark.parametrize(
    ("prepare", "outcome", "words"),
    [
        (lambda office: None, "passed", "a slot is free"),
        (lambda office: office.open("ann", "A"), "passed", "its session is open"),
        (lambda office: office.open("bob", "B"), "failed", "all licence slots are taken"),
    ],
    ids=["free", "open", "full"],
)
def test_an_explanation_opens_nothing(
    prepare: Callable[[Office], Any],
    outcome: str,
    words: str,
    adapter: Adapter,
    office: Office,
    desk: Desk,
) -> None:
    """[API-16]"""
    prepare(office)
    before = office.counts()
    guard = Guard(verifier(), "DomainAPI", sessions=adapter.sessions)
    told = {o.id: o for o in explain_request(guard, request_of(token_of(ANN)))}
    assert (told["API-16"].outcome, told["API-16"].detail) == (outcome, words)
    assert office.counts() == before
    for token in (None, "x"):
        told = {o.id: o for o in explain_request(guard, request_of(token))}
        assert told["API-16"].outcome == "not checked"
    desk.is_away = True
    told = {o.id: o for o in explain_request(guard, request_of(token_of(ANN)))}
    assert told["API-16"].outcome == "not checked"
    assert "cannot be known now" in told["API-16"].detail


def test_what_is_not_configured_is_not_checked() -> None:
    """[API-16, API-17]"""
    told = {
        o.id: o for o in explain_request(Guard(verifier(), "DomainAPI"), request_of(token_of(ANN)))
    }
    assert (told["API-16"].outcome, told["API-17"].outcome) == ("not checked", "not checked")
    assert told["API-16"].detail == "no sessions are kept here"
    assert told["API-17"].detail == "nothing is counted here"


def test_a_seen_session_is_told_from_a_later_one(desk: Desk, office: Office) -> None:
    asked = SeeSessionOf(token=token_of(ANN))
    assert desk.client().session_lease(asked) == SessionSeen(opened_at=None, slot_is_free=True)
    office.open("ann", "A")
    seen = SessionSeen(opened_at=office.clock(), slot_is_free=False)
    assert desk.client().session_lease(asked) == seen


def test_no_token_is_in_a_text() -> None:
    token = token_of(ANN)
    for shown in (OpenSessionOf(process="A" * 32, token=token), SeeSessionOf(token=token)):
        assert token not in repr(shown)
        assert token not in str(shown)


def _done_soon(done: Callable[[], bool]) -> bool:
    """Whether it happens within a moment; nothing tells that somebody goes on waiting."""
    waiting = threading.Event()
    for _ in range(10):
        if done():
            return True
        waiting.wait(0.005)
    return done()
