"""Consent given in two windows at once, at two servers over one PostgreSQL [EXT-2]."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mintgate.store import Transaction, applications
from tests.wire.overtaking import deadlocks, overtaken, stored_user
from tests.world import BACKOFFICE, World, answer_of

ASKED = "openid profile read"


@pytest.fixture
def world(postgresql: Callable[[], str]) -> Iterator[World]:
    world = World(str(postgresql())).start()
    yield world
    world.stop()


@pytest.mark.parametrize("before", ["", "openid"], ids=["first", "again"])
@pytest.mark.parametrize("elsewhere", [ASKED, "openid update"], ids=["same", "other scopes"])
def test_two_windows(elsewhere: str, before: str, world: World) -> None:
    """Both are told that all is well, and what was allowed is what was allowed in either."""
    application = world.change_application(BACKOFFICE, require_consent=True)
    user_id = stored_user(world, "mira.k").id

    def remember(tx: Transaction, scopes: str) -> None:
        allowed = frozenset(scopes.split())
        applications.remember_consent(tx, world.instance.id, user_id, application.id, allowed)

    if before:
        with world.database.begin() as tx:
            remember(tx, before)
    browser = world.browser()
    page = browser.sign_in(scope=ASKED)
    failed = deadlocks(world.database)
    answer = overtaken(
        world,
        lambda: browser.submit(page, action="allow"),
        lambda tx: remember(tx, elsewhere),
    )
    assert "code" in answer_of(answer)
    (row,) = world.rows("consents")
    assert row["scopes"] == sorted({*ASKED.split(), *elsewhere.split(), *before.split()})
    assert deadlocks(world.database) == failed
