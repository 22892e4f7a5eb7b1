"""A batch taken apart: which of its parts may go on, and how the answers come together again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mintgate.contract.errors import UnreadableAnswer
from mintgate.contract.request_target import Headers
from mintgate.verify.api_request import Admission
from mintgate.verify.batch.envelope import (
    NOT_HANDED_ON,
    accepted_by,
    format_of,
    host_of,
    preferences_of,
    units_of,
)
from mintgate.verify.batch.judging import Judge, RefusedPart
from mintgate.verify.batch.parts import Answered, BatchLimits, Format, Unit, ambiguous
from mintgate.verify.batch.targets import Places
from mintgate.verify.guard import Guard

HttpAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]


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
    judge = Judge(guard, admission, Places(admission.path, host_of(headers)), form)
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
    handed_on = [pair for pair in headers if pair[0] not in NOT_HANDED_ON]
    written = None
    if permitted:
        content_type, written = form.write(permitted)
        handed_on += [
            (b"content-type", content_type),
            (b"content-length", str(len(written)).encode()),
            (b"accept", accepted_by(headers, form)),
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
