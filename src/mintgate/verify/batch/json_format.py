"""The JSON format of a batch (OData JSON Format 4.01 §19)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec

from mintgate.contract.errors import UnreadableAnswer
from mintgate.verify.batch import mime
from mintgate.verify.batch.parts import Answered, Headers, Part, Reply, Unit, ambiguous, too_many

JSON = b"application/json"
_MEMBERS = frozenset(
    {"id", "method", "url", "headers", "body", "atomicityGroup", "dependsOn", "if"}
)
# ABNF `request-id`: unreserved characters (RFC 3986 §2.3).
_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_URL = re.compile(r"[\x21-\x7e]{1,8192}")
_READS = frozenset({"GET", "HEAD"})
_METHOD = re.compile(r"[A-Za-z]{1,16}")


class JsonBatch:
    """Reads and writes one batch.

    Args:
        content_type: as the client wrote it: its parameters tell how numbers are written.
    """

    accept = JSON
    has_names = True

    def __init__(self, content_type: bytes = JSON) -> None:
        self._content_type = content_type

    def read(self, body: bytes, most_parts: int) -> tuple[Unit, ...]:
        whole = decoded(body, ambiguous)
        if not isinstance(whole, dict) or set(whole) != {"requests"}:
            raise ambiguous('is not a JSON object with "requests" alone')
        requests = whole["requests"]
        if not isinstance(requests, list):
            raise ambiguous('has "requests" that are no array')
        if len(requests) > most_parts:
            raise too_many(most_parts)
        units: list[Unit] = []
        known: set[str] = set()
        for request in requests:
            part, group = _part_of(request)
            if part.id in known:
                raise ambiguous("has two requests, or a request and a group, with one name")
            known.add(part.id or "")
            if group is None:
                units.append(Unit((part,)))
            elif units and units[-1].group == group:
                units[-1] = Unit((*units[-1].parts, part), group)
            elif group in known:
                raise ambiguous("has a group that is not in one piece, or named like a request")
            else:
                known.add(group)
                units.append(Unit((part,), group))
            _require_earlier(part, group, known)
        return tuple(units)

    def write(self, units: Sequence[Unit]) -> tuple[bytes, bytes]:
        requests = [_written_request(part, unit.group) for unit in units for part in unit.parts]
        return self._content_type, msgspec.json.encode({"requests": requests})

    def message_of(self, part: Part) -> tuple[Headers, bytes]:
        # §19.1: by its media type the member is the JSON, a text, or bytes as base64url.
        if part.body is None:
            return part.headers, b""
        given = dict(part.headers).get(b"content-type")
        if given is None:
            return (*part.headers, (b"content-type", JSON)), part.body
        kind, _ = mime.media_type_of(given, ambiguous)
        if kind == JSON or kind.endswith(b"+json"):
            return part.headers, part.body
        value = msgspec.json.decode(part.body)
        if not isinstance(value, str):
            raise ambiguous("has a body that must be a string, by its content-type")
        if kind.startswith(b"text/"):
            return part.headers, value.encode()
        try:
            return part.headers, base64.b64decode(
                value + "=" * (-len(value) % 4), b"-_", validate=True
            )
        except ValueError:
            raise ambiguous("has a body that must be base64url, by its content-type") from None

    def read_answers(
        self, content_type: bytes, body: bytes, units: Sequence[Unit]
    ) -> list[Answered | None]:
        kind, _ = mime.media_type_of(content_type, _unreadable)
        if kind != JSON:
            raise _unreadable(f"is {kind.decode('latin-1')[:64]}")
        whole = decoded(body, _unreadable)
        responses = whole.get("responses") if isinstance(whole, dict) else None
        if not isinstance(responses, list) or set(whole) != {"responses"}:
            raise _unreadable('is not a JSON object with "responses" alone')
        by_id: dict[str, dict[str, Any]] = {}
        for response in responses:
            name = _id_of_answer(response)
            if name in by_id:
                raise _unreadable("answers one request twice")
            by_id[name] = response
        if not by_id.keys() <= {part.id for unit in units for part in unit.parts}:
            raise _unreadable("answers what was not asked")
        return [_answered(unit, by_id) for unit in units]

    def answered(self, unit: Unit, replies: Sequence[Reply]) -> Answered:
        both = zip(unit.parts, replies, strict=True)
        pieces = tuple(_written_reply(part, unit.group, reply) for part, reply in both)
        return Answered(pieces, any(reply.status >= 400 for reply in replies))

    def write_answers(self, answers: Sequence[Answered]) -> tuple[bytes, bytes]:
        pieces = [msgspec.Raw(piece) for answer in answers for piece in answer.pieces]
        return JSON, msgspec.json.encode({"responses": pieces})


def decoded(body: bytes, problem: Callable[[str], Exception]) -> Any:
    """JSON whose objects have each member once, with numbers as they were written (RFC 8259 §4).

    Numbers are `msgspec.Raw`: what is written again has every digit.

    Raises:
        problem: it is no such JSON.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise problem("has a JSON object with a member twice")
        return found

    def number(text: str) -> msgspec.Raw:
        return msgspec.Raw(text.encode())

    def constant(text: str) -> NoReturn:
        raise problem("has NaN or Infinity, which JSON does not have")

    try:
        found = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=members,
            parse_float=number,
            parse_int=number,
            parse_constant=constant,
        )
        # Writes half of a surrogate pair in no way, and finds what is nested too deeply.
        msgspec.json.encode(found)
    except (ValueError, RecursionError):
        raise problem("is not JSON in UTF-8") from None
    return found


