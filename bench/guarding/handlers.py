"""What does no check: a handler that answers 204, and an upstream that answers with a document."""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

DOCUMENT = b'{"id":1017,"customer":"000014","lines":[' + b",".join([b'{"n":1}'] * 40) + b"]}"


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def document(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(DOCUMENT)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": DOCUMENT})


def main() -> None:
    config = uvicorn.Config(
        {"nothing": nothing, "document": document}[sys.argv[1]],
        host="127.0.0.1",
        port=int(sys.argv[2]),
        # From here on as `mintgate serve` has it; a change there is a change here.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        lifespan="off",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
