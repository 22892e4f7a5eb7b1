"""A batch taken apart: which of its parts may go on, and how the answers come together again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mintgate.contract.errors import FailedDependency, NotABatch, Refusal, UnreadableAnswer
from mintgate.contract.request_target import Headers
from mintgate.verify.batch import mime
from mintgate.verify.batch.json_format import JSON, JsonBatch
from mintgate.verify.batch.multipart import Multipart
from mintgate.verify.batch.parts import (
    Answered,
    BatchLimits,
    Format,
    Part,
    Reply,
    Unit,
    ambiguous,
)
from mintgate.verify.batch.targets import RESERVED_IDS, Places, plain_headers, references_in
from mintgate.verify.guard import Admission, Guard
from mintgate.verify.refusals import refusal_response

HttpAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]
_CONTINUE = re.compile(r"((?:odata\.)?continue-on-error)(?:\s*=\s*\"?(true|false)\"?)?", re.I)
_PREFERENCE = re.compile(r'(?:[^,"]|"[^"]*")+')
_ASYNC = re.compile(r"(?:odata\.)?respond-async", re.I)
_NOT_HANDED_ON = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-md5",
        b"content-digest",
        b"digest",
        b"transfer-encoding",
        b"trailer",
        b"expect",
        b"range",
        b"accept",
        b"accept-encoding",  # what comes back is read here
        b"prefer",
    }
)


class RefusedPart(msgspec.Struct, frozen=True):
    """What a log is told of a part that was refused by itself.

    Args:
        path: from the server's root; that of the batch when the part's own could not be read.
        query: without the question mark.
    """

    method: str
    path: str
    query: str
    refusal: Refusal


class Plan(msgspec.Struct, kw_only=True):
    """What becomes of one batch.

    Args:
        request_headers: those of the batch for the application behind: the caller's, except
            what belonged to the body that it sent.
        body: the permitted parts, written anew; None when there are none.
        refused: the parts that were refused by themselves, in order.
    """

    request_headers: list[tuple[bytes, bytes]]
    body: bytes | None
    refused: list[RefusedPart]
    _format: Format
    _units: tuple[Unit, ...]
    _refusals: dict[int, Answered]
    _goes_on: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing was refused: the answer of the application is the answer."""
        return not self._refusals and self.body is not None

    @property
    def refusal_only(self) -> HttpAnswer | None:
        """The finished answer when no part goes on, and no session is to be opened [API-32]."""
        if self.body is not None:
            return None
        return self._written(200, [], list(self._refusals.values()))

    def merge(self, status: int, headers: Headers, body: bytes) -> HttpAnswer:
        """The application's answer with the refused parts in it, in the order of the batch.

        An answer that is an error as a whole stays as it is.

        Args:
            headers: names in lower case.

        Raises:
            UnreadableAnswer: it is no answer to what the application was given.
        """
        if self.is_whole or not 200 <= status < 300:
            return status, list(headers), body
        named: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in {b"content-type", b"content-encoding"} and name in named:
                raise UnreadableAnswer(cause="the answer to the batch has a header twice")
            named[name] = value
        if named.get(b"content-encoding", b"identity") != b"identity":
            raise UnreadableAnswer(cause="the answer to the batch is compressed")
        given = [n for n in range(len(self._units)) if n not in self._refusals]
        found = self._format.read_answers(
            named.get(b"content-type", b""), body, [self._units[n] for n in given]
        )
        answers = self._in_order(dict(zip(given, found, strict=True)))
        replaced = {
            b"content-type",
            b"content-length",
            b"transfer-encoding",
            b"etag",
            b"content-md5",
            b"content-digest",
            b"digest",
        }
        kept = [pair for pair in headers if pair[0] not in replaced]
        return self._written(status, kept, answers)

    def _in_order(self, found: dict[int, Answered | None]) -> list[Answered]:
        in_row = [found[index] for index in sorted(found)]
        # §8.2.8.3: it has stopped at a failure, which is the last answer then.
        has_stopped = None in in_row or (in_row[-1] is not None and in_row[-1].failed)
        answers: list[Answered] = []
        for index in range(len(self._units)):
            refusal = self._refusals.get(index)
            answer = refusal if refusal is not None else found[index]
            if answer is None and not self._format.has_names:
                break  # the place in the row tells whose answer it is: nothing may follow
            if answer is None or (refusal is not None and has_stopped and not self._goes_on):
                continue
            answers.append(answer)
        return answers

    def _written(
        self, status: int, headers: list[tuple[bytes, bytes]], answers: list[Answered]
    ) -> HttpAnswer:
        content_type, body = self._format.write_answers(answers)
        headers += [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
        ]
        if all(name != b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        if all(name != b"odata-version" for name, _ in headers):
            headers.append((b"odata-version", b"4.0"))
        return status, headers, body


def take_apart(
    guard: Guard,
    admission: Admission,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    limits: BatchLimits,
) -> Plan:
    """Judge each part of a batch alone [API-32] (OData 4.01 part 1 §11.7).

    Args:
        admission: of the batch itself.
        headers: of the batch, names in lower case.

    Raises:
        NotABatch, BatchTooLarge: it is something else, or too much.
        AmbiguousRequest: it is malformed, or two readers could find other requests in it.
    """
    if admission.path.endswith("/"):
        raise ambiguous("has an address that ends in a slash, so that relative ones differ")
    form = format_of(headers)
    units = units_of(form, body, limits)
    prefer, goes_on = preferences_of(headers)
    judge = _Judge(guard, admission, Places(admission.path, host_of(headers)), form)
    permitted: list[Unit] = []
    kept: list[Unit] = []
    refusals: dict[int, Answered] = {}
    for index, unit in enumerate(units):
        allowed, refusal = judge.judged(unit)
        kept.append(allowed or unit)
        if allowed is not None:
            permitted.append(allowed)
            continue
        if refusal is not None:
            refusals[index] = refusal
        if not goes_on:
            break  # §8.2.8.3: nothing after the first failure is carried out
    handed_on = [pair for pair in headers if pair[0] not in _NOT_HANDED_ON]
    written = None
    if permitted:
        content_type, written = form.write(permitted)
        handed_on += [
            (b"content-type", content_type),
            (b"content-length", str(len(written)).encode()),
            (b"accept", _accepted(headers, form)),
            *([(b"prefer", prefer)] if prefer else []),
        ]
    return Plan(
        request_headers=handed_on,
        body=written,
        refused=judge.refused,
        _format=form,
        _units=tuple(kept),
        _refusals=refusals,
        _goes_on=goes_on,
    )


def format_of(headers: Headers) -> Format:
    """In which format a batch is.

    Raises:
        NotABatch: in none of the two.
        AmbiguousRequest: the header that says so is malformed or there twice.
    """
    given = [value for name, value in headers if name == b"content-type"]
    encoded = [value for name, value in headers if name == b"content-encoding"]
    if any(value.strip().lower() != b"identity" for value in encoded):
        raise NotABatch(cause="the batch is compressed")
    if len(given) != 1:
        raise NotABatch(cause=f"{len(given)} Content-Type headers")
    kind, parameters = mime.media_type_of(given[0], ambiguous)
    if kind == b"multipart/mixed":
        return Multipart(mime.boundary_of(parameters, ambiguous))
    if kind == JSON:
        if parameters.get(b"charset", b"utf-8").lower() != b"utf-8":
            raise ambiguous("is in another charset than UTF-8")
        return JsonBatch(given[0].strip())
    raise NotABatch(cause="another media type")


def units_of(form: Format, body: bytes, limits: BatchLimits) -> tuple[Unit, ...]:
    """The requests of a batch, each of which a reference can name in one way only.

    Raises:
        BatchTooLarge, AmbiguousRequest: see `take_apart`.
    """
    units = form.read(body, limits.parts)
    ids = [part.id for unit in units for part in unit.parts if part.id is not None]
    if len(set(ids)) != len(ids):
        raise ambiguous("has two requests with one id")
    if any(name.casefold() in RESERVED_IDS for name in ids):
        raise ambiguous("has an id that OData uses itself")
    return units


class _Judge:
    """Goes through the units of one batch in order."""

    def __init__(self, guard: Guard, admission: Admission, places: Places, form: Format) -> None:
        self._guard = guard
        self._admission = admission
        self._places = places
        self._form = form
        self._earlier: set[str] = set()
        self._failed: set[str] = set()
        self.refused: list[RefusedPart] = []

    def judged(self, unit: Unit) -> tuple[Unit | None, Answered | None]:
        """The unit as it is handed on, or else what answers it."""
        found: list[Part | Refusal] = []
        for part in unit.parts:
            found.append(self._part(part))
            if part.id is not None:
                self._earlier.add(part.id)
        refusals = [one for one in found if isinstance(one, Refusal)]
        if not refusals:
            parts = tuple(one for one in found if isinstance(one, Part))
            return Unit(parts, unit.group), None
        # A change set fails whole: its other requests fail because of the refused ones.
        self._failed.update(part.id for part in unit.parts if part.id is not None)
        if unit.group:
            self._failed.add(unit.group)
        replies = [
            self._reply(one if isinstance(one, Refusal) else FailedDependency()) for one in found
        ]
        first = next(one for one in found if isinstance(one, Refusal))
        if unit.group == "":
            replies = [self._reply(first)] * len(found)
        return None, self._form.answered(unit, replies)

    def _part(self, part: Part) -> Part | Refusal:
        path = self._admission.path
        try:
            waits_for = {*part.depends_on, *references_in(part.condition or "")}
            target = self._places.target_of(part, self._earlier)
            path = target.path or path
            headers = plain_headers(part.headers)
            if part.method in {"GET", "HEAD"} and part.body:
                raise ambiguous("has a GET with a body")
            if target.path is None:
                waits_for.add(part.url[1:].partition("?")[0].partition("/")[0])
                self._guard.judge_reference(self._admission, part.method)
            else:
                self._guard.judge(self._admission, part.method, target.path)
            if not waits_for.isdisjoint(self._failed):
                return FailedDependency()
        except Refusal as refusal:
            query = part.url.partition("?")[2]
            self.refused.append(RefusedPart(part.method, path, query, refusal))
            return refusal
        if target.url.startswith("/") and self._places.host:
            headers = (*headers, (b"host", self._places.host))
        return msgspec.structs.replace(part, url=target.url, headers=headers)

    def _reply(self, refusal: Refusal) -> Reply:
        return Reply(*refusal_response(refusal, self._guard.audience))


def _accepted(headers: Headers, form: Format) -> bytes:
    """The client's own wish, where it is for the same format: it may tell how numbers look."""
    given = [value for name, value in headers if name == b"accept"]
    kind = given[0].partition(b";")[0].strip().lower() if len(given) == 1 else b""
    return given[0] if kind == form.accept and b"," not in given[0] else form.accept


def host_of(headers: Headers) -> bytes:
    hosts = [value for name, value in headers if name == b"host"]
    return hosts[0] if len(hosts) == 1 else b""


def preferences_of(headers: Headers) -> tuple[bytes, bool]:
    """What is handed on of `Prefer`, and whether a batch goes on after a failure (§8.2.8.3).

    RFC 7240 §2: of a preference that is there twice, the first one counts.
    """
    kept: list[str] = []
    goes_on: bool | None = None
    spelling = ""
    for name, value in headers:
        if name != b"prefer":
            continue
        for preference in _PREFERENCE.findall(value.decode("latin-1")):
            text = preference.strip()
            found = _CONTINUE.fullmatch(text)
            if found is not None:
                if goes_on is None:
                    spelling, goes_on = found[1], (found[2] or "true").lower() == "true"
            # An answer that comes later, at another place, could not be put together here.
            elif text and not _ASYNC.match(text):
                kept.append(text)
    if goes_on:
        kept.append(spelling)  # some know only the name of 4.0, some only that of 4.01
    return ", ".join(kept).encode("latin-1"), bool(goes_on)
