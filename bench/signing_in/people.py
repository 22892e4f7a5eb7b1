"""A worker: people who sign in with their passwords, each as soon as the one before is through."""

from __future__ import annotations

import asyncio
import os
import re
import time
from itertools import count
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec

from bench.problems import Unmeasurable
from bench.workers import answer_questions

REDIRECT = "http://127.0.0.1:9/signed-in"
WEB_CLIENT = "bench.example.org/web"
_FIELD = re.compile(r'name="(anti_forgery|interaction)" value="([^"]*)"')


class Crowd(msgspec.Struct, frozen=True):
    """People who sign in at the same time for so many seconds.

    Args:
        logins: everyone's; each signs in once, and the first again after the last.
    """

    base_url: str
    logins: list[str]
    password: str
    at_once: int
    seconds: float


async def signed_in(crowd: Crowd) -> int:
    """How many signed in."""
    numbers, done = count(), 0
    deadline = time.perf_counter() + crowd.seconds

    async def one_after_the_other() -> None:
        nonlocal done
        async with httpx.AsyncClient(base_url=crowd.base_url, timeout=60.0) as browser:
            while time.perf_counter() < deadline:
                login = crowd.logins[next(numbers) % len(crowd.logins)]
                browser.cookies.clear()  # another person
                await _sign_in(browser, login, crowd.password)
                done += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(crowd.at_once)))
    return done


async def _sign_in(browser: httpx.AsyncClient, login: str, password: str) -> None:
    """Through the authorization endpoint and the form, as a browser does.

    Raises:
        Unmeasurable: the person was not let in.
    """
    query = {
        "client_id": WEB_CLIENT,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "state": "x",
        "nonce": "y",
    }
    page = await browser.get("/id/connect/authorize", params=query, follow_redirects=True)
    fields = dict(_FIELD.findall(page.text))
    if set(fields) != {"anti_forgery", "interaction"}:
        raise Unmeasurable(f"no form to sign in with: {page.status_code} {page.text[:500]}")
    form = {**fields, "login": login, "password": password, "action": "sign_in"}
    answer = await browser.post(urljoin(str(page.url), "/id/signin"), data=form)
    if answer.status_code != 303:
        raise Unmeasurable(f"{login} was not let in: {answer.status_code} {answer.text[:500]}")


def main() -> None:
    os.nice(10)  # who measures shares the core, and must not be late because of this one

    def answer(question: Any) -> dict[str, int]:
        crowd = msgspec.convert(question, Crowd)
        try:
            return {"signed_in": asyncio.run(signed_in(crowd))}
        except httpx.HTTPError as error:
            raise Unmeasurable(f"signing in failed: {error!r}") from None

    answer_questions(answer)


if __name__ == "__main__":
    main()
