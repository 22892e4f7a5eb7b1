"""A mixed load of issuing, redeeming, refreshing and revoking, until the server dies."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

import httpx

from tests.chaos.journal import Journal
from tests.world import BACKOFFICE, FULL, REDIRECT, SECRET, STOCK, answer_of, payload_of

AUTH = (BACKOFFICE, SECRET)
WORKERS = 4


class ServerGone(Exception):
    """The connection broke: whether the request was carried out is not known."""


class Load:
    """Threads that work on one journal."""

    def __init__(self, base: str, cookies: httpx.Cookies, journal: Journal, seed: int) -> None:
        self._base = base
        self._cookies = cookies
        self._journal = journal
        self._stopping = threading.Event()
        self.problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{seed}/{n}"),))
            for n in range(WORKERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, chance: random.Random) -> None:
        operations = (
            [self._issue_code] * 3
            + [self._redeem] * 4
            + [self._refresh] * 4
            + [self._service_token] * 2
            + [self._revoke_access] * 2
            + [self._revoke_refresh]
        )
        with httpx.Client(base_url=self._base, cookies=self._cookies, timeout=20) as http:
            while not self._stopping.is_set():
                try:
                    chance.choice(operations)(http)
                    self._journal.count()
                except ServerGone:
                    return
                except AssertionError as problem:
                    self.problems.append(str(problem))
                    return

    def _issue_code(self, http: httpx.Client) -> None:
        with suppress(httpx.TransportError):  # a code that was never received harms nobody
            answer = http.get(
                "/id/connect/authorize",
                params={
                    "client_id": BACKOFFICE,
                    "redirect_uri": REDIRECT,
                    "response_type": "code",
                    "scope": FULL,
                    "prompt": "none",
                },
            )
            found = answer_of(answer)
            assert "code" in found, found
            self._journal.put(self._journal.live_codes, found["code"])
            return
        raise ServerGone

    def _redeem(self, http: httpx.Client) -> None:
        journal = self._journal
        code = journal.take(journal.live_codes)
        if code is None:
            return
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        try:
            answer = http.post("/id/connect/token", data=form, auth=AUTH)
        except httpx.TransportError:
            journal.put(journal.unanswered_codes, code)
            raise ServerGone from None
        assert answer.status_code == 200, answer.text
        journal.put(journal.used_codes, code)
        self._keep(answer, "token.issued")

    def _refresh(self, http: httpx.Client) -> None:
        journal = self._journal
        token = journal.take(journal.live_refresh_tokens)
        if token is None:
            return
        form = {"grant_type": "refresh_token", "refresh_token": token}
        try:
            answer = http.post("/id/connect/token", data=form, auth=AUTH)
        except httpx.TransportError:
            journal.put(journal.unanswered_refresh_tokens, token)
            raise ServerGone from None
        assert answer.status_code == 200, answer.text
        journal.put(journal.used_refresh_tokens, token)
        self._keep(answer, "token.refreshed")

    def _keep(self, answer: httpx.Response, event: str) -> None:
        tokens = answer.json()
        self._journal.acknowledged(event, payload_of(tokens["access_token"])["jti"])
        self._journal.put(self._journal.live_access_tokens, tokens["access_token"])
        self._journal.put(self._journal.live_refresh_tokens, tokens["refresh_token"])

    def _service_token(self, http: httpx.Client) -> None:
        try:
            answer = http.post(
                "/id/connect/token",
                data={"grant_type": "client_credentials"},
                auth=(STOCK, SECRET),
            )
        except httpx.TransportError:
            raise ServerGone from None
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        self._journal.acknowledged("token.issued", payload_of(token)["jti"])

    def _revoke_access(self, http: httpx.Client) -> None:
        journal = self._journal
        token = journal.take(journal.live_access_tokens)
        if token is None:
            return
        self._revoke(http, token)
        journal.put(journal.revoked_access_tokens, token)
        journal.acknowledged("token.revoked", payload_of(token)["jti"])

    def _revoke_refresh(self, http: httpx.Client) -> None:
        journal = self._journal
        token = journal.take(journal.live_refresh_tokens)
        if token is None:
            return
        self._revoke(http, token)
        journal.put(journal.revoked_refresh_tokens, token)

    def _revoke(self, http: httpx.Client, token: str) -> None:
        try:
            answer = http.post("/id/connect/revocation", data={"token": token}, auth=AUTH)
        except httpx.TransportError:
            raise ServerGone from None  # it may have ended or not: nothing was acknowledged
        assert answer.status_code == 200, answer.text
