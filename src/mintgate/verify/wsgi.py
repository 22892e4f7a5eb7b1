"""WSGI middleware: no request reaches the application unless every check of it passed.

WSGI (PEP 3333) hands over less than was sent. The path is decoded, so the raw one is taken from
what servers add besides; `-` and `_` in header names are one; repeated headers are joined.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from mintgate.contract.errors import Refusal
from mintgate.contract.request_target import normal_path, not_what_arrived
from mintgate.verify.admitting import (
    Admitted,
    BatchReader,
    admitted,
    as_text,
)
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.batch import USUAL_LIMITS, BatchLimits, RefusedPart
from mintgate.verify.batch.plan import HttpAnswer
from mintgate.verify.batch.wsgi import Completed, body_of, environ_of, replace_body
from mintgate.verify.guard import Guard
from mintgate.verify.refusals import refusal_response

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

    OnRefusal: TypeAlias = Callable[[WSGIEnvironment, Refusal], None]

PRINCIPAL = "mintgate.principal"
"""The environ key under which the application finds the `Principal`; None in a preflight."""
ADMISSION = "mintgate.admission"

_RAW_NAMES = ("RAW_URI", "REQUEST_URI")  # gunicorn, Werkzeug; uWSGI, waitress, Apache
_ORIGIN = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://[^/?#]*")
_CREDENTIALS = frozenset({"HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_API_KEY"})
_UNESCAPED = "/!$&'()*+,;=:@~"


class WsgiGuardMiddleware:
    """Checks every request and puts its principal in the environ.

    Args:
        app: the guarded application.
        guard: what to check by.
        on_refusal: told of each refusal before it is sent, for an audit log. Of a batch it is
            told of each refused part, with the environ that the part would have by itself.
        batch_limits: what one OData batch may be, of which each part is judged alone [API-32].
    """

    def __init__(
        self,
        app: WSGIApplication,
        guard: Guard,
        on_refusal: OnRefusal | None = None,
        batch_limits: BatchLimits = USUAL_LIMITS,
    ) -> None:
        self._app = app
        self._guard = guard
        self._on_refusal = on_refusal
        self._batch_limits = batch_limits

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            found = admitted(self._guard, request_of(environ), batch=self._reader(environ))
        except Refusal as refusal:
            body = _start(self._refused(environ, refusal), start_response)
            # Not every server leaves it out, and then it would be read as the next answer.
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        app = self._app
        if (plan := found.plan) is not None:
            if (finished := plan.refusal_only) is not None:
                return [_start(finished, start_response)]
            replace_body(environ, plan)
            refused = functools.partial(self._refused, environ)
            app = Completed(app, lambda: [plan], refused, lambda: self._batch_limits)
        note(environ, found)
        if found.admission.session is None and not found.admission.headers:
            return app(environ, start_response)
        return finish(app, environ, start_response, [found])

    def _refused(self, environ: WSGIEnvironment, refusal: Refusal) -> HttpAnswer:
        if self._on_refusal is not None:
            self._on_refusal(environ, refusal)
        return refusal_response(refusal, self._guard.audience)

    def _reader(self, environ: WSGIEnvironment) -> BatchReader:
        def note_part(part: RefusedPart) -> None:
            if self._on_refusal is not None:
                self._on_refusal(environ_of(part, environ), part.refusal)

        limits = self._batch_limits
        return BatchReader(functools.partial(body_of, environ, limits), limits, note_part)


def request_of(environ: WSGIEnvironment) -> ApiRequest:
    """The request behind an environ.

    Raises:
        AmbiguousRequest: the path that was sent is not the one that the application is given.
    """
    return ApiRequest(
        environ["REQUEST_METHOD"],
        raw_path_of(environ),
        environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        _headers_of(environ),
        environ.get("REMOTE_ADDR", ""),
    )


def raw_path_of(environ: WSGIEnvironment) -> bytes:
    """The path as it was sent, from the server's root.

    A server that does not tell it leaves the decoded one, which is escaped anew: an escaped slash
    and a plain one cannot be told apart then.

    Raises:
        AmbiguousRequest: what was sent does not decode to what the application is given.
    """
    told = [text for name in _RAW_NAMES if (text := environ.get(name))]
    decoded: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    # Most paths, at once: nothing in them was escaped.
    is_plain = told and "%" not in decoded and decoded[:1] == "/" and decoded.isascii()
    if is_plain and all(text.partition("?")[0] == decoded for text in told):
        return decoded.encode("ascii")
    try:
        given = decoded.encode("latin-1")
        raws = {text.encode("latin-1") for text in told}
    except UnicodeEncodeError:
        raise not_what_arrived("it has characters beyond bytes (PEP 3333)") from None
    if not raws:
        return quote_from_bytes(given or b"/", _UNESCAPED).encode("ascii")
    paths = {_path_in(raw) for raw in raws}
    for path in paths:
        normal_path(path)  # says what is wrong with it, as everywhere
        if (unquote_to_bytes(path) or b"/") != (given or b"/"):
            raise not_what_arrived("the server gave the application another one than was sent")
    if len(paths) > 1:
        raise not_what_arrived("the server tells two of them")
    return paths.pop()


def note(environ: WSGIEnvironment, found: Admitted) -> None:
    """Tell the application who calls, and begin to count its request."""
    environ[PRINCIPAL] = found.admission.principal
    environ[ADMISSION] = found.admission
    if found.admission.session is not None:
        environ["wsgi.input"] = CountedInput(environ["wsgi.input"], found)
        found.start()


def finish(
    app: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    found: list[Admitted],
) -> Iterable[bytes]:
    """Run an application: its answer gets the headers of the admissions and is counted [SES-26].

    Args:
        found: what `note` was told of; the application may add to it until it answers.
    """

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        headers = [*headers, *(pair for one in found for pair in as_text(one.admission.headers))]
        if exc_info is None:  # not every server takes a third argument that says nothing
            write = start_response(status, headers)
        else:
            write = start_response(status, headers, exc_info)
        return _counted(write, found)

    try:
        return CountedBody(app(environ, start), found)
    except BaseException:
        for one in found:
            one.end()
        raise


class CountedBody:
    """The pieces of an answer; the server calls `close` however it ends (PEP 3333)."""

    def __init__(self, pieces: Iterable[bytes], found: list[Admitted]) -> None:
        self._pieces = pieces
        self._iterator: Iterator[bytes] | None = None
        self._found = found
        self._ended = False

    def __iter__(self) -> CountedBody:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._pieces)
        piece = next(self._iterator)
        for one in self._found:
            one.note_bytes(down=len(piece))
        return piece

    def close(self) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
        finally:
            for one in self._found:
                one.end()


class CountedInput:
    """A request's body that counts what is read of it."""

    def __init__(self, stream: InputStream, found: Admitted) -> None:
        self._stream = stream
        self._found = found

    def read(self, size: int = -1, /) -> bytes:
        return self._note(self._stream.read(size) if size >= 0 else self._stream.read())

    def readline(self, size: int = -1, /) -> bytes:
        return self._note(self._stream.readline(size) if size >= 0 else self._stream.readline())

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("read"):
            raise AttributeError(name)  # nothing is read by a way that does not count
        return getattr(self._stream, name)  # what servers have besides, such as `close`

    def _note(self, piece: bytes) -> bytes:
        self._found.note_bytes(up=len(piece))
        return piece


