"""Whether the parts of a batch may go on, each by itself [API-32]."""

from __future__ import annotations

import msgspec

from mintgate.contract.errors import FailedDependency, Refusal
from mintgate.verify.api_request import Admission
from mintgate.verify.batch.parts import Answered, Format, Part, Reply, Unit, ambiguous
from mintgate.verify.batch.targets import Places, plain_headers, references_in
from mintgate.verify.guard import Guard
from mintgate.verify.refusals import refusal_response


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


class Judge:
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
