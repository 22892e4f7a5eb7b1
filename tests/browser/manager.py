"""Instance Manager as an administrator has it open, on any screen, with scripts or without."""

from __future__ import annotations

from typing import Self

from playwright.sync_api import Locator, Page, expect

from tests.browser.journeys import fill_in, fits
from tests.world import World


class Manager:
    """A page of Instance Manager, and what the administrator `ada` does there."""

    def __init__(self, world: World, page: Page) -> None:
        self.world = world
        self.page = page

    def sign_in(self, path: str = "/manage") -> Self:
        self.page.goto(self.world.base + path)
        fill_in(self.page)
        self.page.wait_for_url(self.world.base + path)
        return self

    def go_to(self, name: str, heading: str | None = None) -> None:
        """By the navigation, which a phone keeps behind a button."""
        menu = self.page.get_by_role("button", name="Menu")
        if menu.is_visible():
            menu.click()
        self.page.locator("nav.side").get_by_role("link", name=name, exact=True).click()
        self.is_at(heading or name)

    def is_at(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(heading)
        assert fits(self.page), heading

    def click(self, name: str, *, within: Locator | None = None) -> None:
        """A link of the page itself."""
        main = within or self.page.get_by_role("main")
        main.get_by_role("link", name=name, exact=True).click()

    def press(self, name: str, *, within: Locator | None = None) -> None:
        """A button of the page itself."""
        main = within or self.page.get_by_role("main")
        main.get_by_role("button", name=name, exact=True).click()

    def do(self, name: str, *, says: str, told: str, within: Locator | None = None) -> None:
        """Do what is asked twice: by a dialog, or by a page where no script runs.

        Args:
            says: a part of the question.
            told: a part of what the page says when it is done.
        """
        self.click(name, within=within)
        question = self.page.locator("form.confirm")
        expect(question).to_contain_text(says)
        with self.page.expect_navigation():  # what the page said before may be the same
            question.locator("button[type=submit]").click()
        self.told(told)

    def told(self, text: str) -> None:
        """What the page says of what was done; the server knows it then."""
        expect(self.page.get_by_role("status").filter(has_text=text)).to_be_visible()
        assert fits(self.page), text
        self.world.sync()

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def shown_once(self, field: str) -> str:
        """A secret that the page shows; no log and no other page may have it."""
        value = self.page.locator(f"#{field}").input_value()
        self.world.leaks.note("secret", value)
        assert fits(self.page)
        return value

    def tile(self, name: str) -> int:
        """A number of the first page."""
        tile = self.page.locator(".tile").filter(has=self.page.get_by_text(name, exact=True))
        return int(tile.locator(".tile-value").inner_text().replace(",", ""))
