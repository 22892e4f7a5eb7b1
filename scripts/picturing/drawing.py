"""Every shot on a desktop and on a phone, light and dark."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from picturing.instance import Served, served
from picturing.visit import NotThere, Shot, Visit

DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True},
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TIMEOUT = 60_000  # milliseconds: hashing passwords takes its time on a machine that is busy
SIGNED_IN_SECONDS = 300
"""Pages for dangerous things ask for a sign-in of the last ten minutes."""
COLOURS = 96


def draw(browser: Browser, wanted: Sequence[Shot], folder: Path) -> list[str]:
    """Draw them; returns what went wrong, a line each. Each device has new instances."""
    problems: list[str] = []
    for device in DEVICES:
        with served() as there:
            artist = Artist(browser, there, device, folder)
            for shot in wanted:
                try:
                    artist.draw(shot)
                except Exception as problem:  # noqa: BLE001 - others are drawn nevertheless
                    problems.append(f"{shot.name}, {device}: {problem or repr(problem)}")
                    print(problems[-1])
        print(f"{device}: {len(wanted)} pages")
    return problems


class Artist:
    """Draws on one device."""

    def __init__(self, browser: Browser, there: Served, device: str, folder: Path) -> None:
        self._browser = browser
        self._served = there
        self._device = device
        self._folder = folder
        self._signed_in: dict[str, tuple[float, list[Any]]] = {}
        self._kept: dict[str, Any] = {}

    def draw(self, shot: Shot) -> None:
        """Raises NotThere or an error of the browser, which tell where it went wrong."""
        cookies = self._cookies_of(shot.login) if shot.login else []
        visit = self._visit(cookies, **DEVICES[self._device])
        try:
            if isinstance(shot.there, str):
                visit.go(shot.there)
            else:
                shot.there(visit)
            visit.page.evaluate("document.activeElement?.blur()")
            for theme in THEMES:
                visit.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                path = self._folder / f"{shot.name}-{self._device}-{theme}.png"
                save(visit.page, path, is_whole=shot.is_whole)
        except BrowserError as error:
            raise NotThere(visit.told(str(error).splitlines()[0])) from None
        finally:
            visit.page.context.close()

    def _visit(self, cookies: list[Any], **options: Any) -> Visit:
        context = self._browser.new_context(locale="en-GB", reduced_motion="reduce", **options)
        context.set_default_timeout(TIMEOUT)
        context.add_cookies(cookies)
        return Visit(context.new_page(), self._served, self._kept)

    def _cookies_of(self, login: str) -> list[Any]:
        """Those of somebody who has signed in, and has not answered for any application."""
        since, cookies = self._signed_in.get(login, (float("-inf"), []))
        if time.monotonic() - since > SIGNED_IN_SECONDS:
            visit = self._visit([])
            try:
                visit.sign_in(login)
                cookies = visit.page.context.cookies()
            finally:
                visit.page.context.close()
            self._signed_in[login] = time.monotonic(), cookies
        return cookies


def save(page: Page, path: Path, *, is_whole: bool) -> None:
    """As a PNG with a palette: a third of the size, and nobody sees the difference."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=is_whole))).convert("RGB")
    picture.quantize(colors=COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
