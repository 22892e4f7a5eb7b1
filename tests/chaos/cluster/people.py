"""The life of a person: signs in, works at several doors, refreshes, revokes, and signs out."""

from __future__ import annotations

import html
import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.chaos.cluster.callers import (
    CLOCK,
    CUSTOMERS,
    Caller,
    Refused,
    Run,
    Unanswered,
    bearer,
    is_no_slot,
)
from tests.soak.traffic import PEOPLE
from tests.world import (
    BACKOFFICE,
    FULL,
    LOGOUT,
    PASSWORD,
    REDIRECT,
    SECRET,
    answer_of,
    payload_of,
    pkce,
)

AUTH = (BACKOFFICE, SECRET)
SKEW = 30
"""Seconds by which the `iat` of a new token may differ from the true time."""


class Person:
    """One life of one person; every step is chosen by chance.

    Args:
        front: nginx, with the cookies of a browser that was just opened.
        doors: where the API can be called.
        nodes: the servers themselves, for two requests at once.
    """

    def __init__(
        self,
        run: Run,
        chance: random.Random,
        front: Caller,
        doors: Sequence[Caller],
        nodes: Sequence[Caller],
        pause: Callable[[], None],
    ) -> None:
        self._run, self._chance = run, chance
        self._front, self._doors, self._nodes = front, doors, nodes
        self._pause = pause
        self._journal = run.journal
        self._began = run.report.now
        self._tokens: dict[str, Any] = {}
        self._sid = ""

    def live(self, steps: int) -> None:
        """Sign in, do `steps` things, and leave."""
        try:
            verifier, code = self._sign_in()
            self._take(self._redeem(code, verifier), "token.issued", code, "codes")
            self._sid = payload_of(self._tokens["access_token"])["sid"]
            # Who looks for revoked tokens uses them, too: where they are not known of yet.
            self._journal.opening(self._sid)
            for _ in range(steps):
                self._chance.choice(
                    [self._call] * 8
                    + [self._refresh] * 4
                    + [self._another_code] * 2
                    + [self._refresh_twice_at_once, self._redeem_twice_at_once]
                    + [self._revoke] * 3
                )()
                self._pause()
            if self._chance.random() < 0.5:
                self._sign_out()
                return
            self._journal.refreshable.append(self._tokens["refresh_token"])
        except (Unanswered, Refused):
            self._journal.count("lives cut short")
        finally:
            if self._sid:
                self._journal.leave(self._sid)

    @classmethod
    def sign_in_once(cls, run: Run, front: Caller) -> None:
        """Nothing but a sign-in, and tokens for its code."""
        person = cls(run, random.Random(0), front, [], [], lambda: None)
        verifier, code = person._sign_in()
        person._take(person._redeem(code, verifier), "token.issued", code, "codes")

    # Signing in.

    def _sign_in(self) -> tuple[str, str]:
        verifier, query = _authorization()
        page = self._follow(
            self._front.ask("sign-in", "GET", "/id/connect/authorize", params=query)
        )
        action = re.search(r'<form method="post" action="([^"]*)"', page.text)
        if action is None:
            raise self._not_signed_in(page)
        fields = dict(
            re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
        )
        form = {html.unescape(name): html.unescape(value) for name, value in fields.items()}
        form |= {"login": f"person{self._chance.randrange(PEOPLE)}", "password": PASSWORD}
        answer = self._front.ask("sign-in", "POST", html.unescape(action[1]), data=form)
        return verifier, self._code_of(self._follow(answer))

    def _code(self) -> tuple[str, str]:
        verifier, query = _authorization(prompt="none")
        answer = self._front.ask("authorize", "GET", "/id/connect/authorize", params=query)
        return verifier, self._code_of(answer)

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        base = self._run.cluster.base
        while answer.is_redirect and answer.headers["location"].startswith(base):
            answer = self._front.ask("sign-in", "GET", answer.headers["location"])
        return answer

    def _post(
        self, caller: Caller, what: str, request: tuple[str, Any], *due: int
    ) -> httpx.Response:
        return caller.ask(what, "POST", request[0], (200, *due), data=request[1], auth=AUTH)

    def _code_of(self, answer: httpx.Response) -> str:
        self._front.owed(answer, self._began, 302, 303)
        found = answer_of(answer)
        if "code" not in found:
            raise self._not_signed_in(answer)
        return found["code"]

    def _not_signed_in(self, answer: httpx.Response) -> Exception:
        """What to raise for an answer that should have been a page or a code."""
        found = answer_of(answer) if answer.is_redirect else {"page": answer.text}
        report = self._run.report
        if found.get("error") == "temporarily_unavailable" and report.was_wrong(self._began):
            return Unanswered("told by redirect (RFC 6749 §4.1.2.1)")
        # No interaction or session any more, by a clock that is wrong.
        if not report.was_kind(CLOCK, self._began):
            self._journal.problem(f"no code: {answer.status_code} {found}"[:1000])
        return Refused("not signed in")

    # Tokens.

    def _redeem(self, code: str, verifier: str) -> httpx.Response:
        self._journal.tried.add(code)
        answer = self._post(self._front, "code", _token_request(code=code, verifier=verifier))
        self._front.owed(answer, self._began, 200)
        return answer

    def _take(self, answer: httpx.Response, event: str, value: str, what: str) -> None:
        """Keep what a code or a refresh token was answered with."""
        self._journal.used(value, what)
        tokens = answer.json()
        claims = payload_of(tokens["access_token"])
        self._journal.issued(event, claims["jti"])
        self._tokens = tokens
        if abs(claims["iat"] - time.time()) > SKEW:
            self._journal.count("tokens by a wrong clock")
            raise Refused  # they are good later, or were good once

    def _another_code(self) -> None:
        verifier, code = self._code()
        self._take(self._redeem(code, verifier), "token.issued", code, "codes")

    def _refresh(self) -> None:
        token = self._tokens["refresh_token"]
        self._journal.tried.add(token)
        request = _token_request(refresh_token=token)
        try:
            answer = self._post(self._front, "refresh", request)
        except Unanswered:
            self._pause()
            answer = self._post(self._front, "refresh", request)
            if answer.status_code == 400:
                # It had been done, and the new token was lost on the way [OPQ-8].
                self._journal.count("grants lost with an answer")
                raise Refused from None
        self._front.owed(answer, self._began, 200)
        self._take(answer, "token.refreshed", token, "rotations")

    def _refresh_twice_at_once(self) -> None:
        token = self._tokens["refresh_token"]
        self._twice(token, _token_request(refresh_token=token), "token.refreshed", "rotations")

    def _redeem_twice_at_once(self) -> None:
        verifier, code = self._code()
        request = _token_request(code=code, verifier=verifier)
        self._twice(code, request, "token.issued", "codes")

    def _twice(self, value: str, request: tuple[str, Any], event: str, what: str) -> None:
        """At two servers at the same time: one of them at most may answer with tokens."""
        self._journal.tried.add(value)
        began = self._run.report.now

        def send(node: Caller) -> httpx.Response | None:
            try:
                return self._post(node, f"{what} twice", request, 400)
            except Unanswered:
                return None

        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(send, self._chance.sample(self._nodes, 2)))
        self._journal.count("races")
        for answer in answers:
            if answer is not None and answer.status_code == 200:
                self._journal.used(value, what)
                tokens = answer.json()
                self._journal.issued(event, payload_of(tokens["access_token"])["jti"])
                refused = [a for a in answers if a is not None and a.status_code == 400]
                if refused and not self._run.report.was_kind(CLOCK, began):
                    # [LIF-14, TKN-47] The loser looked like a thief, and its grant is over.
                    self._journal.dead.append(tokens["refresh_token"])
                    if what == "codes":
                        self._end(tokens["access_token"], "access tokens ended by a replay")
        raise Refused

    # Working.

    def _call(self) -> None:
        door = self._chance.choice(self._doors)
        token = self._tokens["access_token"]
        self._journal.opening(self._sid)
        answer = door.ask("call", "GET", CUSTOMERS, headers=bearer(token))
        if is_no_slot(answer):
            return
        door.owed(answer, self._began, 200)
        self._journal.opened(self._sid)

    def _revoke(self) -> None:
        token = self._tokens["access_token"]
        answer = self._post(self._front, "revocation", ("/id/connect/revocation", {"token": token}))
        self._front.owed(answer, self._began, 200)
        self._journal.issued("token.revoked", payload_of(token)["jti"])
        self._end(token, "revoked access tokens")
        self._refresh()

    def _end(self, token: str, what: str) -> None:
        self._journal.end(token, self._run.report.now, what)

    def _sign_out(self) -> None:
        self._journal.closing(self._sid)
        query = {
            "id_token_hint": self._tokens["id_token"],
            "post_logout_redirect_uri": LOGOUT,
        }
        answer = self._front.ask("sign-out", "GET", "/id/connect/endsession", params=query)
        self._front.owed(answer, self._began, 303)
        self._journal.dead.append(self._tokens["refresh_token"])
        self._journal.count("sign-outs")


def _token_request(**form: str) -> tuple[str, Any]:
    """The path and the options of a token request by code or by refresh token."""
    if "code" in form:
        form["code_verifier"] = form.pop("verifier")
        form |= {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
    else:
        form["grant_type"] = "refresh_token"
    return "/id/connect/token", form


def _authorization(**more: str) -> tuple[str, dict[str, str]]:
    verifier, challenge = pkce()
    return verifier, {
        "client_id": BACKOFFICE,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": FULL,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    } | more
