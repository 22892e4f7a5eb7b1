"""A worker: the same request to the same application, with and without a guard before it."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import jwt
import msgspec

from bench.guarding.names import ALONE, API, API_SECRET, DATABASE, MINTGATE, PATH, PYJWT, Work
from bench.samples import Sample
from bench.workers import answer_questions
from mintgate.verify.asgi import Application, GuardMiddleware, Message, Receive, Scope, Send
from mintgate.verify.connect import connect_guard

BATCH = 200


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """What is guarded: it does nothing, so that what is before it is all that shows."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def decoding(work: Work) -> Application:
    """A decode of the token by PyJWT, as its documentation says, before the application."""
    key = jwt.PyJWKClient(f"{work.issuer}/.well-known/openid-configuration/jwks")
    signing_key = key.get_signing_key_from_jwt(work.tokens[0]).key

    async def decode_first(scope: Scope, receive: Receive, send: Send) -> None:
        token = next(v for n, v in scope["headers"] if n == b"authorization")[7:].decode()
        jwt.decode(token, signing_key, algorithms=["RS256"], audience=API, issuer=work.issuer)
        await application(scope, receive, send)

    return decode_first


class Caller:
    """Sends requests to an application as a server does."""

    def __init__(self, tokens: list[str]) -> None:
        self._scopes = cycle([_scope(token) for token in tokens])
        self._statuses: set[int] = set()

    async def call(self, app: Application, seconds: float) -> Sample:
        gc.collect()
        count, began = 0, time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            for _ in range(BATCH):
                await app(next(self._scopes), _nothing, self._send)
            count += BATCH
        if self._statuses != {204}:
            raise AssertionError(f"answers that nobody expected: {self._statuses}")
        return Sample(count=count, seconds=now - began)

    async def _send(self, message: Message) -> None:
        if "status" in message:
            self._statuses.add(message["status"])


def _scope(token: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"$top=5",
        "client": ("192.0.2.17", 51234),
        "server": ("api.example.org", 443),
        "headers": [
            (b"host", b"api.example.org"),
            (b"user-agent", b"python-httpx/0.28.1"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
            (b"authorization", b"Bearer " + token.encode()),
        ],
    }


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _require_strict(app: Application, token: str, loop: asyncio.AbstractEventLoop) -> None:
    """A guard that lets anybody through would win every comparison."""
    head, _, signature = token.rpartition(".")
    wrong = f"{head}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}"
    seen: list[int] = []

    async def note(message: Message) -> None:
        seen.append(message.get("status", 0))

    try:
        loop.run_until_complete(app(_scope(wrong), _nothing, note))
    except jwt.InvalidTokenError:
        return
    if 401 not in seen:
        raise AssertionError(f"a token with a wrong signature was answered with {seen}")


def main() -> None:
    work = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Work)
    guard = connect_guard(work.issuer, api=API, secret=API_SECRET, database=DATABASE)
    loop = asyncio.new_event_loop()
    apps: dict[str, Application] = {
        ALONE: application,
        MINTGATE: GuardMiddleware(application, guard),
        PYJWT: decoding(work),
    }
    for name in (MINTGATE, PYJWT):
        _require_strict(apps[name], work.tokens[0], loop)

    def answer(question: Any) -> Sample:
        caller = Caller(work.tokens)
        return loop.run_until_complete(caller.call(apps[question["name"]], question["seconds"]))

    answer_questions(answer)


if __name__ == "__main__":
    main()
