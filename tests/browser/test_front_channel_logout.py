"""Front-channel logout in a real browser; each relying party is a process of its own [EXT-3]."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from tests.relying_parties import RunningParty, relying_party
from tests.world import BACKOFFICE, PASSWORD, SPA, World, payload_of, pkce

Parties = tuple[RunningParty, RunningParty]
SLOW_SECONDS = 3.0


@pytest.fixture
def parties(world: World) -> Iterator[Parties]:
    """Of the back office and of the SPA; each has its own origin."""
    with relying_party(world.issuer, BACKOFFICE) as office, relying_party(world.issuer, SPA) as spa:
        for client_id, party in ((BACKOFFICE, office), (SPA, spa)):
            world.change_application(
                client_id,
                impersonate_login_url=f"{party.base}/callback",
                impersonate_logout_url=f"{party.base}/bye",
                front_channel_logout_url=f"{party.base}/front?app=1",
            )
        yield office, spa


def authorize_url(world: World, party: RunningParty, client_id: str, **more: str) -> str:
    query = {
        "client_id": client_id,
        "redirect_uri": f"{party.base}/callback",
        "response_type": "code",
        "scope": "openid profile read",
        "state": "s",
    } | more
    return f"{world.issuer}/connect/authorize?{urlencode(query)}"


def sign_in(world: World, page: Page, party: RunningParty) -> str:
    """With login and password; returns the ID token that the party gets."""
    page.goto(authorize_url(world, party, BACKOFFICE))
    page.fill("#login", "mira.k")
    page.fill("#password", PASSWORD)
    page.click("button[value=sign_in]")
    page.wait_for_url(f"{party.base}/callback?*")
    code = next(r for r in requests_of(party) if r["path"] == "/callback")["query"]["code"]
    answer = world.redeem(code, redirect_uri=f"{party.base}/callback")
    return str(answer.json()["id_token"])


def requests_of(party: RunningParty) -> Iterator[dict[str, Any]]:
    """What a browser asked a party for, without its icon."""
    while True:
        request = party.next_request()
        if request["path"] != "/favicon.ico":
            yield request


def sign_out_url(world: World, party: RunningParty, id_token: str) -> str:
    query = {
        "id_token_hint": id_token,
        "post_logout_redirect_uri": f"{party.base}/bye",
        "state": "s-2",
    }
    return f"{world.issuer}/connect/endsession?{urlencode(query)}"


def test_every_application_of_the_session_is_loaded(
    world: World, page: Page, parties: Parties
) -> None:
    """Then the browser goes back by itself, and nothing was against the page's policy."""
    office, spa = parties
    id_token = sign_in(world, page, office)
    challenge = {"code_challenge": pkce()[1], "code_challenge_method": "S256"}
    page.goto(authorize_url(world, spa, SPA, **challenge))  # signed in already
    page.wait_for_url(f"{spa.base}/callback?*")
    page.goto(sign_out_url(world, office, id_token))
    page.wait_for_url(f"{office.base}/bye?state=s-2")
    told = {"app": "1", "iss": world.issuer, "sid": payload_of(id_token)["sid"]}
    assert next(requests_of(office)) == {"path": "/front", "query": told}
    assert next(requests_of(office)) == {"path": "/bye", "query": {"state": "s-2"}}
    assert next(r for r in requests_of(spa) if r["path"] == "/front")["query"] == told
    page.goto(authorize_url(world, office, BACKOFFICE))
    assert page.text_content("h1") == "Sign in"


def test_the_browser_does_not_wait_for_a_slow_application(
    world: World, page: Page, parties: Parties, problems: list[str]
) -> None:
    office, _ = parties
    id_token = sign_in(world, page, office)
    world.change_application(BACKOFFICE, front_channel_logout_url=f"{office.base}/slow")
    started = time.monotonic()
    page.goto(sign_out_url(world, office, id_token), wait_until="commit")
    page.wait_for_url(f"{office.base}/bye?state=s-2")
    assert SLOW_SECONDS * 0.9 < time.monotonic() - started < SLOW_SECONDS + 5
    # What it did not wait for may be told as not loaded, as long as there is a page.
    page.close()
    assert all("Failed to load resource" in problem for problem in problems)
    problems.clear()


def test_no_other_origin_can_be_framed(
    world: World, page: Page, parties: Parties, problems: list[str]
) -> None:
    """[END-8] After a confirmation the page stays, with the way back as a link."""
    office, spa = parties
    sign_in(world, page, office)
    query = {"client_id": BACKOFFICE, "post_logout_redirect_uri": f"{office.base}/bye"}
    page.goto(f"{world.issuer}/connect/endsession?{urlencode(query)}")
    page.click("button[type=submit]")
    assert next(requests_of(office))["path"] == "/front"
    assert page.text_content("h1") == "Излязохте"
    assert page.get_attribute("#return", "href") == f"{office.base}/bye"
    page.evaluate(
        "url => { document.body.append(Object.assign(document.createElement('iframe'),"
        " { src: url })) }",
        f"{spa.base}/front",
    )
    page.wait_for_timeout(200)
    assert any("frame-src" in problem for problem in problems)
    problems.clear()
    assert spa.is_left_alone(0.2)
