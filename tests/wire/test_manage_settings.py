"""Settings in Instance Manager: what an administrator changes there, and what is said before."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from mintgate.contract.appearance import MAX_LOGO, logo_of
from tests.site_visits import SiteVisit
from tests.wire.second_factor_world import factors_of, give_passkey, user_id_of
from tests.world import NOW, World, sqlite_url

GENERAL, LOOK, RULES = (
    f"/manage/settings{path}" for path in ("", "/appearance", "/second-factors")
)
GIVEN = {
    "access_token_lifetime": "1800",
    "refresh_grace_seconds": "0",
    "signing_algorithm": "RS256",
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(sqlite_url(tmp_path_factory.mktemp("world"))).start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def signed_in(stage: World) -> SiteVisit:
    visit = SiteVisit(stage, "ada")
    visit.open("/manage")
    return visit


@pytest.fixture
def visit(signed_in: SiteVisit) -> SiteVisit:
    signed_in.world.clock.now = NOW
    return signed_in


def stored(visit: SiteVisit) -> dict[str, Any]:
    return visit.world.rows("instances")[0]


def upload(visit: SiteVisit, fields: dict[str, str], picture: bytes = b"") -> httpx.Response:
    """The form with a file, as a browser sends it."""
    own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    files = {"picture": ("logo", picture, "application/octet-stream")}
    return visit.http.post(LOOK, data=fields, files=files, headers=own)


def png(size: int, *, noise: bool = False) -> bytes:
    out = io.BytesIO()
    pixels = os.urandom(size * size * 3) if noise else bytes(size * size * 3)
    Image.frombytes("RGB", (size, size), pixels).save(out, "PNG")
    return out.getvalue()


def value_of(page: httpx.Response, field: str) -> str:
    found = re.search(rf'id="{field}" name="{field}" value="([^"]*)"', page.text)
    return found[1] if found else ""


# What counts from the next request on.


def test_general_settings(visit: SiteVisit) -> None:
    """[TOP-7] stored and audited; what names the instance elsewhere is shown and not changed"""
    page = visit.open(GENERAL)
    assert "mintgate apply" in page.text
    given = {**visit.hidden(page), **GIVEN, "name": "another", "base_url": "https://evil.example"}
    assert visit.post(GENERAL, given).status_code == 303
    assert (stored(visit)["access_token_lifetime"], stored(visit)["name"]) == (1800, "orion")
    event = visit.world.events("instance.changed")[0]
    assert event.actor == "ada"
    assert event.details is not None
    assert event.details["after"]["access_token_lifetime"] == 1800
    visit.world.sync()
    wrong = {**visit.hidden(visit.open(GENERAL)), **GIVEN, "access_token_lifetime": "1"}
    page = visit.post(GENERAL, {**wrong, "audit_retention_days": "many"})
    assert page.status_code == 400
    assert 'id="audit_retention_days-error"' in page.text
    assert value_of(page, "audit_retention_days") == "many"
    page = visit.post(GENERAL, wrong)
    assert 'id="access_token_lifetime-error"' in page.text
    assert visit.post(GENERAL, {**wrong, "signing_algorithm": "none"}).status_code == 400
    assert stored(visit)["access_token_lifetime"] == 1800


def test_two_tabs(visit: SiteVisit) -> None:
    """What was typed stays, what is stored by now is told, and saving again is a decision."""
    first, second = (visit.hidden(visit.open(GENERAL)) for _ in range(2))
    assert visit.post(GENERAL, {**first, **GIVEN, "access_token_lifetime": "900"}).is_redirect
    page = visit.post(GENERAL, {**second, **GIVEN, "access_token_lifetime": "1200"})
    assert page.status_code == 409
    assert value_of(page, "access_token_lifetime") == "1200"
    assert "<dd>900</dd>" in page.text
    assert stored(visit)["access_token_lifetime"] == 900
    visit.world.sync()
    again = {**visit.hidden(page), **GIVEN, "access_token_lifetime": "1200"}
    assert visit.post(GENERAL, again).status_code == 303
    assert stored(visit)["access_token_lifetime"] == 1200


@pytest.mark.parametrize("path", [GENERAL, LOOK])
def test_what_was_typed_is_there_after_the_sign_in(visit: SiteVisit, path: str) -> None:
    """[SES-50] in the middle of it the sign-in was too long ago"""
    visit = SiteVisit(visit.world, "ada")
    field = "refresh_grace_seconds" if path == GENERAL else "display_name"
    fields = visit.hidden(visit.open(path))
    visit.world.clock.advance(601)
    if path == LOOK:
        answer = upload(visit, {**fields, field: "7"}, png(8))
    else:
        answer = visit.post(path, {**fields, **GIVEN, field: "7"})
    assert "prompt=login" in answer.headers["location"]
    page = visit.submit(visit.follow(answer), login="ada", password=visit.password)
    assert value_of(page, field) == "7"
    assert ("choose it once more" in page.text) is (path == LOOK)


def test_how_long_a_sign_in_is_recent(a_world: Callable[..., World]) -> None:
    """[SES-50] as the operator says, in both sites; a change counts for who is signed in"""
    world = a_world(instance_settings="fresh_sign_in_seconds = 60")
    visit = SiteVisit(world, "ada")
    visit.open("/manage")
    world.clock.advance(60)
    for path in (GENERAL, "/profile/email"):
        visit.open("/profile")
        assert visit.http.get(path).status_code == 200
    assert "<dd>60</dd>" in visit.open(GENERAL).text
    form = {**visit.hidden(visit.open(GENERAL)), **GIVEN, "fresh_sign_in_seconds": "3600"}
    world.clock.advance(1)
    for path in (GENERAL, "/profile/email"):
        assert "prompt=login" in visit.http.get(path).headers["location"]
    assert "prompt=login" in visit.post(GENERAL, form).headers["location"]
    world.declare(replace=("fresh_sign_in_seconds = 60", "fresh_sign_in_seconds = 3600"))
    world.sync()
    world.clock.advance(3500)
    assert visit.post(GENERAL, {**form, "fresh_sign_in_seconds": "1"}).status_code == 303
    assert world.rows("instances")[0]["fresh_sign_in_seconds"] == 3600


# How it looks.


def test_name_colour_and_logo(visit: SiteVisit) -> None:
    """On every page with the next request; the audit log has a digest of the picture."""
    fields = visit.hidden(visit.open(LOOK))
    look = {"display_name": "  Orion <Trade>", "accent_colour": "C2410C"}
    assert upload(visit, fields | look, png(1000, noise=True)).status_code == 303
    row = stored(visit)
    assert (row["display_name"], row["accent_colour"]) == ("Orion <Trade>", "#c2410c")
    logo = logo_of(row["logo"])
    assert logo is not None
    assert len(row["logo"]) <= MAX_LOGO
    visit.world.sync()
    page = visit.open(LOOK)
    assert "Orion &lt;Trade&gt;" in page.text
    assert re.search(r"/id/assets/logo\.[0-9a-f]{12}\.", page.text)
    event = visit.world.events("instance.changed")[0]
    assert event.details is not None
    assert re.fullmatch(r"image/\w+, SHA-256 .* [0-9a-f]{16}", event.details["after"]["logo"])
    # Who chooses no picture keeps the one that is there.
    assert upload(visit, visit.hidden(page) | {"display_name": "Orion"}).status_code == 303
    assert (stored(visit)["logo"], stored(visit)["accent_colour"]) == (row["logo"], None)


BAD_LOOKS = [
    ("colour", {"accent_colour": "red"}, b"", "accent_colour-error"),
    ("style", {"accent_colour": "#12345;}"}, b"", "accent_colour-error"),
    ("long", {"display_name": "x" * 129}, b"", "display_name-error"),
    ("header", {"display_name": "Orion\r\nBcc: x@y.example"}, b"", "display_name-error"),
    ("text", {}, b"not a picture", "picture-error"),
    ("half", {}, png(20)[:40], "picture-error"),
    ("large svg", {}, SVG.replace(b"alert", b"a" * 30_000), "picture-error"),
    ("html", {"chosen_logo": "data:text/html;base64,PGI+"}, b"", "picture-error"),
]


@pytest.mark.parametrize(
    ("case", "look", "picture", "where"), BAD_LOOKS, ids=[one[0] for one in BAD_LOOKS]
)
def test_a_look_that_is_refused(
    case: str, look: dict[str, str], picture: bytes, where: str, visit: SiteVisit
) -> None:
    """The sentence stands at its field, what was typed is there, and nothing was stored."""
    before = stored(visit)
    page = upload(visit, visit.hidden(visit.open(LOOK)) | {"display_name": "Kept"} | look, picture)
    assert page.status_code == 400
    assert f'id="{where}"' in page.text
    assert (value_of(page, "display_name") == "Kept") is ("display_name" not in look)
    assert stored(visit) == before


def test_nobody_else_sends_a_look(visit: SiteVisit) -> None:
    """[IMG-1, PRF-6] neither another site, nor somebody without the form, nor another person"""
    before, fields = stored(visit), visit.hidden(visit.open(LOOK)) | {"display_name": "Mine"}
    mira = SiteVisit(visit.world, "mira.k")
    mira.open("/manage")
    assert upload(mira, fields, png(8)).status_code == 403
    assert upload(visit, fields | {"anti_forgery": "x"}, png(8)).status_code == 403
    files = {"picture": ("logo", png(8), "image/png")}
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert visit.http.post(LOOK, data=fields, files=files, headers=foreign).status_code == 403
    assert visit.http.post(LOOK, data=fields, headers=foreign).status_code in {400, 403}
    assert stored(visit) == before


def test_a_picture_survives_a_wrong_colour(visit: SiteVisit) -> None:
    fields = visit.hidden(visit.open(LOOK)) | {"accent_colour": "blue"}
    page = upload(visit, fields, png(30))
    assert page.status_code == 400
    kept = visit.hidden(page)
    assert kept["chosen_logo"].startswith("data:image/png")
    assert upload(visit, kept | {"accent_colour": "#0000ff"}).status_code == 303
    assert stored(visit)["logo"] == kept["chosen_logo"]


def test_an_svg_runs_no_script(visit: SiteVisit) -> None:
    """Its address is one of ours: opened by itself, it is a page without any rights."""
    assert upload(visit, visit.hidden(visit.open(LOOK)), SVG).status_code == 303
    visit.world.sync()
    page = visit.open(LOOK)
    found = re.search(r'src="([^"]*/id/assets/logo[^"]*)"', page.text)
    assert found is not None
    answer = visit.http.get(found[1])
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_logo_is_removed_after_a_question(visit: SiteVisit) -> None:
    upload(visit, visit.hidden(visit.open(LOOK)), png(10))
    visit.world.sync()
    path = LOOK + "/remove-logo"
    question = visit.open(path)
    assert stored(visit)["logo"] is not None
    assert "The logo is removed" in visit.submit(question, path).text
    assert stored(visit)["logo"] is None


# Who has a second factor.


def ask(visit: SiteVisit, internal: str, community: str = "allowed") -> httpx.Response:
    visit.world.sync()
    fields = visit.hidden(visit.open(RULES))
    chosen = {"second_factor_internal": internal, "second_factor_community": community}
    return visit.follow(visit.post(RULES, {**fields, **chosen}))


def rules(visit: SiteVisit) -> tuple[str, str]:
    row = stored(visit)
    return row["second_factor_internal"], row["second_factor_community"]


@pytest.fixture
def own(a_world: Callable[..., World]) -> SiteVisit:
    """A server of its own, as who has a second factor counts."""
    world = a_world(host="localhost")
    visit = SiteVisit(world, "ada")
    visit.open("/manage")
    return visit


def test_a_rule_says_what_will_happen(own: SiteVisit) -> None:
    """Nothing is changed before the yes; then it is, with an event, from the next sign-in on."""
    question = ask(own, "required")
    assert rules(own) == ("allowed", "allowed")
    for said in ("nobody is locked out", "HTTP Basic", "You have none yourself"):
        assert said in question.text
    assert "External users" not in question.text.partition("<main")[2]
    done = own.submit(question, RULES)
    assert "The rules are saved" in done.text
    assert rules(own) == ("required", "allowed")
    event = own.world.events("instance.changed")[0]
    assert event.details is not None
    assert event.details["after"] == {"second_factor_internal": "required"}
    own.world.sync()
    assert "/signin/enrol" in own.world.browser().sign_in().text


def test_administrators_who_may_have_lost_theirs(own: SiteVisit) -> None:
    """From off to anything: factors of another day are asked for again."""
    own.submit(ask(own, "off"), RULES)
    assert "Every administrator is among them" not in ask(own, "allowed").text
    give_passkey(own.world, "ada")
    question = ask(own, "allowed")
    assert "Every administrator is among them" in question.text
    assert "You have one yourself" in question.text
    own.submit(question, RULES)
    assert rules(own)[0] == "allowed"


def test_a_question_that_was_open_too_long(own: SiteVisit) -> None:
    """The yes is for what was shown: what somebody else changed meanwhile is told instead."""
    late = ask(own, "off")
    own.submit(ask(own, "required", "off"), RULES)
    own.world.sync()
    page = own.submit(late, RULES)
    assert page.status_code == 409
    assert "Nothing was saved yet" in page.text
    assert rules(own) == ("required", "off")


def test_a_rule_that_there_is_not(own: SiteVisit) -> None:
    assert ask(own, "sometimes").status_code == 400
    assert rules(own) == ("allowed", "allowed")


# Who has lost the own.


def test_second_factors_of_a_user_are_reset(own: SiteVisit) -> None:
    """[USR-8] after a question; audited, and the password is enough again"""
    world, path = own.world, f"/manage/users/{user_id_of(own.world)}"
    assert "Reset second factors" not in own.open(path).text
    assert own.http.get(f"{path}/reset-second-factors").status_code == 409
    give_passkey(world)
    question = own.open(f"{path}/reset-second-factors")
    assert "make sure who asks" in question.text
    assert factors_of(world).passkeys == 1
    page = own.submit(question, "/reset-second-factors")
    assert "second factors of the user are removed" in page.text
    assert not factors_of(world).has_any
    (event,) = world.events("user.second_factors_reset")
    assert (event.actor, event.subject_id) == ("ada", user_id_of(world))
    assert own.submit(question, "/reset-second-factors").status_code == 409  # sent twice
    assert len(world.events("user.second_factors_reset")) == 1


def test_nobody_resets_the_own(own: SiteVisit) -> None:
    """Profile has rules for that: the last factor stays where one is required."""
    give_passkey(own.world, "ada")
    path = f"/manage/users/{user_id_of(own.world, 'ada')}"
    assert "another administrator resets them" in own.open(path).text
    fields = own.hidden(own.open("/manage"))
    assert own.post(f"{path}/reset-second-factors", fields).status_code == 409
    assert factors_of(own.world, "ada").has_any
