"""What does no check: a handler that answers 204, and an upstream that answers with a document."""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from mintgate.gate.listener import server_config
from mintgate.gate.settings import ListenerSettings
from mintgate.server.listening import MAX_HEADER_BYTES, MAX_HEADERS
from mintgate.verify.asgi import Application

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


def as_serve_listens(app: Application, port: int) -> uvicorn.Config:
    """By the listener of `mintgate serve`, whose checks of a request's form everybody pays for."""
    settings = ListenerSettings(max_header_bytes=MAX_HEADER_BYTES, max_headers=MAX_HEADERS)
    return server_config(app, settings, date_header=True, host="127.0.0.1", port=port)


def plain(app: Application, port: int) -> uvicorn.Config:
    """By uvicorn alone, which does not check the form."""
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        lifespan="off",
    )


HANDLERS = {
    "nothing": (nothing, as_serve_listens),
    "nothing-plain": (nothing, plain),
    "document": (document, plain),
}


def main() -> None:
    app, listens = HANDLERS[sys.argv[1]]
    config = listens(app, int(sys.argv[2]))
    config.lifespan = "off"
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
