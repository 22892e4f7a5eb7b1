"""Back-channel logout as a relying party sees it: another process, another library [EXT-3]."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.relying_parties import relying_party
from tests.world import BACKOFFICE, FULL, MovableClock, World, answer_of, payload_of

ENDPOINT = "/id/connect/endsession"


@pytest.fixture
def world(a_world: Callable[..., World]) -> World:
    """Its clock is near the real one, which the relying party looks at."""
    return a_world(clock=MovableClock(time.time() - 60.0))


def test_a_relying_party_is_told(world: World) -> None:
    """[EXT-3] It refuses at first; the `sid` is the same in every token."""
    with relying_party(world.issuer, BACKOFFICE, failures=1) as party:
        world.change_application(BACKOFFICE, back_channel_logout_url=party.back_channel_url)
        browser = world.browser()
        tokens = world.redeem(answer_of(browser.sign_in(scope=FULL))["code"]).json()
        sid = payload_of(tokens["id_token"])["sid"]
        refreshed = world.refresh(tokens["refresh_token"]).json()
        for token in (tokens["access_token"], refreshed["access_token"], refreshed["id_token"]):
            assert payload_of(token)["sid"] == sid
        hint = {"id_token_hint": tokens["id_token"]}
        assert "Излязохте" in browser.http.get(ENDPOINT, params=hint).text
        first = party.next_request()
        assert first["status"] == 503
        assert party.is_left_alone(0.6)  # it is due after some seconds, and no time passes
        world.clock.advance(5)
        second = party.next_request()
        # Before the party goes: it writes a request down before it answers.
        event = wait_for_event(world, "logout.delivered")
    assert second["status"] == 200
    assert [first["claims"]["sid"], second["claims"]["sid"]] == [sid, sid]
    assert first["claims"]["jti"] != second["claims"]["jti"]
    assert second["claims"]["sub"] == payload_of(tokens["id_token"])["sub"]
    assert (event.application, event.session, event.details) == (BACKOFFICE, sid, {"attempts": 2})


def wait_for_event(world: World, name: str):
    deadline = time.monotonic() + 30
    while not (found := world.events(name)):
        assert time.monotonic() < deadline, f"no {name}"
        time.sleep(0.02)
    return found[0]
