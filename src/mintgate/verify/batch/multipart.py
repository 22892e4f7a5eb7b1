"""The multipart format of a batch (OData 4.01 part 1 §11.7.7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from mintgate.contract.errors import FailedDependency, UnreadableAnswer
from mintgate.verify.batch import mime
from mintgate.verify.batch.parts import Answered, Headers, Part, Reply, Unit, ambiguous, too_many

_REQUEST_LINE = re.compile(rb"([A-Za-z]{1,16}) ([\x21-\x7e]{1,8192}) HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_HTTP = b"application/http"
_MIXED = b"multipart/mixed"
_ENVELOPE = frozenset(
    {b"content-type", b"content-transfer-encoding", b"content-id", b"content-length"}
)
_UNENCODED = frozenset({b"binary", b"8bit", b"7bit"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


class Multipart:
    """Reads and writes one batch.

    Args:
        boundary: the one that its `Content-Type` names.
    """

    accept = _MIXED
    has_names = False

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary

    def read(self, body: bytes, most_parts: int) -> tuple[Unit, ...]:
        units = []
        left = most_parts
        _require_few(body, self._boundary, most_parts)
        for piece in mime.split(body, self._boundary, ambiguous):
            kind, envelope, content = _opened(piece)
            if kind == _MIXED:
                if b"content-id" in envelope:
                    raise ambiguous("has a change set with a Content-ID")
                boundary = _boundary_in(envelope)
                _require_few(content, boundary, most_parts)
                inner = mime.split(content, boundary, ambiguous)
                unit = Unit(tuple(_request_in_set(one) for one in inner), "")
            else:
                unit = Unit((_request(envelope, content),))
            left -= len(unit.parts)
            if left < 0:
                raise too_many(most_parts)
            units.append(unit)
        return tuple(units)

    def write(self, units: Sequence[Unit]) -> tuple[bytes, bytes]:
        parts = []
        for unit in units:
            written = [_written_request(part) for part in unit.parts]
            parts += [_change_set(written, b"changeset")] if unit.group is not None else written
        return _whole(parts, b"batch")

    def message_of(self, part: Part) -> tuple[Headers, bytes]:
        return part.headers, part.body or b""

    def read_answers(
        self, content_type: bytes, body: bytes, units: Sequence[Unit]
    ) -> list[Answered | None]:
        kind, parameters = mime.media_type_of(content_type, _unreadable)
        if kind != _MIXED:
            raise _unreadable(f"is {kind.decode('latin-1')[:64]}")
        pieces = mime.split(body, mime.boundary_of(parameters, _unreadable), _unreadable)
        if len(pieces) > len(units):
            raise _unreadable("has more parts than the batch")
        found: list[Answered | None] = [
            _read_answer(piece, unit) for piece, unit in zip(pieces, units, strict=False)
        ]
        # One after the other: what is missing is what did not run any more.
        return found + [None] * (len(units) - len(found))

    def answered(self, unit: Unit, replies: Sequence[Reply]) -> Answered:
        failed = any(reply.status >= 400 for reply in replies)
        if unit.group is None:
            return Answered((_written_reply(unit.parts[0], replies[0]),), failed)
        if failed:
            # §11.7.7.5: one answer stands for a change set that failed, and is not multipart.
            causes = sorted(replies, key=_is_no_cause)
            return Answered((_written_reply(None, causes[0]),), failed)
        both = zip(unit.parts, replies, strict=True)
        written = [_written_reply(part, reply) for part, reply in both]
        return Answered((_change_set(written, b"changesetresponse"),), failed)

    def write_answers(self, answers: Sequence[Answered]) -> tuple[bytes, bytes]:
        pieces = [piece for answer in answers for piece in answer.pieces]
        return _whole(pieces, b"batchresponse")


def _require_few(body: bytes, boundary: bytes, most_parts: int) -> None:
    """Raises BatchTooLarge before anything is made of millions of parts."""
    if body.count(b"--" + boundary) > most_parts + 1:
        raise too_many(most_parts)


def _is_no_cause(reply: Reply) -> tuple[bool, bool]:
    """Whether it did not fail, or failed because of another one."""
    return reply.status < 400, reply.status == FailedDependency.status


def _opened(piece: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """A body part: its media type, its headers and its content."""
    lines, content = mime.head_and_body(piece, ambiguous)
    envelope = mime.once(mime.headers_of(lines, ambiguous), ambiguous)
    if not envelope.keys() <= _ENVELOPE:
        raise ambiguous("has a part with a header that such parts do not have")
    if envelope.get(b"content-transfer-encoding", b"binary").lower() not in _UNENCODED:
        raise ambiguous("has a part with another Content-Transfer-Encoding than binary")
    if envelope.get(b"content-length", str(len(content)).encode()) != str(len(content)).encode():
        raise ambiguous("has a part with another Content-Length than its length")
    kind, _ = mime.media_type_of(envelope.get(b"content-type", b""), ambiguous)
    if kind not in {_HTTP, _MIXED}:
        raise ambiguous("has a part that is neither application/http nor multipart/mixed")
    return kind, envelope, content


def _boundary_in(envelope: dict[bytes, bytes]) -> bytes:
    _, parameters = mime.media_type_of(envelope[b"content-type"], ambiguous)
    return mime.boundary_of(parameters, ambiguous)


def _request_in_set(piece: bytes) -> Part:
    kind, envelope, content = _opened(piece)
    if kind != _HTTP:
        raise ambiguous("has a change set within a change set")
    part = _request(envelope, content)
    if part.method in {"GET", "HEAD"}:
        raise ambiguous("has a change set that reads")  # §11.7.7.2
    return part


def _request(envelope: dict[bytes, bytes], content: bytes) -> Part:
    lines, body = mime.head_and_body(content, ambiguous)
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise ambiguous("has a part whose first line is not METHOD URL HTTP/1.1")
    headers = mime.headers_of(lines[1:], ambiguous)
    named = mime.once(headers, ambiguous)
    inside, outside = named.get(b"content-id"), envelope.get(b"content-id")
    if inside is not None and outside is not None and inside != outside:
        raise ambiguous("has a part with two ids")
    given = inside if inside is not None else outside
    if given is not None and not _ID.fullmatch(given):
        raise ambiguous("has a Content-ID of other characters than letters, digits and . _ ~ -")
    method = line[1].decode("ascii")
    return Part(
        method=method,
        url=line[2].decode("ascii"),
        headers=tuple(pair for pair in headers if pair[0] not in {b"content-length"}),
        body=_body(method, named, body),
        id=given.decode("ascii") if given is not None else None,
        id_is_inside=inside is not None,
    )


def _body(method: str, headers: dict[bytes, bytes], body: bytes) -> bytes:
    """The body without the empty lines that many clients write before a boundary."""
    length = headers.get(b"content-length")
    if length is not None:
        if not re.fullmatch(rb"0|[1-9][0-9]{0,9}", length):
            raise ambiguous("has a request with a malformed Content-Length")
        size = int(length)
        if size > len(body) or body[size:].strip(b"\r\n"):
            raise ambiguous("has a request with another Content-Length than its length")
        return body[:size]
    if not body.strip(b"\r\n") and (method in _WITHOUT_BODY or b"content-type" not in headers):
        return b""
    return body


def _written_request(part: Part) -> bytes:
    envelope = [(b"content-type", _HTTP), (b"content-transfer-encoding", b"binary")]
    if part.id is not None and not part.id_is_inside:
        envelope.append((b"content-id", part.id.encode()))
    headers = list(part.headers)
    if part.body:
        headers.append((b"content-length", str(len(part.body)).encode()))
    line = f"{part.method} {part.url} HTTP/1.1\r\n".encode("ascii")
    return (
        mime.header_lines(envelope)
        + b"\r\n"
        + line
        + mime.header_lines(headers)
        + b"\r\n"
        + (part.body or b"")
    )


def _written_reply(part: Part | None, reply: Reply) -> bytes:
    envelope = [(b"content-type", _HTTP), (b"content-transfer-encoding", b"binary")]
    headers = [(name.lower(), value) for name, value in reply.headers]
    if part is not None and part.id is not None:
        (headers if part.id_is_inside else envelope).append((b"content-id", part.id.encode()))
    if reply.body and all(name != b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    line = f"HTTP/1.1 {reply.status} {_phrase(reply.status)}\r\n".encode("ascii")
    return (
        mime.header_lines(envelope)
        + b"\r\n"
        + line
        + mime.header_lines(headers)
        + b"\r\n"
        + reply.body
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _change_set(parts: list[bytes], kind: bytes) -> bytes:
    content_type, body = _whole(parts, kind)
    return mime.header_lines([(b"content-type", content_type)]) + b"\r\n" + body


def _whole(parts: list[bytes], kind: bytes) -> tuple[bytes, bytes]:
    boundary = mime.new_boundary(kind)
    return _MIXED + b"; boundary=" + boundary, mime.joined(parts, boundary)


def _read_answer(piece: bytes, unit: Unit) -> Answered:
    lines, content = mime.head_and_body(piece, _unreadable)
    envelope = mime.once(mime.headers_of(lines, _unreadable), _unreadable)
    kind, parameters = mime.media_type_of(envelope.get(b"content-type", b""), _unreadable)
    if kind == _HTTP:
        status = _status_of(content)
        if unit.group is not None and len(unit.parts) > 1 and status < 400:
            raise _unreadable("has one good answer to a change set of several requests")
        return Answered((piece,), status >= 400)
    if kind != _MIXED or unit.group is None:
        raise _unreadable("has a part of another kind than was asked")
    inner = mime.split(content, mime.boundary_of(parameters, _unreadable), _unreadable)
    if len(inner) > len(unit.parts):
        raise _unreadable("has more answers to a change set than requests")
    statuses = []
    for one in inner:
        lines, content = mime.head_and_body(one, _unreadable)
        named = mime.once(mime.headers_of(lines, _unreadable), _unreadable)
        if mime.media_type_of(named.get(b"content-type", b""), _unreadable)[0] != _HTTP:
            raise _unreadable("has a change set with something else than answers")
        statuses.append(_status_of(content))
    return Answered((piece,), any(status >= 400 for status in statuses))


def _status_of(message: bytes) -> int:
    lines, _ = mime.head_and_body(message, _unreadable)
    line = _STATUS_LINE.fullmatch(lines[0])
    if line is None:
        raise _unreadable("has a part whose first line is no status")
    mime.headers_of(lines[1:], _unreadable)
    return int(line[1])


def _unreadable(what: str) -> UnreadableAnswer:
    return UnreadableAnswer(cause=f"the answer to the batch {what}")
