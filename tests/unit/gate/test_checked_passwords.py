"""What is remembered of passwords, while checks run and users change."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from mintgate.contract.users import User, UserType
from mintgate.gate.legacy import passwords
from mintgate.gate.legacy.passwords import KEPT_SECONDS, CheckedPasswords
from mintgate.identity.signin.password import Proved
from tests.world import MovableClock

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class SlowSignIn:
    """Knows one password a user, and tells when it has read it and before it answers."""

    def __init__(self) -> None:
        self.right = {"ann": "old"}
        self.checks: list[tuple[str, str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def authenticate(self, login: str, password: str, address: str | None) -> Proved | None:
        self.checks.append((login, password))
        is_right = self.right.get(login.casefold()) == password
        await self.may_answer.wait()
        name = login.casefold()
        user = User(id=name, login=name, name={"en": name}, user_type=UserType.INTERNAL)
        return Proved(user, "hash", lambda _: None) if is_right else None


class Desk:
    def __init__(self) -> None:
        self.clock = MovableClock()
        self.is_fresh = True
        self.sign_in = SlowSignIn()
        sign_in: Any = self.sign_in
        self.checked = CheckedPasswords(sign_in, lambda: self.is_fresh, self.clock)

    async def ask(self, typed: str = "old", login: str = "ann", at: str = HERE) -> str | None:
        return await self.checked.user_id(login, typed, at)

    @property
    def checks(self) -> int:
        return len(self.sign_in.checks)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_right_password_is_kept_for_a_minute() -> None:
    async def work() -> None:
        desk = Desk()
        for login in ("ann", "ANN", "ann"):
            assert await desk.ask(login=login) == "ann"
        assert desk.checks == 1
        desk.clock.advance(KEPT_SECONDS)
        assert await desk.ask() == "ann"
        assert desk.checks == 2
        desk.clock.advance(-1)  # a clock that is set back keeps nothing alive
        assert await desk.ask() == "ann"
        assert desk.checks == 3

    run(work())


def test_it_is_kept_for_its_address_and_user_only() -> None:
    async def work() -> None:
        desk = Desk()
        desk.sign_in.right["bob"] = "old"
        assert await desk.ask() == "ann"
        assert await desk.ask(at=ELSEWHERE) == "ann"
        assert await desk.ask(login="bob") == "bob"
        assert desk.checks == 3

    run(work())


def test_a_wrong_password_ends_it() -> None:
    """[SGN-6] else the throttle would never be asked about the one guess that is right"""

    async def work() -> None:
        desk = Desk()
        assert await desk.ask() == "ann"
        assert await desk.ask("wrong") is None
        assert await desk.ask() == "ann"
        assert desk.checks == 3

    run(work())


def test_nothing_is_kept_while_the_feed_is_not_followed() -> None:
    async def work() -> None:
        desk = Desk()
        assert await desk.ask() == "ann"
        desk.is_fresh = False
        assert await desk.ask() == "ann"
        assert desk.checks == 2

    run(work())


def test_a_change_of_the_user_ends_it_and_of_nobody_else() -> None:
    async def work() -> None:
        desk = Desk()
        desk.sign_in.right["bob"] = "his"
        assert await desk.ask() == "ann"
        assert await desk.ask("his", "bob") == "bob"
        desk.checked.forget("ann")
        desk.sign_in.right["ann"] = "new"
        assert await desk.ask() is None
        assert await desk.ask("his", "bob") == "bob"
        assert desk.checks == 3

    run(work())


def test_a_password_that_changes_during_its_check_is_not_kept() -> None:
    """Neither by who asked before the change, nor by who asks after it."""

    async def work() -> None:
        desk = Desk()
        desk.sign_in.may_answer.clear()
        first = asyncio.create_task(desk.ask())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        desk.sign_in.right["ann"] = "new"
        desk.checked.forget("ann")
        second = asyncio.create_task(desk.ask())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.checks == 2
        desk.sign_in.may_answer.set()
        assert await first == "ann"  # it was right when it was checked
        assert await second is None
        assert await desk.ask() is None

    run(work())


def test_who_goes_away_leaves_the_check_to_others() -> None:
    async def work() -> None:
        desk = Desk()
        desk.sign_in.may_answer.clear()
        asked = [asyncio.create_task(desk.ask()) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked[0].cancel()
        desk.sign_in.may_answer.set()
        assert await asyncio.gather(*asked[1:]) == ["ann"] * 9
        assert desk.checks == 1

    run(work())


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_KEPT", 2)

    async def work() -> None:
        desk = Desk()
        for address in ("a", "b", "c"):
            assert await desk.ask(at=address) == "ann"
        assert await desk.ask(at="c") == await desk.ask(at="b") == "ann"
        assert desk.checks == 3
        assert await desk.ask(at="a") == "ann"
        assert desk.checks == 4

    run(work())
