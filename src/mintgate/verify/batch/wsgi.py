"""A batch before a WSGI application: its body read, replaced, and the answer completed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from mintgate.contract.errors import UnreadableAnswer
from mintgate.verify.batch.judging import RefusedPart
from mintgate.verify.batch.parts import BatchLimits, too_large
from mintgate.verify.batch.plan import HttpAnswer, Plan

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Refused = Callable[[UnreadableAnswer], HttpAnswer]
_CHUNK = 65_536


def body_of(environ: WSGIEnvironment, limits: BatchLimits) -> bytes:
    """The body of a batch.

    Raises:
        BatchTooLarge: it has more bytes than a batch may have.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        left = int(length)
    elif environ.get("wsgi.input_terminated"):
        left = limits.body_bytes + 1
    else:
        return b""  # PEP 3333: without a length there is nothing that may be read
    if length and left > limits.body_bytes:
        raise too_large(limits)
    body = bytearray()
    while left > 0 and (piece := environ["wsgi.input"].read(min(left, _CHUNK))):
        body += piece
        left -= len(piece)
    if len(body) > limits.body_bytes:
        raise too_large(limits)
    return bytes(body)


def replace_body(environ: WSGIEnvironment, plan: Plan) -> None:
    """Give the application the permitted parts instead of what was sent."""
    kept = {_key(name): value.decode("latin-1") for name, value in plan.request_headers}
    for key in [key for key in environ if key.startswith("HTTP_") and key not in kept]:
        del environ[key]
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_ACCEPT", "HTTP_PREFER"):
        if key in kept:
            environ[key] = kept[key]
    environ["wsgi.input"] = io.BytesIO(plan.body or b"")


def environ_of(part: RefusedPart, environ: WSGIEnvironment) -> WSGIEnvironment:
    """The environ that a part would have as a request by itself, for a log."""
    raw_names = ("RAW_URI", "REQUEST_URI")  # they name the batch
    return {
        **{name: value for name, value in environ.items() if name not in raw_names},
        "REQUEST_METHOD": part.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": part.path.encode().decode("latin-1"),
        "QUERY_STRING": part.query,
    }


class Completed:
    """An application whose answer is put together with the refused parts of its batch.

    Args:
        plans: those of the batch, known when the application begins to answer; the first one
            has seen what the client sent.
        refused: what is answered when the application's answer cannot be read.
    """

    def __init__(
        self,
        app: WSGIApplication,
        plans: Callable[[], Sequence[Plan]],
        refused: Refused,
        limits: Callable[[], BatchLimits],
    ) -> None:
        self._app = app
        self._plans = plans
        self._refused = refused
        self._limits = limits

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told: list[tuple[str, list[tuple[str, str]]]] = []
        body = bytearray()

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            if any(not plan.is_whole for plan in self._plans()):
                told[:] = [(status, headers)]
                return body.extend
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        pieces = self._app(environ, start)
        if all(plan.is_whole for plan in self._plans()):
            return pieces
        most = self._limits().answer_bytes
        try:
            for piece in pieces:
                if len(body) <= most:
                    body += piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        status, headers, merged = self._merged(*told[0], bytes(body))
        start_response(f"{status} {_phrase(status)}", headers)
        return [merged]

    def _merged(
        self, line: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        raw = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
        try:
            if len(body) > self._limits().answer_bytes:
                raise UnreadableAnswer(cause="the answer to the batch is too long")
            answer = merged(self._plans(), int(line[:3]), raw, body)
        except UnreadableAnswer as refusal:
            answer = self._refused(refusal)
        status, answered, body = answer
        return status, [(n.decode("latin-1"), v.decode("latin-1")) for n, v in answered], body


def merged(
    plans: Sequence[Plan], status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> HttpAnswer:
    """An answer with what each plan refused; the last plan's application gave it.

    Raises:
        UnreadableAnswer: see `Plan.merge`.
    """
    answer = (status, headers, body)
    for plan in reversed(plans):
        answer = plan.merge(*answer)
    return answer


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Answer"
