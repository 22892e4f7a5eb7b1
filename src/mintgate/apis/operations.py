"""One DomainAPI request after authentication: may the caller do it, and what is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.apis import security_records, writing
from mintgate.apis.answering import ODATA_JSON, body_of, json_response, language_of
from mintgate.apis.change import Change
from mintgate.apis.odata import bodies, metadata, parameters
from mintgate.apis.odata.address import METHODS, Address, address_of
from mintgate.apis.odata.parameters import Parameters, parameters_of
from mintgate.apis.odata.problems import BadRequest, MethodNotAllowed, NotFound
from mintgate.apis.odata.shape import shape_of
from mintgate.apis.reading import Reader
from mintgate.contract import policy
from mintgate.contract.clock import Clock
from mintgate.contract.errors import Forbidden, InsufficientScope
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.store import Database, Transaction
from mintgate.store.records import ENTITY_SETS, EntitySet
from mintgate.store.records.literals import guid_of
from mintgate.verify.principal import Principal

_ALL_METHODS = tuple(sorted(policy.DOMAIN_API_METHODS))
_ALLOWED_OPTIONS = {
    "service": parameters.FOR_DOCUMENTS,
    "metadata": parameters.FOR_DOCUMENTS,
    "set": parameters.FOR_LISTS,
    "count": parameters.FOR_COUNTS,
    "entity": parameters.FOR_ENTITIES,
}


class Work(msgspec.Struct, frozen=True):
    """A change that is allowed and understood, and waits for its transaction.

    Args:
        run: makes it, and answers; it may run a second time.
    """

    change: Change
    run: Callable[[Transaction], Response]

    @property
    def entity(self) -> str:
        """The relative address of what it makes or changes."""
        return f"{self.change.entity_set.name}({self.change.key})"


class Operations:
    """Answers requests over one instance's data; see `DomainApi` for the arguments."""

    def __init__(
        self,
        instance: Instance,
        database: Database,
        clock: Clock,
        hash_password: Callable[[str], str] | None,
    ) -> None:
        self._instance = instance
        self._database = database
        self._clock = clock
        self._hash_password = hash_password

    async def answer(self, request: Request, path: str, principal: Principal) -> Response:
        """The answer to an operation that is allowed.

        Args:
            path: below the API's mount point.

        Raises:
            Refusal: the caller may not do it [API-15].
            ODataProblem: the request is wrong in itself.
        """
        address, entity_set = _addressed(request.method, path, principal)
        if entity_set is None:
            return self._document(request, address)
        if request.method in policy.SAFE_METHODS:
            return await self._read(request, address, entity_set, principal)
        work = await self._work(request, address, entity_set, principal)
        return await self._database.write(work.run)

    async def work_of(self, request: Request, path: str, principal: Principal) -> Work:
        """What a request of a change set does, for one transaction with the others.

        Raises:
            Refusal, ODataProblem: see `answer`.
        """
        address, entity_set = _addressed(request.method, path, principal)
        if entity_set is None or request.method in policy.SAFE_METHODS:
            raise BadRequest("A change set takes requests that change entities only.")
        return await self._work(request, address, entity_set, principal)

    def _document(self, request: Request, address: Address) -> Response:
        parameters_of(request.scope["query_string"], parameters.FOR_DOCUMENTS)
        if address.target == "metadata":
            return Response(metadata.metadata_document(), media_type="application/xml")
        return _json(metadata.service_document(self._instance.odata_root))

    async def _read(
        self, request: Request, address: Address, entity_set: EntitySet, principal: Principal
    ) -> Response:
        options = parameters_of(request.scope["query_string"], _ALLOWED_OPTIONS[address.target])
        reader = self._reader(request, options, principal)
        if address.target == "entity":
            key = _key_of(address)
            return _json(
                await self._database.read(lambda c: reader.entity(c, entity_set, key, options))
            )
        if address.target == "count":
            total = await self._database.read(lambda c: reader.count(c, entity_set, options))
            return Response(str(total), media_type="text/plain")
        return _json(await self._database.read(lambda c: reader.entities(c, entity_set, options)))

    async def _work(
        self, request: Request, address: Address, entity_set: EntitySet, principal: Principal
    ) -> Work:
        await self._require_administrator(address, principal)
        options = parameters_of(request.scope["query_string"], parameters.FOR_ENTITIES)
        key = _key_of(address) if address.target == "entity" else None
        change = Change(
            instance_id=self._instance.id,
            entity_set=entity_set,
            key=key or new_guid(),
            principal=principal,
        )
        if request.method == "DELETE":
            return Work(change, partial(_done, writing.delete, change))
        shape_of(entity_set, options.system.get("$select"), options.system.get("$expand"))
        change = await self._with_body(request, change)
        if request.method != "POST":
            return Work(change, partial(_done, writing.update, change))
        reader = self._reader(request, options, principal)

        def insert(tx: Transaction) -> Response:
            writing.insert(tx, change)
            body = reader.entity(tx.connection, entity_set, change.key, options)
            return _json(body, 201, {"Location": self._instance.odata_root + work.entity})

        work = Work(change, insert)
        return work

    async def _with_body(self, request: Request, change: Change) -> Change:
        """The change with the values of the request's body."""
        body = bodies.decode(request.headers.get("content-type", ""), await body_of(request))
        is_partial = request.method == "PATCH"
        read = bodies.changed_values if is_partial else bodies.new_values
        values = read(change.entity_set, body)
        wanted = values.pop("Id", None)
        if values.get("Password", "") is None and request.method != "POST":
            raise BadRequest("Password can be changed and not be removed.")
        password = values.pop("Password", None)
        hashed = None
        if password is not None:
            if self._hash_password is None:
                raise BadRequest("Password cannot be set here.")
            hashed = await asyncio.to_thread(self._hash_password, password)
        is_new = request.method == "POST" and wanted is not None
        return msgspec.structs.replace(
            change,
            key=wanted if is_new else change.key,
            values=values,
            hashed_password=hashed,
        )

    async def _require_administrator(self, address: Address, principal: Principal) -> None:
        if not policy.is_security_set(address.entity_set):
            return
        is_administrator = partial(
            security_records.is_administrator,
            instance_id=self._instance.id,
            principal=principal,
            now=self._clock(),
        )
        # Asked again in the transaction; here, so that nobody else makes the server work.
        if not await self._database.read(is_administrator):
            raise Forbidden(security_records.NO_ADMINISTRATOR)

    def _reader(self, request: Request, options: Parameters, principal: Principal) -> Reader:
        language = language_of(request, options.other.get("culture"), principal)
        return Reader(self._instance.id, self._instance.odata_root, language, self._clock())