def _part_of(request: Any) -> tuple[Part, str | None]:
    if not isinstance(request, dict) or not request.keys() <= _MEMBERS:
        raise ambiguous("has a request with a member that requests do not have")
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise ambiguous("has a request without a method")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise ambiguous("has a request without a url, or one that is not percent-encoded")
    group, condition = request.get("atomicityGroup"), request.get("if")
    if "atomicityGroup" in request and not _is_name(group):
        raise ambiguous("has an atomicityGroup that is no name")
    if "if" in request and not isinstance(condition, str):
        raise ambiguous("has an `if` that is no string")
    if not _is_name(request.get("id")):
        raise ambiguous("has a request without an id of letters, digits and . _ ~ -")
    headers = _headers_of(request.get("headers", {}))
    if any(name == b"content-id" for name, _ in headers):
        raise ambiguous("has a request with two ids")
    depends_on = request.get("dependsOn", [])
    if not isinstance(depends_on, list) or not all(_is_name(name) for name in depends_on):
        raise ambiguous("has a dependsOn that is no array of names")
    # Some clients write a body into every request.
    is_bare = request.get("body") is None and ("body" not in request or method.upper() in _READS)
    part = Part(
        method=method.upper(),  # §19.1: these literals are case-insensitive
        url=url,
        headers=headers,
        body=None if is_bare else msgspec.json.encode(request["body"]),
        id=request["id"],
        depends_on=tuple(depends_on),
        condition=condition,
    )
    return part, group


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _headers_of(headers: Any) -> Headers:
    if not isinstance(headers, dict):
        raise ambiguous("has headers that are no object")
    found: dict[bytes, bytes] = {}
    for name, value in headers.items():
        if not isinstance(value, str) or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ambiguous("has a malformed header")
        if name.lower().encode() in found:
            raise ambiguous("has a header twice")
        found[name.lower().encode()] = value.strip(" \t").encode()
    return tuple(found.items())


def _require_earlier(part: Part, group: str | None, known: set[str]) -> None:
    # §19.1: no forward references; a request cannot wait for itself or for its own group.
    if not set(part.depends_on) <= known - {part.id, group}:
        raise ambiguous("has a dependsOn that names no earlier request or group")


def _written_request(part: Part, group: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"id": part.id, "method": part.method.lower(), "url": part.url}
    if group is not None:
        request["atomicityGroup"] = group
    if part.depends_on:
        request["dependsOn"] = part.depends_on
    if part.condition is not None:
        request["if"] = part.condition
    if part.headers:
        request["headers"] = {n.decode("latin-1"): v.decode("latin-1") for n, v in part.headers}
    if part.body is not None:
        request["body"] = msgspec.Raw(part.body)
    return request


def _written_reply(part: Part, group: str | None, reply: Reply) -> bytes:
    headers: dict[str, str] = {}
    for raw_name, raw_value in reply.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name != "content-length":
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    response: dict[str, Any] = {"id": part.id, "status": reply.status}
    if group is not None:
        response["atomicityGroup"] = group
    if headers:
        response["headers"] = headers
    if reply.body:
        response["body"] = _body_member(headers.get("content-type", ""), reply.body)
    return msgspec.json.encode(response)


def _body_member(content_type: str, body: bytes) -> Any:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return msgspec.Raw(body)
    if kind.startswith("text/"):
        return body.decode("utf-8", "replace")
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def _id_of_answer(response: Any) -> str:
    if not isinstance(response, dict) or not isinstance(response.get("id"), str):
        raise _unreadable("has an answer without an id")
    status = response.get("status")
    if not isinstance(status, msgspec.Raw) or not re.fullmatch(rb"[2-5][0-9]{2}", bytes(status)):
        raise _unreadable("has an answer without a status")
    return str(response["id"])


def _answered(unit: Unit, by_id: dict[str, dict[str, Any]]) -> Answered | None:
    found = [by_id[part.id or ""] for part in unit.parts if part.id in by_id]
    if not found:
        return None
    pieces = tuple(msgspec.json.encode(response) for response in found)
    return Answered(pieces, any(int(bytes(response["status"])) >= 400 for response in found))


def _unreadable(what: str) -> UnreadableAnswer:
    return UnreadableAnswer(cause=f"the answer to the batch {what}")
