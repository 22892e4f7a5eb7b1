"""People and services that call APIs at several doors, each opening and leaving ERP sessions."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx

from tests.leaks import Leaks
from tests.soak.journal import Journal
from tests.world import (
    BACKOFFICE,
    FULL,
    LOGOUT,
    PASSWORD_HASH,
    REDIRECT,
    SECRET,
    STOCK,
    Browser,
    payload_of,
)

Call = Callable[[str], httpx.Response]
"""Sends one request with a token."""
PEOPLE = 12
PAUSE = 0.02
FILLING = 16
"""Threads that show tokens, so that refusals are committed in groups."""
REFUSED = 503
"""All slots are taken [SES-34]."""


@dataclass(frozen=True)
class Door:
    """A way to the API: a server, a gate before it, or the answer that another proxy asks for."""

    name: str
    call: Call


class Traffic:
    """Threads, each of which is one person or one service at a time.

    Args:
        servers: base URLs of the server's processes; the first is the one that browsers know.
    """

    def __init__(
        self, servers: Sequence[str], doors: Sequence[Door], journal: Journal, seed: int
    ) -> None:
        self._base, self._servers = servers[0], servers
        self._doors = doors
        self._journal = journal
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(what, random.Random(f"{seed}/{number}")))
            for number, what in enumerate([self._person, self._person, self._service])
        ]

    def fill_memories(self, tokens: int) -> None:
        """Show more tokens at each door than any process remembers, before anybody else comes.

        What is bounded is full from then on: whatever grows after that has no bound.
        """
        with self._client(random.Random(0)) as http, ThreadPoolExecutor(FILLING) as pool:
            list(
                pool.map(lambda _: self._show_everywhere(self._service_token(http)), range(tokens))
            )
        for key in sorted(self._journal.open):
            self._journal.leave(key)

    def _show_everywhere(self, token: str) -> None:
        for door in self._doors:
            answer = door.call(token)
            if answer.status_code != REFUSED:
                assert answer.is_success, (door.name, answer.status_code, answer.text)
                self._journal.opened(payload_of(token)["jti"])

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a request is not answered"

    def _work(self, live: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self._stopping.is_set():
            try:
                live(chance)
            except (AssertionError, httpx.HTTPError, KeyError) as problem:
                self._journal.problem(f"{live.__name__}: {problem!r}"[-2000:])
                return

    def _person(self, chance: random.Random) -> None:
        """Sign in, work, refresh now and then, and sign out or just leave."""
        # Each life has connections and cookies of its own, as a browser that was just opened.
        browser = Browser(SimpleNamespace(base=self._base, leaks=Leaks()))  # type: ignore[arg-type]
        with browser.http, self._client(chance) as http:
            code = browser.code(f"person{chance.randrange(PEOPLE)}", scope=FULL)
            tokens = self._tokens(
                http, grant_type="authorization_code", code=code, redirect_uri=REDIRECT
            )
            self._journal.count("sign-ins")
            key = payload_of(tokens["access_token"])["sid"]
            for _ in range(chance.randrange(1, 12)):
                self._call(chance, tokens["access_token"], key)
                if chance.random() < 0.2:
                    tokens = self._tokens(
                        http, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
                    )
                    self._journal.count("refreshes")
            if chance.random() < 0.6:
                self._sign_out(browser, tokens["id_token"], key)
            else:
                self._journal.leave(key)

    def _service(self, chance: random.Random) -> None:
        """Take a token, and use it for a while; a service never signs out."""
        with self._client(chance) as http:
            token = self._service_token(http)
        self._journal.count("service tokens")
        key = payload_of(token)["jti"]
        for _ in range(chance.randrange(1, 30)):
            self._call(chance, token, key)
        self._journal.leave(key)

    def _call(self, chance: random.Random, token: str, key: str) -> None:
        door = chance.choice(self._doors)
        answer = door.call(token)
        if answer.status_code == REFUSED:
            # A session that is open cannot be refused a slot.
            assert "MaximumLicenseCountExceeded" in answer.text, (door.name, answer.text)
            assert key not in self._journal.open, (door.name, answer.text)
            self._journal.count("refused for want of a slot")
        else:
            assert answer.is_success, (door.name, answer.status_code, answer.text)
            self._journal.opened(key)
            self._journal.count(f"calls at {door.name}")
        self._stopping.wait(PAUSE)

    def _service_token(self, http: httpx.Client) -> str:
        answer = http.post(
            "/id/connect/token", data={"grant_type": "client_credentials"}, auth=(STOCK, SECRET)
        )
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def _sign_out(self, browser: Browser, id_token: str, key: str) -> None:
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": LOGOUT}
        answer = browser.follow(browser.http.get("/id/connect/endsession", params=query))
        assert answer.headers.get("location") == LOGOUT, answer.text
        self._journal.closed(key)
        self._journal.count("sign-outs")

    def _tokens(self, http: httpx.Client, **form: str) -> dict[str, Any]:
        answer = http.post("/id/connect/token", data=form, auth=(BACKOFFICE, SECRET))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def _client(self, chance: random.Random) -> httpx.Client:
        return client_of(chance.choice(self._servers), self._base)


def client_of(server: str, base: str) -> httpx.Client:
    """A client of one process of a server that is known by `base`."""
    return httpx.Client(base_url=server, headers={"Host": base.removeprefix("http://")}, timeout=60)


def people() -> str:
    """The declaration of those who sign in."""
    return "\n".join(
        f'[[users]]\nLogin = "person{number}"\nName = "Person {number}"\n'
        f'UserType = "InternalUser"\nPasswordHash = "{PASSWORD_HASH}"\n'
        for number in range(PEOPLE)
    )
