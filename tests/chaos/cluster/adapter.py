"""An API in a process of its own, guarded as Python's APIs are: by `connect_guard`.

`python -m tests.chaos.cluster.adapter ISSUER DATABASE STALE_STATE_SECONDS FD`; the API's secret is
in the environment. It answers with a header that tells whether it follows the state feed.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import uvicorn

from mintgate.verify import GuardMiddleware, RemoteState, connect_guard

SECRET_VARIABLE = "API_SECRET"


def main(issuer: str, database: str, stale_state_seconds: str, fd: str) -> None:
    guard = connect_guard(
        issuer,
        api="DomainAPI",
        secret=os.environ[SECRET_VARIABLE],
        database=database,
        stale_state_seconds=float(stale_state_seconds),
    )
    state = guard.verifier._state
    assert isinstance(state, RemoteState)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        follows = scope["follows"] and state.is_fresh
        headers = [(b"x-follows", b"1" if follows else b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"[]"})

    guarded = GuardMiddleware(answer, guard)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        # Before the token is looked at, and after it.
        await guarded({**scope, "follows": state.is_fresh}, receive, send)

    uvicorn.run(app, fd=int(fd), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
