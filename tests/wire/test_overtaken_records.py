"""Security records are changed as they are when a request gets its turn [TOP-13].

The DomainAPI writes a record whole, for somebody who is an administrator at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from mintgate.store import Transaction
from mintgate.store.records import ENTITY_SETS
from tests.wire.overtaking import (
    SHUT_OUT,
    changing_user,
    deadlocks,
    disabling,
    overtaken,
    stored_application,
    stored_user,
)
from tests.world import BACKOFFICE, SPA, World

USERS, APPLICATIONS = "Systems_Security_Users", "Systems_Security_TrustedApplications"
CURRENCIES = "General_Currencies"
CURRENCY = {"CurrencySign": "BGN", "Name": {"EN": "Lev"}}
DEMOTED = {"is_admin": False}
CHANGING = ("POST", "PATCH", "DELETE")
Send = Callable[[str, str, Any], httpx.Response]


@pytest.fixture
def world(postgresql: Callable[[], str]) -> Iterator[World]:
    world = World(str(postgresql())).start()
    world.change_application(BACKOFFICE, scope="read update sec")
    yield world
    world.stop()


@pytest.fixture(params=["by itself", "change set"])
def send(request: pytest.FixtureRequest, world: World) -> Send:
    """Sends a change as an administrator; returns its answer, or the batch's with its status."""
    token = world.user_tokens("ada", "openid read update sec")["access_token"]
    assert world.api(f"{USERS}/$count", token).status_code == 200

    def by_itself(method: str, path: str, body: Any) -> httpx.Response:
        return world.api(path, token, method=method, json=body)

    def in_a_change_set(method: str, path: str, body: Any) -> httpx.Response:
        part = {"id": "1", "method": method, "url": path, "atomicityGroup": "g"}
        parts = {"requests": [part | ({} if body is None else {"body": body})]}
        answer = world.api("$batch", token, method="POST", json=parts)
        (reply,) = answer.json()["responses"]
        answer.status_code = reply["status"]
        return answer

    return by_itself if request.param == "by itself" else in_a_change_set


def test_a_user_who_is_being_disabled(world: World, send: Send) -> None:
    """[USR-4]"""
    path = f"{USERS}({stored_user(world, 'mira.k').id})"
    answer = overtaken(
        world,
        lambda: send("PATCH", path, {"PhoneNumber": "1"}),
        changing_user(world, "mira.k", active=False),
    )
    assert answer.status_code == 204, answer.text
    mira = stored_user(world, "mira.k")
    assert (mira.phone_number, mira.active) == ("1", False)


def test_an_application_that_is_being_disabled(world: World, send: Send) -> None:
    """[TAP-4]"""
    path = f"{APPLICATIONS}({stored_application(world, SPA).id})"
    answer = overtaken(world, lambda: send("PATCH", path, {"Notes": "x"}), disabling(world, SPA))
    assert answer.status_code == 204, answer.text
    spa = stored_application(world, SPA)
    assert (spa.notes, spa.is_enabled) == ("x", False)


@pytest.mark.parametrize(
    ("method", "changes"),
    [*(("PATCH", shut_out) for shut_out in SHUT_OUT), *((m, DEMOTED) for m in CHANGING)],
    ids=str,
)
def test_an_administrator_who_is_none_any_more(
    method: str, changes: dict[str, Any], world: World, send: Send
) -> None:
    """[API-33, USR-4]"""
    before = stored_user(world, "mira.k")
    path = USERS if method == "POST" else f"{USERS}({before.id})"
    body = {
        "POST": {"Login": "eve", "Name": {"EN": "Eve"}, "UserType": "InternalUser"}
        | {"Password": "long enough", "IsAdmin": True},
        "PATCH": {"IsAdmin": True},
        "DELETE": None,
    }[method]
    answer = overtaken(
        world, lambda: send(method, path, body), changing_user(world, "ada", **changes)
    )
    assert answer.status_code == 403, answer.text
    assert stored_user(world, "mira.k") == before
    assert world.count_rows("users") == 4


def test_a_change_set_of_security_records_and_others(world: World) -> None:
    """It takes the lock of the instance before any row, as everybody does."""
    token = world.user_tokens("ada", "openid read update sec")["access_token"]
    made = world.api(CURRENCIES, token, method="POST", json=CURRENCY)
    assert made.status_code == 201, made.text
    entity = made.headers["location"].rpartition("/")[2]
    parts = [
        {"url": entity, "body": {"CurrencySign": "EUR"}},
        {"url": f"{USERS}({stored_user(world, 'mira.k').id})", "body": {"PhoneNumber": "1"}},
    ]
    asked = [
        {"id": str(number), "method": "PATCH", "atomicityGroup": "g"} | part
        for number, part in enumerate(parts)
    ]

    def take_the_row(tx: Transaction) -> None:
        table = ENTITY_SETS[CURRENCIES].table
        is_it = table.c.id == entity.partition("(")[2].rstrip(")")
        tx.connection.execute(update(table).where(is_it).values(update_user="ada"))

    before = deadlocks(world.database)
    answer = overtaken(
        world,
        lambda: world.api("$batch", token, method="POST", json={"requests": asked}),
        meanwhile=take_the_row,
    )
    assert [reply["status"] for reply in answer.json()["responses"]] == [204, 204], answer.text
    assert deadlocks(world.database) == before
