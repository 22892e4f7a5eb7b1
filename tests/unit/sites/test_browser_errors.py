"""A failure is a page for who uses a browser, and names itself as the log does."""

from __future__ import annotations

import logging
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mintgate.contract.instance import Instance
from mintgate.server.failures import Failures
from mintgate.sites.browser_errors import BrowserErrors
from mintgate.sites.pages import SitePages
from mintgate.store import DatabaseUnavailable

INSTANCE = Instance(id="1", name="orion", database="X", base_url="https://orion.my.example")


async def fail(request: Request) -> Response:
    raise ZeroDivisionError


async def lose(request: Request) -> Response:
    raise DatabaseUnavailable("gone")


async def wait(request: Request) -> Response:
    answer = JSONResponse({"error": "slow_down"}, 429, {"Retry-After": "7"})
    answer.set_cookie("a", "b")
    return answer


async def refuse(request: Request) -> Response:
    return PlainTextResponse("no", 403)


class _Bare(Starlette):
    """Routes only; what fails goes through, as in the server."""

    def build_middleware_stack(self) -> object:  # type: ignore[override]
        return self.router


def ask(path: str, accept: str = "text/html") -> httpx.Response:
    app = _Bare(
        routes=[
            Route("/profile/fail", fail),
            Route("/profile/lose", lose),
            Route("/profile/wait", wait),
            Route("/profile/refuse", refuse),
            Route("/api/fail", fail),
        ]
    )
    transport = httpx.ASGITransport(BrowserErrors(Failures(app), SitePages(INSTANCE).unavailable))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url=INSTANCE.base_url) as client:
            return await client.get(path, headers={"Accept": accept})

    return run(get())


def run(work):  # type: ignore[no-untyped-def]
    import asyncio

    return asyncio.run(work)


def test_what_failed_is_named_as_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        page = ask("/profile/fail")
    assert page.status_code == 500
    shown = re.search(r"<code>([0-9a-f]{16})</code>", page.text)
    assert shown is not None
    assert f"request {shown[1]} failed" in caplog.text
    assert "ZeroDivision" not in page.text


def test_without_the_database() -> None:
    page = ask("/profile/lose")
    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"
    assert "right now</h1>" in page.text


def test_other_headers_stay() -> None:
    page = ask("/profile/wait")
    assert (page.status_code, page.headers["retry-after"]) == (429, "7")
    assert page.headers["set-cookie"].startswith("a=b")
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/profile/wait", "*/*"),
        ("/profile/fail", "application/json"),
        ("/profile/refuse", "text/html"),
        ("/api/fail", "text/html"),
        ("/profiles", "text/html"),
    ],
)
def test_everything_else_stays(path: str, accept: str) -> None:
    assert "<html" not in ask(path, accept).text
