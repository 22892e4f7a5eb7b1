"""The state feed over HTTP, and what a verifier elsewhere does when it cannot follow it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from mintgate.contract.errors import InvalidToken, Refusal
from mintgate.contract.feed import STATE_FEED_MEMBER
from mintgate.contract.identifiers import new_guid, secret_hash
from mintgate.contract.users import UserType
from mintgate.store import apis, applications, feed, revocations, users
from mintgate.verify import (
    IssuerClient,
    RemoteReferences,
    RemoteState,
    StateUnavailable,
    Verifier,
)
from tests.wire.test_reference_tokens import create, revoke
from tests.world import NOW, SECRET, STOCK, MovableClock, World, payload_of

API_SECRET = "the + secret % of an API"
PATH = "/id/connect/state-feed"
AUTH = ("DomainAPI", API_SECRET)


@pytest.fixture
def feed_world(world: World) -> World:
    declare_api(world)
    return world


def declare_api(world: World) -> None:
    with world.database.begin() as tx:
        apis.set_secret(tx, world.instance.id, "DomainAPI", secret_hash(API_SECRET))


def page(world: World, **parameters: Any) -> dict[str, Any]:
    answer = world.http.get(PATH, params=parameters, auth=AUTH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    read: dict[str, Any] = answer.json()
    return read


def revoke_jtis(world: World, count: int) -> None:
    with world.database.begin() as tx:
        for number in range(count):
            revocations.add(tx, world.instance.id, f"{number:032X}", NOW + 3600)


# The endpoint.


@pytest.mark.parametrize(
    "auth",
    [None, ("DomainAPI", "wrong"), ("TableAPI", API_SECRET), (STOCK, SECRET)],
    ids=["nobody", "wrong secret", "another API", "an application"],
)
def test_only_apis_read_it(auth: tuple[str, str] | None, feed_world: World) -> None:
    """[ITR-1]"""
    answer = feed_world.http.get(PATH, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "basic" in answer.headers["www-authenticate"].lower()
    assert feed_world.http.post(PATH, auth=AUTH).status_code == 405


def test_it_is_found_through_the_metadata(feed_world: World) -> None:
    """[TOP-2]"""
    metadata = feed_world.http.get("/id/.well-known/openid-configuration").json()
    assert metadata[STATE_FEED_MEMBER] == feed_world.base + PATH


def test_entries_are_numbered_typed_and_resumable(feed_world: World) -> None:
    start = page(feed_world)["position"]
    claims = payload_of(feed_world.service_token())
    with feed_world.database.begin() as tx:
        revocations.add(tx, feed_world.instance.id, claims["jti"], claims["exp"])
    user = feed_world.change_user("mira.k", active=False)
    read = page(feed_world, after=start)
    assert [entry["type"] for entry in read["entries"]] == ["jti", "user"]
    assert read["entries"][0] | {"at": 0} == {
        "at": 0,
        "type": "jti",
        "jti": claims["jti"],
        "exp": claims["exp"],
    }
    assert read["entries"][1]["sub_id"] == user.id
    assert read["entries"][1]["active"] is False
    assert (read["position"], read["more"]) == (start + 2, False)
    assert page(feed_world, after=start + 1)["entries"] == read["entries"][1:]
    assert page(feed_world, after=start + 2)["entries"] == []


def test_pages_are_bounded(feed_world: World) -> None:
    start = page(feed_world)["position"]
    revoke_jtis(feed_world, 7)
    first = page(feed_world, after=start, limit=5)
    assert (len(first["entries"]), first["more"]) == (5, True)
    second = page(feed_world, after=first["position"], limit=5)
    assert (len(second["entries"]), second["more"]) == (2, False)


def test_the_beginning_is_what_concerns_live_tokens(feed_world: World) -> None:
    """Older entries concern tokens that have ended by themselves."""
    revoke_jtis(feed_world, 3)
    feed_world.clock.advance(26 * 3600)
    feed_world.change_user("mira.k", active=False)
    assert [entry["type"] for entry in page(feed_world)["entries"]] == ["user"]


def test_a_gap_is_said(feed_world: World) -> None:
    start = page(feed_world)["position"]
    revoke_jtis(feed_world, 2)
    feed_world.clock.advance(8 * 24 * 3600)
    feed_world.change_user("mira.k", active=False)
    with feed_world.database.begin() as tx:
        feed.purge(tx.connection, feed_world.instance.id, feed_world.clock() - 7 * 24 * 3600)
    for after in (start, start + 1, start + 1000):
        answer = feed_world.http.get(PATH, params={"after": after}, auth=AUTH)
        assert (answer.status_code, answer.json()["error"]) == (410, "position_gone")
    assert len(page(feed_world)["entries"]) == 1


def test_a_restored_backup_is_a_gap(feed_world: World) -> None:
    """Another entry has the number: what was lost with the first one may have ended a token."""
    revoke_jtis(feed_world, 2)
    read = page(feed_world)
    assert page(feed_world, after=read["position"], at=read["at"])["entries"] == []
    other = {"after": read["position"], "at": read["at"] - 5}
    answer = feed_world.http.get(PATH, params=other, auth=AUTH)
    assert (answer.status_code, answer.json()["error"]) == (410, "position_gone")


@pytest.mark.parametrize(
    "parameters", [{"at": "x"}, {"after": "-1"}, {"after": "x"}, {"limit": "1" * 30}]
)
def test_bad_positions(parameters: dict[str, str], feed_world: World) -> None:
    answer = feed_world.http.get(PATH, params=parameters, auth=AUTH)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_new_epoch_is_a_gap_to_every_position(feed_world: World) -> None:
    """Before it, at its edge, and where only the database that is lost has been."""
    revoke_jtis(feed_world, 3)
    read = page(feed_world)
    with feed_world.database.begin() as tx:
        feed.begin_anew(tx.connection, feed_world.instance.id, tx.now)
        revocations.add_before_all(tx, feed_world.instance.id)
    for after in (0, read["position"] - 1, read["position"], read["position"] + 1, 10**6):
        answer = feed_world.http.get(PATH, params={"after": after}, auth=AUTH)
        assert (answer.status_code, answer.json()["error"]) == (410, "position_gone")
    anew = page(feed_world)
    assert [(e["type"], e["not_before"]) for e in anew["entries"]] == [("restored", int(NOW) + 1)]
    with feed_world.database.begin() as tx:  # once more, with a clock that was set back
        feed.begin_anew(tx.connection, feed_world.instance.id, 1.0)
        revocations.add_before_all(tx, feed_world.instance.id)
    answer = feed_world.http.get(PATH, params={"after": anew["position"]}, auth=AUTH)
    assert answer.status_code == 410


# A verifier that follows it, paced by the test.


class Elsewhere:
    """A verifier as an API has it, whose clocks are moved by the test."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.monotonic = MovableClock(0.0)
        self.client = IssuerClient(world.issuer, "DomainAPI", API_SECRET)
        self.state = RemoteState(
            self.client,
            on_entry=lambda entry: self.references.on_entry(entry),
            clock=world.clock,
            monotonic=self.monotonic,
            **options,
        )
        self.references = RemoteReferences(self.client, self.state, monotonic=self.monotonic)
        self.verifier = Verifier(
            world.issuer,
            world.instance.database,
            self.state,
            references=self.references,
            clock=world.clock,
        )
        self.asked = 0
        introspect = self.client.introspect

        def counted(token: str) -> dict[str, Any] | None:
            self.asked += 1
            return introspect(token)

        self.client.introspect = counted  # type: ignore[method-assign]

    def cause(self, token: str) -> str:
        """Why the token is refused; empty when it is accepted."""
        try:
            self.verifier.verify(token, "DomainAPI")
        except Refusal as refusal:
            return refusal.cause
        return ""


