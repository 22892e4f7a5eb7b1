"""A verifier in a process of its own, as an API elsewhere has it; tests talk to it by lines.

`python -m tests.wire.verifier_process ISSUER DATABASE` reads one JSON object a line, `{"token":
…, "now": …}`, and answers each with `{"accepted": …, "cause": …, "position": …}`. The API's secret
is in the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any, Self

from mintgate.contract.errors import Refusal
from mintgate.verify import RemoteState, StateUnavailable, connect

SECRET_VARIABLE = "API_SECRET"


def main(issuer: str, database: str, **options: Any) -> None:
    now = 0.0
    verifier = connect(
        issuer,
        api="DomainAPI",
        secret=os.environ[SECRET_VARIABLE],
        database=database,
        clock=lambda: now,
        **options,
    )
    state = verifier._state
    assert isinstance(state, RemoteState)
    state._clock = lambda: now
    for line in sys.stdin:
        question = json.loads(line)
        now = question["now"]
        try:
            verifier.verify(question["token"], "DomainAPI")
            answer = {"accepted": True, "cause": ""}
        except Refusal as refusal:
            answer = {"accepted": False, "cause": refusal.cause}
        except StateUnavailable as error:
            answer = {"accepted": None, "cause": str(error)}
        answer |= {"position": state._position, "following": state.is_fresh}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class VerifierProcess:
    """Starts the process and asks it."""

    def __init__(self, issuer: str, database: str, secret: str, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.verifier_process", issuer, database]
            + ([json.dumps(options)] if options else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, SECRET_VARIABLE: secret},
        )

    def ask(self, token: str, now: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"token": token, "now": now}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def accepts(self, token: str, now: float) -> bool:
        return bool(self.ask(token, now)["accepted"])

    def seconds_until_refused(self, token: str, now: float, limit: float = 10.0) -> float:
        """How long the token is still accepted from now on; `limit` when it is not refused."""
        started = time.monotonic()
        while time.monotonic() - started < limit:
            if self.ask(token, now)["accepted"] is False:
                return time.monotonic() - started
            time.sleep(0.02)
        return limit

    def catch_up(self, position: int, token: str, now: float) -> None:
        """Wait until the feed was read up to `position`."""
        deadline = time.monotonic() + 10
        while self.ask(token, now)["position"] < position:
            assert time.monotonic() < deadline, "the feed was not followed"
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], **(json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}))
