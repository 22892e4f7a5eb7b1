"""`POST $batch` of the DomainAPI: requests one after the other, change sets all or nothing.

OData 4.01 part 1 §11.7. The guard in front has taken out what it refuses [API-32]; each request
is checked here again like one that comes by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mintgate.apis.errors import FORESEEN, problem_response
from mintgate.apis.odata.address import path_below
from mintgate.apis.odata.problems import NotBuilt, TooLarge
from mintgate.apis.operations import Operations, Work
from mintgate.contract.errors import FailedDependency, Refusal
from mintgate.contract.instance import DOMAIN_API_PATH
from mintgate.contract.policy import is_security_set
from mintgate.contract.request_target import normal_path
from mintgate.store import Database, Transaction, instances
from mintgate.verify.batch import USUAL_LIMITS
from mintgate.verify.batch.asgi import body_of
from mintgate.verify.batch.envelope import format_of, host_of, preferences_of, units_of
from mintgate.verify.batch.json_format import decoded
from mintgate.verify.batch.parts import Answered, Format, Part, Reply, Unit, ambiguous
from mintgate.verify.batch.targets import Places, plain_headers
from mintgate.verify.principal import Principal

AUDIENCE = "DomainAPI"
# What says for a whole batch in which language and for which company it is [API-68, API-69].
_INHERITED = frozenset({b"accept-language", b"cookie"})
MAX_ANSWERS = 16_777_216
"""Bytes of answers after which nothing more is run: all of them are held in memory, and an answer
that is larger than a guard in front reads would be lost, with its changes made."""
_REFERENCE = re.compile(r"\$([A-Za-z0-9._~-]+)")


class Batches:
    """Answers batches through `Operations`."""

    def __init__(self, database: Database, operations: Operations) -> None:
        self._database = database
        self._operations = operations

    async def answer(self, request: Request, principal: Principal) -> Response:
        """The answer to a batch.

        Raises:
            Refusal: it is malformed, or too large.
        """
        form = format_of(request.headers.raw)
        body = await body_of(request.headers.raw, request.receive, USUAL_LIMITS)
        if body is None:
            raise ClientDisconnect
        units = units_of(form, body, USUAL_LIMITS)
        _, goes_on = preferences_of(request.headers.raw)
        run = _Run(self._database, self._operations, form, request, principal)
        answers: list[Answered] = []
        for unit in units:
            answers.append(await run.answered(unit))
            if answers[-1].failed and not goes_on:
                break
        content_type, written = form.write_answers(answers)
        response = Response(written)
        response.headers["Content-Type"] = content_type.decode("latin-1")
        return response


class _Run:
    """One batch on its way."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        form: Format,
        request: Request,
        principal: Principal,
    ) -> None:
        self._database = database
        self._operations = operations
        self._form = form
        self._principal = principal
        self._scope = request.scope
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        self._places = Places(normal_path(raw_path), host_of(request.headers.raw))
        self._inherited = [pair for pair in request.headers.raw if pair[0] in _INHERITED]
        self._entities: dict[str, str] = {}
        self._failed: set[str] = set()
        self._answered_bytes = 0

    async def answered(self, unit: Unit) -> Answered:
        if self._answered_bytes > MAX_ANSWERS:
            error = TooLarge("The answers before this one are as much as a batch may ask for.")
            replies = _failed_replies(error, 0, len(unit.parts))
        elif unit.group is None:
            replies = [await self._single(unit.parts[0])]
        else:
            replies = await self._change_set(unit)
        self._answered_bytes += sum(len(reply.body) for reply in replies)
        answer = self._form.answered(unit, replies)
        if answer.failed:
            self._failed.update(part.id for part in unit.parts if part.id is not None)
            self._failed.update({unit.group} if unit.group else ())
            for name in self._failed:
                self._entities.pop(name, None)
        return answer

    async def _single(self, part: Part) -> Reply:
        try:
            request = self._request(part)
            path = path_below(DOMAIN_API_PATH, request.scope)
            response = await self._operations.answer(request, path, self._principal)
        except Exception as error:  # noqa: BLE001 - one part fails, not the batch
            return _reply(problem_response(error, AUDIENCE))
        if part.id is not None:
            made = response.headers.get("location", request.scope["path"])
            self._entities[part.id] = made.rpartition("/")[2]
        return _reply(response, has_body=part.method != "HEAD")

    async def _change_set(self, unit: Unit) -> list[Reply]:
        works: list[Work] = []
        try:
            for part in unit.parts:
                request = self._request(part)
                path = path_below(DOMAIN_API_PATH, request.scope)
                work = await self._operations.work_of(request, path, self._principal)
                works.append(work)
                if part.id is not None:
                    # Its id is known before it is there, so that the next ones can refer to it.
                    self._entities[part.id] = work.entity
            responses = await self._database.write(partial(_all, works=works))
        except _OneFailed as failed:
            return _failed_replies(failed.cause, failed.index, len(unit.parts))
        except Exception as error:  # noqa: BLE001 - the change set fails, not the batch
            return _failed_replies(error, min(len(works), len(unit.parts) - 1), len(unit.parts))
        return [_reply(response) for response in responses]

    def _request(self, part: Part) -> Request:
        """The request that a part stands for.

        Raises:
            Refusal, ODataProblem: it may not run, or goes nowhere.
        """
        if not self._failed.isdisjoint(part.depends_on):
            raise FailedDependency
        if part.condition is not None:
            raise NotBuilt("`if` is not available.")
        url = part.url
        reference = _REFERENCE.match(url)
        if reference is not None and reference[1] in self._failed:
            raise FailedDependency
        if reference is not None and reference[1] in self._entities:
            url = self._entities[reference[1]] + url[reference.end() :]
        target = self._places.target_of(msgspec.structs.replace(part, url=url), ())
        headers, body = self._form.message_of(part)
        headers = plain_headers(headers)
        own = {name for name, _ in headers}
        path = target.path or ""
        scope = {
            **self._scope,
            "method": part.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": url.partition("?")[2].encode("ascii"),
            "headers": [*headers, *(pair for pair in self._inherited if pair[0] not in own)],
        }
        return Request(scope, _receive_once(self._with_references(body)))

    def _with_references(self, body: bytes) -> bytes:
        """The body with the entities that `$1` stands for in it (§11.7.5)."""
        if b'"$' not in body or not self._entities:
            return body
        return msgspec.json.encode(_bound(decoded(body, ambiguous), self._entities))


