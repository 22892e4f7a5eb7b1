"""`mintgate session` and `mintgate licence`, on the database and from elsewhere.

The world's clock is the machine's: the program asks it whether a session is idle.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mintgate.store import erp_session_ends
from tests.promptness import promptly
from tests.wire.management_world import MORE
from tests.wire.test_cli import MISUSED, REFUSED
from tests.wire.test_remote_cli import Remote
from tests.wire.test_session_administration import CALL, ROW
from tests.world import World, payload_of, sqlite_url

Command = Callable[..., str]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("commands")
    (folder / "elsewhere").mkdir()
    world = World(sqlite_url(folder), clock=time.time, more=MORE).start()
    yield Remote(world, folder / "elsewhere")
    world.stop()


@pytest.fixture
def command(remote: Remote) -> Command:
    """Runs the program and returns what it prints, on both streams.

    Every other time it works on the database itself, else through the server: each way sees what
    the other one did.
    """
    here = {"MINTGATE_DATABASE": remote.world.database_url}
    places = itertools.cycle((remote.credential, here))

    def run(*arguments: str, code: int = 0) -> str:
        done = remote.shell(*arguments, code=code, environment=next(places))
        remote.world.sync()
        return done.stdout + done.stderr

    return run


def opened(world: World, number: int = 1) -> list[str]:
    """Tokens of a service, each with a session."""
    tokens = [world.service_token() for _ in range(number)]
    for token in tokens:
        assert world.api(CALL, token).status_code == 200
    return tokens


def test_sessions_are_listed_and_closed(remote: Remote, command: Command) -> None:
    world = remote.world
    with world.database.begin() as tx:
        erp_session_ends.close_all(tx, world.instance.id)
    world.sync()
    assert command("session", "list") == "No ERP session is open.\n"
    assert "ada has no ERP session open" in command("session", "list", "--user", "ada")
    assert json.loads(command("session", "list", "--json")) == []
    person = world.user_tokens()["access_token"]
    assert world.api(CALL, person).status_code == 200
    service, *_ = opened(world, 3)
    sid, jti = payload_of(person)["sid"], payload_of(service)["jti"]
    table = command("session", "list")
    assert "Last request" in table
    assert "shop.example.org/backoffice" in table
    assert sid[:16] in table
    assert sid not in table
    of_mira = json.loads(command("session", "list", "--user", "MIRA.K", "--json"))
    assert [(list(row), row["SessionId"]) for row in of_mira] == [(ROW, sid[:16])]
    assert command("session", "close", jti[:16]) == "Closed 1 ERP session.\n"
    for unknown in (jti[:16], "x/../../users"):
        assert "no ERP session" in command("session", "close", unknown, code=REFUSED)
    assert command("session", "close", "--user", "mira.k") == "Closed 1 ERP session.\n"
    assert "did you mean mira.k?" in command("session", "close", "--user", "mira", code=REFUSED)
    assert command("session", "close", "--all") == "Closed 2 ERP sessions.\n"
    for wrong in ((), ("A", "--all")):
        assert "say which" in command("session", "close", *wrong, code=MISUSED)
    assert world.api(CALL, person).status_code == 200  # [SES-17]


def test_slots_are_shown_set_and_reserved(remote: Remote, command: Command) -> None:
    world = remote.world
    with world.database.begin() as tx:
        erp_session_ends.close_all(tx, world.instance.id)
    world.sync()
    opened(world, 3)
    told = command("licence", "set-total", "3")
    assert told == "3 licence slots now, 3 in use, 0 reserved.\n"
    assert "Nobody has a slot reserved" in command("licence", "show")
    told = command("licence", "reserve", "ADA")
    assert told == "ada has a slot reserved; 2 of 3 licence slots are for everybody.\n"
    told = command("licence", "set-total", "2")
    assert "2 more sessions run than the general pool has slots" in told
    shown = json.loads(command("licence", "show", "--json"))
    assert shown["licences"]["general_in_use"] == 3
    assert [(s["login"], s["in_use"]) for s in shown["reserved_seats"]] == [("ada", False)]
    table = [line.split() for line in command("licence", "show").splitlines()]
    assert ["General", "pool", "1", "3", "0"] in table
    assert ["Reserved", "1", "0", "1"] in table
    assert ["Total", "2", "3", "1"] in table
    assert "did you mean ada?" in command("licence", "reserve", "adda", code=REFUSED)
    command("licence", "reserve", "mira.k")
    assert "are reserved" in command("licence", "reserve", "svc.stock", code=REFUSED)
    assert "2 licence slots are reserved" in command("licence", "set-total", "1", code=REFUSED)
    command("licence", "set-total", "-1", code=MISUSED)
    for login in ("Mira.K", "ada"):
        assert "has no slot reserved any more" in command("licence", "unreserve", login)
    assert "licence show" in command("licence", "unreserve", "ada", code=REFUSED)
    command("licence", "set-total", "1000")


def test_the_old_names_of_sign_in_commands_say_the_new_ones(remote: Remote) -> None:
    world = remote.world
    sid = payload_of(world.user_tokens()["access_token"])["sid"]
    done = remote("session", "end", sid)
    assert done.stdout == "Ended, with 1 refresh tokens.\n"
    assert "mintgate sign-in end" in done.stderr
    world.user_tokens("ada")
    assert "sign-in end-all" in remote("session", "end-all", "--user", "ada").stderr
    assert "end-all" not in remote("session", "--help").stdout


def test_what_the_program_closes_is_closed_in_the_server_soon(
    database_url: str, tmp_path: Path
) -> None:
    """[SES-23, SES-38, EXT-17] another process, on both engines"""
    world = World(database_url, clock=time.time, more=MORE).start()
    here = Remote(world, tmp_path).here
    try:
        tokens = opened(world, 2)
        here("licence", "set-total", "0")
        world.sync()
        assert [world.api(CALL, token).status_code for token in tokens] == [200, 200]
        assert here("session", "close", "--all") == "Closed 2 ERP sessions.\n"
        promptly(lambda: 200 not in [world.api(CALL, token).status_code for token in tokens])
        # With no slot left, an open session is all that would have let them in.
        assert [world.api(CALL, token).status_code for token in tokens] == [503, 503]
        # And so is a slot that somebody buys.
        here("licence", "set-total", "2")
        promptly(lambda: world.api(CALL, tokens[0]).status_code == 200)
    finally:
        world.stop()
