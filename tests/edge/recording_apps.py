"""Applications behind a guard in process, which note what reaches them as `naive` sees it.

`app` is what gunicorn runs, in a process of its own: it writes into the file that the environment
names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mintgate.verify import Guard, WsgiGuardMiddleware, connect_guard
from mintgate.verify.asgi import PRINCIPAL
from tests.edge.naive import Reached

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Note = Callable[[Reached], object]


def asgi_recorder(note: Note) -> Any:
    """An ASGI application that may route by `path` and by `raw_path`."""

    async def recorder(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        if scope["type"] == "http":
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                more = message.get("more_body", False)
        query = scope["query_string"].decode("latin-1")
        paths = [scope["path"], scope["raw_path"].decode("latin-1")]
        principal = scope[PRINCIPAL]
        note(
            Reached(
                scope.get("method", "GET"),
                tuple(f"{path}?{query}" if query else path for path in paths),
                tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]),
                body,
                principal.login if principal is not None else None,
            )
        )
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"7")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        content = b"" if scope["method"] == "HEAD" else b"reached"
        await send({"type": "http.response.body", "body": content})

    return recorder


def wsgi_recorder(note: Note) -> WSGIApplication:
    """A WSGI application that may route by `PATH_INFO` and by what the server adds to it."""

    def recorder(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        targets = [f"{decoded}?{query}" if query else decoded]
        targets += [environ[name] for name in ("RAW_URI", "REQUEST_URI") if name in environ]
        headers = [(n[5:].lower(), v) for n, v in environ.items() if n.startswith("HTTP_")]
        if environ.get("CONTENT_TYPE"):
            headers.append(("content-type", environ["CONTENT_TYPE"]))
        length = environ.get("CONTENT_LENGTH")
        terminated = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read(*([] if terminated else [int(length or 0)]))
        principal = environ["mintgate.principal"]
        login = principal.login if principal is not None else None
        note(
            Reached(environ["REQUEST_METHOD"], tuple(targets), tuple(headers), body, login),
        )
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"reached"]

    return recorder


def guarded_by_issuer(note: Note, environment: Any = os.environ) -> tuple[WSGIApplication, Guard]:
    """The WSGI recorder behind the middleware, which knows its issuer over HTTP only."""
    guard = connect_guard(
        environment["MINTGATE_ISSUER"],
        api="DomainAPI",
        secret=environment["MINTGATE_API_SECRET"],
        database=environment["MINTGATE_DATABASE"],
    )
    return WsgiGuardMiddleware(wsgi_recorder(note), guard), guard


class RecordFile:
    """A file to which one process adds and which another one reads on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        path.touch()

    def note(self, request: Reached) -> None:
        line = json.dumps({**request._asdict(), "body": request.body.decode("latin-1")})
        with self._path.open("a") as file:
            file.write(line + "\n")

    def new(self) -> list[Reached]:
        """What was added since the last time."""
        with self._path.open() as file:
            file.seek(self._read)
            lines = file.readlines()
            self._read = file.tell()
        return [self._one(json.loads(line)) for line in lines]

    @staticmethod
    def _one(found: dict[str, Any]) -> Reached:
        return Reached(
            found["method"],
            tuple(found["targets"]),
            tuple((name, value) for name, value in found["headers"]),
            found["body"].encode("latin-1"),
            found["caller"],
        )


if "MINTGATE_RECORDS" in os.environ:
    app, _ = guarded_by_issuer(RecordFile(Path(os.environ["MINTGATE_RECORDS"])).note)