class _OneFailed(Exception):
    """A request of a change set failed, and with it all of them."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.index = index
        self.cause = cause


def _all(tx: Transaction, works: list[Work]) -> list[Response]:
    """Every change of a change set, or none: the exception undoes the transaction's part."""
    security = [work.change for work in works if is_security_set(work.change.entity_set.name)]
    if security:
        # Before the rows of other records, which somebody who has the lock may be about to take.
        instances.lock(tx, security[0].instance_id)
    responses = []
    for index, work in enumerate(works):
        try:
            responses.append(work.run(tx))
        except (Refusal, *FORESEEN) as error:
            raise _OneFailed(index, error) from error
    return responses


def _failed_replies(error: Exception, index: int, count: int) -> list[Reply]:
    failed = _reply(problem_response(error, AUDIENCE))
    others = _reply(problem_response(FailedDependency(), AUDIENCE))
    return [failed if n == index else others for n in range(count)]


def _bound(value: Any, entities: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_bound(item, entities) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, item in value.items():
        if isinstance(item, str) and name.endswith(("@odata.id", "@odata.bind", "@id", "@bind")):
            reference = _REFERENCE.fullmatch(item)
            found[name] = entities.get(reference[1], item) if reference else item
        else:
            found[name] = _bound(item, entities)
    return found


def _receive_once(body: bytes) -> Callable[[], Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _reply(response: Response, *, has_body: bool = True) -> Reply:
    response.headers.setdefault("OData-Version", "4.0")
    body = bytes(response.body) if has_body else b""
    headers = [pair for pair in response.raw_headers if has_body or pair[0] != b"content-length"]
    return Reply(response.status_code, headers, body)
