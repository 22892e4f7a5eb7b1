"""A person who signs in anew in two windows at once, at two servers over one PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mintgate.store import sessions
from tests.wire.overtaking import overtaken
from tests.world import PASSWORD, World, answer_of


def test_two_windows(postgresql: Callable[[], str]) -> None:
    """[SES-51] the sign-in keeps its sid, and the later one has its cookie"""
    world = World(str(postgresql())).start()
    browser = world.browser()
    browser.sign_in()
    (row,) = world.rows("identity_sessions")
    before = world.database.read_now(lambda c: sessions.by_sid(c, world.instance.id, row["sid"]))
    assert before is not None
    elsewhere = replace(before, cookie_hash="f" * 64)
    page = browser.authorize(prompt="login")
    answer = overtaken(
        world,
        lambda: browser.submit(page, login="mira.k", password=PASSWORD),
        lambda tx: sessions.put(tx, world.instance.id, elsewhere),
    )
    assert "code" in answer_of(answer)
    (after,) = world.rows("identity_sessions")
    assert after["sid"] == before.sid
    assert after["cookie_hash"] not in {before.cookie_hash, elsewhere.cookie_hash}
    world.stop()
