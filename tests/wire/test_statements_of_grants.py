"""How many statements a grant takes, over HTTP, on both engines.

Everything between the arrival of a request and its answer is counted: reads before the
transaction, the audit row and the state feed, too. BEGIN and COMMIT are not, but there may be one
of each at most, and no savepoint.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from tests.world import World

FRAME = ("BEGIN", "COMMIT", "ROLLBACK")
COUNTS: list[tuple[str, str, int]] = [
    ("code", "read", 2),
    ("code", "openid read", 2),
    ("code", "read offline_access", 4),
    ("code", "openid read offline_access", 4),
    ("refresh", "read offline_access", 4),
    ("refresh", "openid read offline_access", 4),
]


class Statements:
    """What databases are asked, as their drivers are told to."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self.is_sqlite = is_sqlite
        self._seen: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note those of connections that are opened inside."""
        # Drivers themselves tell what they are asked: some statements go past SQLAlchemy.
        listeners: list[tuple[Any, str, Callable[..., None]]] = [
            (Engine, name, lambda *_, name=name: self._seen.append(name.upper()))
            for name in ("begin", "commit")
        ]
        execute = psycopg.Cursor.execute

        def noting(cursor: Any, query: Any, *given: Any, **options: Any) -> Any:
            self._seen.append(str(query))
            return execute(cursor, query, *given, **options)

        if self.is_sqlite:
            listeners = [
                (Pool, "connect", lambda made, _: made.set_trace_callback(self._seen.append))
            ]
        for listener in listeners:
            event.listen(*listener)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", noting)
            yield
        for listener in listeners:
            event.remove(*listener)

    @contextlib.contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The statements of what is done inside; following the state feed is not of it."""
        start = len(self._seen)
        mine: list[str] = []
        yield mine
        mine += [text for text in self._seen[start:] if not is_of_follower(text)]


def is_of_follower(statement: str) -> bool:
    """Following the feed, and the pings of the pool that it takes a connection from."""
    return (
        "data_version" in statement
        or statement.startswith("SELECT instances.id, instances.feed_position")
        or statement.strip("; ") in {"", "SELECT 1"}
        or statement == "BEGIN (implicit)"
    )


@pytest.fixture
def counting(database_url: str) -> Iterator[tuple[World, Statements]]:
    """A world over an engine, in which nothing is done but what requests ask for."""
    statements = Statements(is_sqlite=database_url.startswith("sqlite"))
    with statements.noted():
        world = World(database_url).start()
        assert world.application is not None
        for task in world.application.chores.tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)
        # However busy the machine is: what was read is taken to be followed up to now.
        follower = world.application.follower
        now = follower._polled_at
        follower._clock = lambda: now
        world.service_token()  # by then what housekeeping had begun is written
        yield world, statements
        world.stop()


def test_statements(counting: tuple[World, Statements]) -> None:
    """[AUT-45, LIF-12] at most four a grant; no read but what decides single use"""
    world, statements = counting
    found = {}
    for kind, scope, _ in COUNTS:
        answered: list[httpx.Response] = []
        for turn in range(2):  # the first one fills the copies and prepares statements
            ask = a_request(world, kind, scope)
            with statements.counted() as mine:
                answered.append(ask())
            if turn:
                found[kind, scope] = [s for s in mine if not s.upper().startswith(FRAME)]
                assert sum(s.upper().startswith("COMMIT") for s in mine) == 1, mine
                assert not any("SAVEPOINT" in s.upper() for s in mine)
                assert len(mine) > len(found[kind, scope])
        assert [a.status_code for a in answered] == [200, 200]
        assert ("id_token" in answered[1].json()) is ("openid" in scope)
    counted = {key: len(made) for key, made in found.items()}
    assert counted == {(k, s): n for k, s, n in COUNTS}, {
        key: [text[:60] for text in made] for key, made in found.items()
    }


def a_request(world: World, kind: str, scope: str) -> Callable[[], httpx.Response]:
    """A token request that was prepared, and is yet to be sent."""
    if kind == "code":
        code = world.browser().code(scope=scope)
        return lambda: world.redeem(code)
    token = world.user_tokens(scope=scope)["refresh_token"]
    return lambda: world.refresh(token)


def test_a_service_token_reads_nothing(counting: tuple[World, Statements]) -> None:
    """When nothing has changed its audit row is all that the database is asked to do."""
    world, statements = counting
    for _ in itertools.repeat(None, 3):
        with statements.counted() as mine:
            world.service_token()
        assert [s for s in mine if s.startswith("SELECT")] == []
        (row,) = [s for s in mine if not s.upper().startswith(FRAME)]
        assert row.startswith("INSERT INTO audit_events")
        if statements.is_sqlite:
            assert len(mine) == 1  # not even a transaction around it
    world.change_user("svc.stock", email="stock@orion.example")
    with statements.counted() as mine:
        world.service_token()
    assert any("FROM users" in s for s in mine)  # what was changed is read again, once


def test_a_sign_in_commits_no_oftener_than_it_must(counting: tuple[World, Statements]) -> None:
    """[SGN-6] the request, the try, the session and the code; what a sign-in ends goes with them"""
    world, statements = counting
    world.browser().code()  # the first one prepares statements
    with statements.counted() as mine:
        world.browser().code()
    assert sum(s.upper().startswith("COMMIT") for s in mine) == 4, "\n".join(s[:70] for s in mine)
    assert any(s.startswith("DELETE FROM sign_in_tries") for s in mine)
