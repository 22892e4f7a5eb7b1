"""Signing keys: published before use, kept after it, ended at once when compromised."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mintgate.contract.key_life import (
    LONGEST_TOKEN,
    PUBLISHED_BEFORE_USE,
    ROTATION_SECONDS,
    KeyTimes,
    active_key,
    next_activation,
    removal_time,
    state_of,
)
from mintgate.store import keys
from tests.promptness import promptly
from tests.wire.test_claims_by_flow import header_of
from tests.world import LOGOUT, SECRET, STOCK, World, answer_of, sqlite_url

CUSTOMERS = "Crm_Sales_Customers?$top=1"
METADATA = "/id/.well-known/openid-configuration"
DAY = 24 * 3600.0


def published(world: World) -> set[str]:
    document = world.http.get("/id/.well-known/openid-configuration/jwks").json()
    return {key["kid"] for key in document["keys"]}


def keep_keys(world: World) -> None:
    """As the server does by itself, at the clock of the world."""
    world.run_in_server(lambda app, instance: app.chores.sweep(instance))
    world.sync()


def test_a_new_key_is_published_before_it_signs(world: World) -> None:
    """[DSC-14, EXT-14]"""
    first = header_of(world.service_token())["kid"]
    keep_keys(world)
    assert published(world) == {first}
    world.clock.advance(ROTATION_SECONDS - PUBLISHED_BEFORE_USE)
    keep_keys(world)
    (second,) = published(world) - {first}
    keep_keys(world)
    assert published(world) == {first, second}
    assert header_of(world.service_token())["kid"] == first
    world.clock.advance(PUBLISHED_BEFORE_USE)
    old = world.service_token()
    assert header_of(old)["kid"] == second
    world.clock.advance(LONGEST_TOKEN)
    keep_keys(world)
    assert published(world) == {second}


def test_the_name_of_a_key(tmp_path: Path) -> None:
    """[DSC-15, TOK-3] random, and the same for as long as the key lives"""
    names = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        url = sqlite_url(tmp_path / folder)
        for _ in range(2):
            world = World(url).start()
            name = header_of(world.service_token())["kid"]
            assert published(world) == {name}
            assert re.fullmatch(r"[0-9A-F]{32}", name)
            names.append(name)
            world.stop()
    first, after_restart, other, _ = names
    assert first == after_restart
    assert other != first


def test_tokens_of_the_old_key_stay_good(world: World) -> None:
    token = world.service_token()
    world.clock.advance(1)
    with world.database.begin() as tx:
        keys.create(tx, world.instance.id, world.kek)
    world.sync()
    assert header_of(world.service_token())["kid"] != header_of(token)["kid"]
    assert world.api(CUSTOMERS, token).status_code == 200


def test_a_compromised_key(world: World) -> None:
    """[TOP-13] What it signed is refused soon after the commit, and new tokens work at once."""
    token = world.service_token()
    kid = header_of(token)["kid"]
    assert world.api(CUSTOMERS, token).status_code == 200
    with world.database.begin() as tx:
        keys.create(tx, world.instance.id, world.kek)
        assert keys.end(tx, world.instance.id, kid)
        assert not keys.end(tx, world.instance.id, kid)
    promptly(lambda: world.api(CUSTOMERS, token).status_code == 401)
    refused = world.api(CUSTOMERS, token)
    assert "signing key is unknown" in refused.headers["www-authenticate"]
    assert kid not in published(world)
    assert world.api(CUSTOMERS, world.service_token()).status_code == 200


def test_no_keys_are_never_published(world: World) -> None:
    """[DSC-13, API-20] Readers would drop the keys that they have."""
    (kid,) = published(world)
    with world.database.begin() as tx:
        keys.remove(tx, world.instance.id, kid)
    world.sync()
    for path in ("/id/.well-known/openid-configuration/jwks", METADATA):
        answer = world.http.get(path)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"  # [API-23]
    another_key(world)
    assert len(published(world)) == 1
    assert world.http.get(METADATA).status_code == 200


def another_key(world: World) -> None:
    with world.database.begin() as tx:
        keys.create(tx, world.instance.id, world.kek)
    world.sync()


def test_a_revocation_right_after_a_key_change_is_done(world: World) -> None:
    """[REV-4] The first request after the change is the revocation: 200 must mean revoked."""
    token = world.service_token()
    another_key(world)
    answer = world.http.post("/id/connect/revocation", data={"token": token}, auth=(STOCK, SECRET))
    assert answer.status_code == 200
    assert "revoked" in world.api(CUSTOMERS, token).headers["www-authenticate"]


def test_a_sign_out_right_after_a_key_change(world: World) -> None:
    """[END-2, END-3] the hint is as genuine as before"""
    browser = world.browser()
    tokens = world.redeem(answer_of(browser.sign_in())["code"]).json()
    another_key(world)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT}
    answer = browser.http.get("/id/connect/endsession", params=parameters)
    assert answer.headers["location"] == LOGOUT


def test_etag(world: World) -> None:
    """RFC 9110 §13.1.2: a verifier that has the keys already is told so."""
    for path in ("openid-configuration", "openid-configuration/jwks"):
        url = f"/id/.well-known/{path}"
        first = world.http.get(url)
        assert first.headers["cache-control"] == "public, max-age=300"
        tag = {"If-None-Match": first.headers["etag"]}
        again = world.http.get(url, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
    with world.database.begin() as tx:
        keys.create(tx, world.instance.id, world.kek)
    world.sync()
    assert world.http.get(url, headers=tag).status_code == 200


A, B, C = KeyTimes("A", 0.0), KeyTimes("B", 90 * DAY), KeyTimes("C", 45 * DAY, ended_at=50 * DAY)

STATES: list[tuple[str, list[KeyTimes], float, str]] = [
    ("first", [A], 0.0, "A"),
    ("before its time, by a clock that is behind", [A], -5.0, "A"),
    ("the next waits", [A, B], 89 * DAY, "A"),
    ("the next signs", [A, B], 90 * DAY, "B"),
    ("an ended one never signs", [A, C], 60 * DAY, "A"),
]


@pytest.mark.parametrize(
    ("known", "now", "kid"), [pytest.param(*row[1:], id=row[0]) for row in STATES]
)
def test_the_active_key(known: list[KeyTimes], now: float, kid: str) -> None:
    active = active_key(known, now)
    assert active is not None
    assert active.kid == kid
    assert state_of(active, known, now) == "active"


def test_no_key_is_active_when_all_have_ended() -> None:
    assert active_key([C], 60 * DAY) is None
    assert next_activation([C], 60 * DAY) == 60 * DAY


DUE: list[tuple[list[KeyTimes], float, Any]] = [
    ([], 5.0, 5.0),
    ([A], 88 * DAY, None),
    ([A], 89 * DAY, 90 * DAY),
    ([A], 200 * DAY, 201 * DAY),
    ([A, B], 89 * DAY, None),
    ([A, B], 100 * DAY, None),
    ([A, B], 179 * DAY, 180 * DAY),
]


@pytest.mark.parametrize(("known", "now", "expected"), DUE)
def test_when_the_next_key_is_due(known: list[KeyTimes], now: float, expected: Any) -> None:
    assert next_activation(known, now) == expected


def test_when_a_key_may_go() -> None:
    assert removal_time(A, [A]) is None
    assert removal_time(A, [A, B]) == 91 * DAY
    assert removal_time(A, [A, C]) is None
    assert removal_time(C, [A, C]) == 51 * DAY