def _addressed(method: str, path: str, principal: Principal) -> tuple[Address, EntitySet | None]:
    """What a path names, once it is clear that the caller may do this there."""
    if method not in policy.DOMAIN_API_METHODS:
        raise MethodNotAllowed(_ALL_METHODS)
    address = address_of(path)
    _authorize(method, address, principal)
    if method not in METHODS[address.target]:
        raise MethodNotAllowed(METHODS[address.target])
    if address.target == "batch":
        raise BadRequest("A $batch has no $batch in it.")
    if address.entity_set is None:
        return address, None
    entity_set = ENTITY_SETS.get(address.entity_set)
    if entity_set is None:
        raise NotFound("There is no entity set with this name.")
    return address, entity_set


def _done(
    write: Callable[[Transaction, Change], None], change: Change, tx: Transaction
) -> Response:
    write(tx, change)
    return Response(status_code=204)


def _authorize(method: str, address: Address, principal: Principal) -> None:
    needed = policy.needed_scopes(method, address.entity_set)
    missing = policy.missing_scope(needed, principal.permissions)
    if missing is not None:
        raise InsufficientScope(needed=missing)


def _key_of(address: Address) -> str:
    key = guid_of(address.key or "")
    if key is None:
        raise NotFound("There is no entity with this id.")
    return key


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(body, status, headers, ODATA_JSON)
