"""The lives of services: tokens of their own, and personal tokens that live for months."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from tests.chaos.cluster.callers import (
    CUSTOMERS,
    Caller,
    Refused,
    Run,
    Unanswered,
    bearer,
    is_no_slot,
)
from tests.world import BACKOFFICE, SECRET, STOCK, payload_of


class Service:
    """One life of one service: takes a token, works with it, and revokes it or not.

    Args:
        pat: makes a personal token instead; gives it, the key of its ERP session, and its `jti`.
    """

    def __init__(
        self,
        run: Run,
        chance: random.Random,
        front: Caller,
        doors: Sequence[Caller],
        pause: Callable[[], None],
        pat: Callable[[], tuple[str, str, str]] | None = None,
    ) -> None:
        self._journal, self._report = run.journal, run.report
        self._chance, self._front, self._doors = chance, front, doors
        self._pause, self._pat = pause, pat
        self._began = run.report.now

    def live(self, steps: int) -> None:
        key = ""
        try:
            token, key, jti = self._pat() if self._pat is not None else self._service_token()
            self._journal.opening(key)  # who looks for revoked tokens uses them, too
            for _ in range(steps):
                self._call(token, key)
                self._pause()
            if self._chance.random() < 0.5:
                self._revoke(token, jti)
            else:
                with self._journal.lock:
                    self._journal.alive.append(token)
        except (Unanswered, Refused):
            self._journal.count("lives cut short")
        finally:
            if key:
                self._journal.leave(key)

    def _service_token(self) -> tuple[str, str, str]:
        answer = self._front.ask(
            "service token",
            "POST",
            "/id/connect/token",
            data={"grant_type": "client_credentials"},
            auth=(STOCK, SECRET),
        )
        self._front.owed(answer, self._began, 200)
        token = answer.json()["access_token"]
        claims = payload_of(token)
        self._journal.issued("token.issued", claims["jti"])
        if abs(claims["iat"] - time.time()) > 30:
            self._journal.count("tokens by a wrong clock")
            raise Refused
        return token, claims["jti"], claims["jti"]

    def _call(self, token: str, key: str) -> None:
        door = self._chance.choice(self._doors)
        self._journal.opening(key)
        answer = door.ask("call", "GET", CUSTOMERS, headers=bearer(token))
        if is_no_slot(answer):
            return
        door.owed(answer, self._began, 200)
        self._journal.opened(key)

    def _revoke(self, token: str, jti: str) -> None:
        client = STOCK if self._pat is None else BACKOFFICE
        answer = self._front.ask(
            "revocation",
            "POST",
            "/id/connect/revocation",
            data={"token": token},
            auth=(client, SECRET),
        )
        self._front.owed(answer, self._began, 200)
        self._journal.issued("token.revoked", jti)
        kind = "service tokens" if self._pat is None else "personal tokens"
        self._journal.end(token, self._report.now, f"revoked {kind}")