@pytest.fixture
def elsewhere(feed_world: World) -> Iterator[Callable[..., Elsewhere]]:
    made: list[Elsewhere] = []

    def make(**options: Any) -> Elsewhere:
        # One poll, then the thread that `find` would start is not needed.
        made.append(Elsewhere(feed_world, **options))
        made[-1].state.poll()
        return made[-1]

    yield make
    for one in made:
        one.state.stop()


def test_jwts_are_checked_without_a_call(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    one = elsewhere()
    token = feed_world.service_token()
    assert one.cause(token) == ""
    claims = payload_of(token)
    with feed_world.database.begin() as tx:
        revocations.add(tx, feed_world.instance.id, claims["jti"], claims["exp"])
    one.state.poll()
    assert one.cause(token) == "jti is revoked"
    assert one.asked == 0


def test_state_changes_both_ways(elsewhere: Callable[..., Elsewhere], feed_world: World) -> None:
    """[API-13, API-14] disabled and enabled again, locked for a while and for ever, changed type"""
    one = elsewhere()
    token = feed_world.service_token()
    steps: list[tuple[Callable[[], Any], str]] = [
        (lambda: feed_world.change_application(STOCK, is_enabled=False), "application is disabled"),
        (lambda: feed_world.change_application(STOCK, is_enabled=True), ""),
        (lambda: feed_world.change_user("svc.stock", active=False), "user is inactive"),
        (
            lambda: feed_world.change_user("svc.stock", active=True, locked_until=NOW + 60),
            "user is locked",
        ),
        (lambda: feed_world.clock.advance(61), ""),
        (lambda: feed_world.change_user("svc.stock", locked_until=math.inf), "user is locked"),
        (lambda: feed_world.change_user("svc.stock", locked_until=None), ""),
        (lambda: feed_world.change_user("svc.stock", user_type=UserType.VIRTUAL), "user type"),
        (lambda: feed_world.change_user("svc.stock", user_type=UserType.SYSTEM), ""),
        (lambda: feed_world.change_application(STOCK, application_uri="new/name"), "is missing"),
    ]
    for act, expected in steps:
        act()
        one.state.poll()
        found = one.cause(token)
        assert expected in found, (expected, found)
        assert bool(expected) == bool(found)


def test_another_application_of_the_same_name(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[TAP-33] tokens of a removed application do not count for one that gets its `client_id`"""
    one = elsewhere()
    token = feed_world.service_token()
    old = feed_world.change_application(STOCK)
    with feed_world.database.begin() as tx:
        applications.remove(tx, feed_world.instance.id, old.id)
        again = msgspec.structs.replace(old, id=new_guid())
        applications.add(tx, feed_world.instance.id, again)
    feed_world.sync()
    one.state.poll()
    assert one.cause(token) == "jti is revoked"
    assert feed_world.api("Crm_Sales_Customers?$top=1", token).status_code == 401
    feed_world.clock.advance(1)
    assert one.cause(feed_world.service_token()) == ""


def test_a_user_that_was_removed(elsewhere: Callable[..., Elsewhere], feed_world: World) -> None:
    one = elsewhere()
    token = feed_world.user_tokens()["access_token"]
    user = feed_world.change_user("mira.k")
    with feed_world.database.begin() as tx:
        users.remove(tx, feed_world.instance.id, user.id)
    one.state.poll()
    assert one.cause(token) == "the user is missing"


@pytest.mark.parametrize("without_feed", ["introspect", "refuse"])
def test_too_many_entries_are_never_skipped(
    without_feed: str, elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """An overflow: each token is asked about, or none is answered."""
    one = elsewhere(max_entries=10, without_feed=without_feed)
    token = feed_world.service_token()
    revoke_jtis(feed_world, 20)
    one.state.poll()
    if without_feed == "refuse":
        with pytest.raises(StateUnavailable):
            one.cause(token)
        return
    assert one.cause(token) == ""
    claims = payload_of(token)
    with feed_world.database.begin() as tx:
        revocations.add(tx, feed_world.instance.id, claims["jti"], claims["exp"])
    feed_world.sync()
    assert one.cause(token) == "jti is revoked"
    assert one.asked == 2
    # When those tokens have ended by themselves there is room again.
    feed_world.clock.advance(2 * 3600 + 100)
    one.monotonic.advance(61)
    one.state.poll()
    assert one.cause(feed_world.service_token()) == ""
    assert one.asked == 2


def test_a_gap_begins_anew(elsewhere: Callable[..., Elsewhere], feed_world: World) -> None:
    one = elsewhere()
    token = feed_world.user_tokens()["access_token"]
    revoke_jtis(feed_world, 1)
    feed_world.change_user("mira.k", active=False)
    with feed_world.database.begin() as tx:
        feed.purge(tx.connection, feed_world.instance.id, NOW + 1)
        users.change(tx, feed_world.instance.id, feed_world_user(feed_world))
    one.state.poll()  # sees the gap
    one.state.poll()  # reads from the beginning
    assert one.cause(token) == "the user is inactive"
    assert one.asked == 0


def feed_world_user(world: World) -> Any:
    return world.database.read_now(lambda c: users.by_login(c, world.instance.id, "mira.k"))


def test_an_entry_of_an_unknown_type(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """A newer issuer may end tokens by it: it is not passed over."""
    one = elsewhere()
    token = feed_world.service_token()
    with feed_world.database.begin() as tx:
        feed.append_data(tx.connection, feed_world.instance.id, "x", {"type": "new"}, NOW)
    one.state.poll()
    assert one.cause(token) == ""
    assert one.asked == 1


@pytest.mark.parametrize("stale", [0.0, 60.0])
def test_the_issuer_is_away(stale: float, a_world: Callable[..., World]) -> None:
    """The last known state counts for `stale_state_seconds`, then nothing is answered."""
    world = a_world()
    declare_api(world)
    one = Elsewhere(world, stale_state_seconds=stale)
    one.state.poll()
    token = world.service_token()
    assert one.cause(token) == ""
    world._server.should_exit = True
    world._thread.join(30)
    with pytest.raises(StateUnavailable):
        one.state.poll()
    one.monotonic.advance(stale + 0.9)
    assert one.cause(token) == ""
    one.monotonic.advance(0.2)
    with pytest.raises(StateUnavailable):
        one.cause(token)
    one.state.stop()


def test_a_wrong_secret_is_said(feed_world: World) -> None:
    client = IssuerClient(feed_world.issuer, "DomainAPI", "wrong")
    with pytest.raises(StateUnavailable, match="refuses this API's secret"):
        RemoteState(client).poll()


def test_a_forked_worker_shares_no_connection(feed_world: World) -> None:
    """Answers of the parent must not be read by the child: each is about another token."""
    client = IssuerClient(feed_world.issuer, "DomainAPI", API_SECRET)
    ours, theirs = (feed_world.service_token() for _ in range(2))
    assert client.introspect(ours)  # a connection is open, and kept

    def mixed(token: str) -> bool:
        jti = payload_of(token)["jti"]
        return any((client.introspect(token) or {}).get("jti") != jti for _ in range(30))

    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            outcome = int(mixed(theirs))
        finally:
            os._exit(outcome)
    try:
        assert not mixed(ours)
    finally:
        status = os.waitpid(child, 0)[1]
    assert status == 0


# Reference tokens.


def test_reference_tokens_are_asked_about_once_a_minute(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[REF-38, REF-39]"""
    one = elsewhere()
    token = create(feed_world)
    one.state.poll()
    one.monotonic.advance(2.1)  # the creation's own changes have settled
    one.state.poll()
    for _ in range(3):
        assert one.cause(token) == ""
    assert one.asked == 1
    one.monotonic.advance(61)
    one.state.poll()
    assert one.cause(token) == ""
    assert one.asked == 2
    revoke(feed_world, token)
    one.state.poll()
    assert "no live reference token" in one.cause(token)


def test_made_up_reference_tokens_cost_one_question_each(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[API-6] and a token that was created a moment ago is good at once [REF-34]"""
    one = elsewhere()
    one.monotonic.advance(2.1)
    one.state.poll()
    made_up = f"enrt_{'F' * 64}"
    for _ in range(3):
        assert "no live reference token" in one.cause(made_up)
    assert one.asked == 1
    token = create(feed_world)
    assert one.cause(token) == ""
    revoke(feed_world, token)
    one.state.poll()
    one.monotonic.advance(2.1)
    one.state.poll()
    asked = one.asked
    for _ in range(3):
        assert "no live reference token" in one.cause(token)
    assert one.asked == asked + 1
    one.state._on_gap = one.references.on_gap
    one.state._position, one.state._at = 10**6, None
    one.state.poll()
    one.state.poll()
    assert "no live reference token" in one.cause(made_up)
    assert one.asked == asked + 2


def test_reference_tokens_follow_their_user(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[REF-36] the current attributes, also while answers are kept"""
    one = elsewhere()
    token = create(feed_world)
    one.state.poll()
    one.monotonic.advance(2.1)
    one.state.poll()
    assert one.verifier.verify(token, "DomainAPI").login == "mira.k"
    feed_world.change_user("mira.k", login="mira.new")
    one.state.poll()
    assert one.verifier.verify(token, "DomainAPI").login == "mira.new"


def test_a_reference_token_is_refused_for_the_reason_of_the_issuer(
    elsewhere: Callable[..., Elsewhere], feed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[API-14] which introspection does not tell [ITR-3]"""
    one = elsewhere()
    token = create(feed_world)
    one.state.poll()
    feed_world.change_user("mira.k", locked_until=NOW + 3600)
    one.state.poll()
    assert one.client.introspect(token) is None
    with pytest.raises(InvalidToken, match="The token's user is not active"):
        one.verifier.verify(token, "DomainAPI")
    told = {line.id: line for line in one.verifier.explain(token, "DomainAPI")}
    assert told["API-3"].outcome == "failed"
    assert "user is not active" in told["API-3"].detail

    def older(_: IssuerClient, request: object) -> None:
        raise StateUnavailable("an issuer without this endpoint")

    monkeypatch.setattr(IssuerClient, "session_lease", older)
    assert "no live reference token" in one.cause(token)


def test_an_end_that_is_told_while_an_answer_is_kept(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[REF-39] the follower is another thread: it may come between two steps"""
    one = elsewhere()
    token = create(feed_world)
    one.state.poll()
    one.monotonic.advance(2.1)
    one.state.poll()
    looks: list[float] = []

    def now() -> float:
        looks.append(one.monotonic())
        if len(looks) == 2:  # the answer is here, and is about to be kept
            revoke(feed_world, token)
            one.state.poll()
        return looks[-1]

    one.references._monotonic = now
    assert one.cause(token) == ""
    assert "no live reference token" in one.cause(token)


def test_nothing_kept_is_used_when_the_feed_is_late(
    elsewhere: Callable[..., Elsewhere], feed_world: World
) -> None:
    """[REF-39]"""
    one = elsewhere()
    token = create(feed_world)
    one.state.poll()
    one.monotonic.advance(2.1)
    one.state.poll()
    assert one.cause(token) == ""
    revoke(feed_world, token)
    one.monotonic.advance(1.1)
    assert "no live reference token" in one.cause(token)
    with pytest.raises(InvalidToken):
        one.verifier.verify("enrt_lower", "DomainAPI")
