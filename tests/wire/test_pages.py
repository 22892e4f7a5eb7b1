"""What every page is sent with, and what the pages for what went wrong say."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import httpx
import pytest

from mintgate.sites.assets import assets
from tests.world import BACKOFFICE, World

HTML = {"Accept": "text/html,application/xhtml+xml"}
SIGN_IN_PAGES = ["/id/signin?interaction=x", "/id/connect/authorize", "/id/connect/endsession"]
ID = re.compile(r"<dd><code>([0-9a-f]{16})</code></dd>")


def policy_of(page: httpx.Response) -> dict[str, str]:
    policy = page.headers["content-security-policy"]
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


@pytest.mark.parametrize("path", ["/", "/id/nothing", *SIGN_IN_PAGES])
def test_every_page_is_closed(path: str, shared_world: World) -> None:
    """[EP-7] no frame, no inline code, nothing from elsewhere, nothing kept"""
    page = shared_world.http.get(path, headers=HTML)
    policy = policy_of(page)
    assert policy.pop("img-src") == "'self' data:"
    assert all(policy.pop(name) == "'none'" for name in ("default-src", "base-uri"))
    assert policy.pop("frame-ancestors") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert set(policy) == {"script-src", "style-src", "connect-src", "form-action"}
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in page.headers["permissions-policy"]
    assert page.headers["content-language"] == "en"


def test_pages_in_a_pop_up_window_keep_its_opener(shared_world: World) -> None:
    """Applications sign people in like that; no other page of ours is opened so."""
    page = shared_world.browser().authorize()
    assert "cross-origin-opener-policy" not in page.headers
    other = shared_world.http.get("/")
    assert other.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/id/nothing", "/profile/nothing", "/manage/nothing"])
def test_not_found_is_a_page(path: str, shared_world: World) -> None:
    page = shared_world.http.get(path, headers=HTML)
    assert page.status_code == 404
    assert "<h1>There is no such page</h1>" in page.text
    assert "nothing" not in page.text


def test_not_found_for_programs(shared_world: World) -> None:
    answer = shared_world.http.get("/id/nothing", headers={"Accept": "*/*"})
    assert answer.status_code == 404
    assert "<html" not in answer.text


def test_a_form_is_no_address(shared_world: World) -> None:
    """[EP-9] RFC 9110 §15.5.6: what is allowed is told all the same."""
    page = shared_world.http.delete("/id/signin", headers=HTML)
    assert (page.status_code, page.headers["allow"]) == (405, "GET, POST")
    assert "<h1>This page can't be opened like that</h1>" in page.text


def test_apis_stay_apis(shared_world: World) -> None:
    for path in ("/id/connect/userinfo", "/api/domain/odata/Crm_Sales_Customers"):
        answer = shared_world.http.get(path, headers=HTML)
        assert answer.status_code == 401
        assert "<html" not in answer.text


def test_a_refused_request_is_found_in_the_audit_log(world: World) -> None:
    """[AUT-20..23] by the number that the page shows, which shows nothing of the request"""
    page = world.browser().authorize(redirect_uri="https://evil.example/<b>", state="s3cret")
    assert page.status_code == 400
    shown = ID.search(page.text)
    assert shown is not None
    assert "evil" not in page.text
    assert "s3cret" not in page.text
    (event,) = world.events("authorization.refused")
    assert event.details == {"request_id": shown[1]}


def test_a_foreign_form_is_found_in_the_audit_log(world: World) -> None:
    """[SGN-5]"""
    browser = world.browser()
    page = browser.submit(browser.authorize(), anti_forgery="forged")
    assert page.status_code == 400
    assert "<h1>This form can't be accepted</h1>" in page.text
    shown = ID.search(page.text)
    assert shown is not None
    (event,) = world.events("form.refused")
    assert event.details == {"request_id": shown[1]}


def test_errors_in_the_language_of_the_browser(shared_world: World) -> None:
    page = shared_world.http.get("/id/signin?interaction=x", headers={"Accept-Language": "bg"})
    assert page.headers["content-language"] == "bg"
    assert "<h1>Страницата е изтекла</h1>" in page.text


def test_the_name_of_an_application_by_language(world: World) -> None:
    """[TAP-2]"""
    world.change_application(BACKOFFICE, name={"en": "Back office", "bg": "Счетоводство"})
    page = world.browser().authorize(ui_locales="bg")
    assert "към Счетоводство" in page.text


def test_assets_are_kept_for_ever_under_a_name_that_changes(shared_world: World) -> None:
    sheet = assets()["style.css"]
    http, url = shared_world.http, f"/id/assets/{sheet.versioned_name}"
    answer = http.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == sheet.body
    plain = http.get(url, headers={"Accept-Encoding": "identity"})
    assert plain.content == sheet.body
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(sheet.compressed) == sheet.body
    again = http.get(url, headers={"If-None-Match": plain.headers["etag"], "Accept-Encoding": ""})
    assert (again.status_code, again.content) == (304, b"")
    by_plain_name = http.get("/id/assets/style.css")
    assert by_plain_name.headers["cache-control"] == "no-cache"
    assert http.head(url).headers["content-length"]
    assert http.post(url).status_code == 405


@pytest.mark.parametrize("name", ["nothing.css", "..%2fpages.py", "../pages.py", "style.css/x", ""])
def test_nothing_else_is_an_asset(name: str, shared_world: World) -> None:
    assert shared_world.http.get(f"/id/assets/{name}").status_code == 404


def test_the_design_is_small() -> None:
    """A page with everything it loads stays far below 100 KB."""
    folder = Path(__file__).parents[2] / "src" / "mintgate" / "sites" / "assets"
    assert sum(len(assets()[file.name].body) for file in folder.iterdir()) < 35_000
    assert len(assets()["style.css"].body) < 25_000
