"""An API in a process of its own with a guard by `connect_guard`; tests talk to it by lines.

`python -m tests.wire.lease_process ISSUER DATABASE` reads one JSON object a line, `{"do": …,
"tokens": […], "now": …}`, and answers each with a list. The API's secret is in the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

from mintgate.contract.errors import Refusal
from mintgate.verify import ApiRequest, RemoteSessions, RemoteState, connect_guard
from mintgate.verify.admitting import admitted
from mintgate.verify.principal import principal_of
from mintgate.verify.refusals import refusal_response

SECRET_VARIABLE = "API_SECRET"


class Reply(NamedTuple):
    """What a caller sees."""

    status: int
    headers: dict[str, str]
    body: str


def main(issuer: str, database: str) -> None:
    now = 0.0
    guard = connect_guard(
        issuer,
        api="DomainAPI",
        secret=os.environ[SECRET_VARIABLE],
        database=database,
        clock=lambda: now,
    )
    sessions, state = guard.sessions, guard.verifier._state
    assert isinstance(sessions, RemoteSessions)
    assert isinstance(state, RemoteState)

    def request(token: str) -> Reply:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        try:
            admitted(guard, ApiRequest("GET", b"/orders", b"", headers))
        except Refusal as refusal:
            status, answered, body = refusal_response(refusal, "DomainAPI")
            return Reply(status, {n.decode(): v.decode() for n, v in answered}, body.decode())
        return Reply(200, {}, "")

    def knows(token: str) -> bool:
        # Also of a token that is refused by now: its session may go on [SES-22].
        principal = principal_of(guard.verifier.examined(token).claims)
        return sessions._own.lessee.known.probable(principal) is not None

    def flush(_: str) -> bool:
        sessions.flush()
        return True

    def position(_: str) -> int:
        return state._position if state.is_fresh else -1

    everything = {"request": request, "knows": knows, "flush": flush, "position": position}

    with ThreadPoolExecutor(8) as threads:
        for line in sys.stdin:
            question = json.loads(line)
            now = question["now"]
            work: Any = everything[question["do"]]
            sys.stdout.write(json.dumps(list(threads.map(work, question["tokens"]))) + "\n")
            sys.stdout.flush()


class LeaseProcess:
    """Starts the process and asks it."""

    def __init__(self, issuer: str, database: str, secret: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.lease_process", issuer, database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, SECRET_VARIABLE: secret},
        )

    def begin(self, do: str, tokens: list[str], now: float) -> None:
        """Have it work; `end` gives what came of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "tokens": tokens, "now": now}) + "\n")
        self._process.stdin.flush()

    def end(self) -> list[Any]:
        assert self._process.stdout is not None
        answer: list[Any] = json.loads(self._process.stdout.readline())
        return answer

    def requests(self, tokens: list[str], now: float) -> list[Reply]:
        """Requests with these tokens, all at once."""
        self.begin("request", tokens, now)
        return [Reply(*reply) for reply in self.end()]

    def status(self, token: str, now: float) -> int:
        return self.requests([token], now)[0].status

    def knows(self, token: str, now: float) -> bool:
        """Whether it would let a request pass without asking the issuer."""
        self.begin("knows", [token], now)
        return bool(self.end()[0])

    def flush(self, now: float) -> None:
        self.begin("flush", [""], now)
        self.end()

    def position(self, now: float) -> int:
        """Up to where it has read the state feed; -1 when it cannot be read."""
        self.begin("position", [""], now)
        return int(self.end()[0])

    def wait_for(self, reached: Callable[[int], bool], now: float) -> None:
        deadline = time.monotonic() + 10
        while not reached(self.position(now)):
            assert time.monotonic() < deadline, "the feed was not followed"
            time.sleep(0.02)

    def seconds_until_forgotten(self, token: str, now: float, limit: float) -> float:
        started = time.monotonic()
        while time.monotonic() - started < limit:
            if not self.knows(token, now):
                return time.monotonic() - started
            time.sleep(0.02)
        return limit

    def kill(self) -> None:
        """As the machine's end does: nothing is told."""
        self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
