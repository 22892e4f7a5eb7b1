"""Characters that a database or an encoding does not take: refused, never a server error."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator

import pytest

from tests.ready_databases import PostgresqlDatabases
from tests.site_visits import SiteVisit
from tests.world import World

ALLOWED = 'second_factor_internal = "allowed"'


@pytest.fixture
def on_postgresql(postgresql: PostgresqlDatabases) -> Iterator[World]:
    """It takes no NUL, unlike SQLite."""
    world = World(postgresql(), instance_settings=ALLOWED).start()
    yield world
    world.stop()


def test_a_nul_in_the_name_of_a_client(on_postgresql: World) -> None:
    """[TKN-33, REV-1] also one that is encoded once more (RFC 6749 §2.3.1)"""
    header = {"Authorization": "Basic " + b64encode(b"a%00b:secret").decode()}
    for path, form in (
        ("token", {"grant_type": "client_credentials"}),
        ("revocation", {"token": "x"}),
        ("introspect", {"token": "x"}),
    ):
        answer = on_postgresql.http.post(f"/id/connect/{path}", data=form, headers=header)
        assert 400 <= answer.status_code < 500, (path, answer.text)


@pytest.mark.parametrize(
    ("login", "paths"),
    [
        (
            "mira.k",
            [
                "/profile/security/tokens/%00/revoke",
                "/profile/security/sign-ins/%00/end",
                "/profile/applications/%00/withdraw",
            ],
        ),
        ("ada", ["/manage/users/%00", "/manage/apps/%00", "/manage/apps/%00/enable"]),
    ],
)
def test_a_nul_in_an_address(login: str, paths: list[str], on_postgresql: World) -> None:
    """[API-43] what is not there is not found"""
    visit = SiteVisit(on_postgresql, login)
    page = visit.open("/profile" if login == "mira.k" else "/manage")
    form = {"anti_forgery": visit.hidden(page)["anti_forgery"]}
    for path in paths:
        answers = [visit.http.get(path), visit.post(path, form)]
        codes = [answer.status_code for answer in answers]
        assert set(codes) <= {404, 405}, (path, codes)
        assert 404 in codes


@pytest.mark.parametrize("challenge", ["\ud800", "ä", "a\0b", 7, None, ["x"], ""])
def test_a_passkey_with_a_strange_challenge(
    challenge: object, a_world: Callable[..., World]
) -> None:
    world = a_world(instance_settings=ALLOWED, host="localhost")
    browser = world.browser()
    client_data = json.dumps({"type": "webauthn.get", "challenge": challenge, "origin": world.base})
    response = {
        "clientDataJSON": urlsafe_b64encode(client_data.encode()).decode().rstrip("="),
        "authenticatorData": "AA",
        "signature": "AA",
    }
    credential = {"id": "AA", "rawId": "AA", "type": "public-key", "response": response}
    answer = browser.submit(browser.authorize(), credential=json.dumps(credential))
    assert answer.status_code == 400
    assert "This passkey could not be used here" in answer.text