def _headers_of(environ: WSGIEnvironment) -> list[tuple[bytes, bytes]]:
    headers = []
    if environ.get("CONTENT_TYPE"):
        headers.append((b"content-type", environ["CONTENT_TYPE"].encode("latin-1", "replace")))
    for name, value in environ.items():
        if not name.startswith("HTTP_"):
            continue
        encoded = value.encode("latin-1", "replace")
        if name in _CREDENTIALS and "," in value:
            # No token has a comma: a server has joined several headers.
            headers += [(_header_name(name), one) for one in encoded.split(b",")]
        else:
            headers.append((_header_name(name), encoded))
    return headers


@functools.lru_cache(maxsize=256)
def _header_name(name: str) -> bytes:
    return name[5:].replace("_", "-").lower().encode("latin-1", "replace")


def _path_in(raw: bytes) -> bytes:
    """The path of a request target in origin-form or absolute-form (RFC 9112 §3.2)."""
    path = raw.partition(b"?")[0]
    if path.startswith(b"/"):
        return path
    origin = _ORIGIN.match(path)
    return path[origin.end() :] or b"/" if origin else path


def _start(answer: HttpAnswer, start_response: StartResponse) -> bytes:
    status, headers, body = answer
    start_response(f"{status} {HTTPStatus(status).phrase}", as_text(headers))
    return body


def _counted(write: Callable[[bytes], object], found: list[Admitted]) -> Callable[[bytes], object]:
    def counted_write(piece: bytes) -> object:
        for one in found:
            one.note_bytes(down=len(piece))
        return write(piece)

    return counted_write
