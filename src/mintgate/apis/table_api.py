"""The built-in TableAPI: the instance's data as plain tables, for reading [API-34, API-71]."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.answering import (
    ODATA_JSON,
    Answering,
    json_response,
    language_of,
    require_built_in_policy,
)
from mintgate.apis.odata import metadata, paging, parameters
from mintgate.apis.odata.parameters import Parameters, parameters_of
from mintgate.apis.odata.problems import NotFound
from mintgate.apis.odata.rendering import moment_of, plain
from mintgate.apis.odata.shape import shape_of
from mintgate.apis.table_filter import table_filter
from mintgate.contract.clock import Clock
from mintgate.contract.instance import TABLE_API_PATH, Instance
from mintgate.store import Database
from mintgate.store.records import Attribute, EntitySet, Kind, queries
from mintgate.store.records.flat_tables import TABLES
from mintgate.store.records.queries import ListQuery
from mintgate.verify.principal import Principal

AUDIENCE = "TableAPI"
OPTIONS = frozenset({"$filter", "$select", "$top", "$skiptoken", "$format"})
_ROOT = "/odata"
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TableApi:
    """An ASGI application, mounted at the TableAPI's path.

    Args:
        instance: whose data it serves, and whose addresses its answers name.
        clock: Unix seconds.
    """

    def __init__(self, instance: Instance, database: Database, clock: Clock) -> None:
        self._instance = instance
        self._database = database
        self._clock = clock
        self._answering = Answering(
            AUDIENCE, TABLE_API_PATH, self._answer, {"OData-Version": "4.0"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(scope, receive, send)

    async def _answer(self, request: Request, path: str, principal: Principal) -> Response:
        require_built_in_policy(AUDIENCE, request, path, principal)
        name = _name_in(path)
        if name in {"", "$metadata"}:
            parameters_of(request.scope["query_string"], parameters.FOR_DOCUMENTS)
            if name:
                return Response(_metadata(), media_type="application/xml")
            return _odata(metadata.service_document(self._instance.table_root, TABLES))
        table = TABLES.get(name)
        if table is None:
            raise NotFound(
                f"There is no table with this name. {self._instance.table_root} lists all tables."
            )
        options = parameters_of(request.scope["query_string"], OPTIONS)
        query = ListQuery(
            filter=_filter_of(options),
            top=options.number("$top"),
            after=_start_of(options),
            language=language_of(request, options.other.get("culture"), principal),
            now=self._clock(),
        )
        return _odata(
            await self._database.read(
                partial(self._rows, table=table, options=options, query=query)
            )
        )

    def _rows(
        self, connection: Connection, table: EntitySet, options: Parameters, query: ListQuery
    ) -> dict[str, Any]:
        shape = shape_of(table, options.system.get("$select"), None)
        page = queries.page(connection, self._instance.id, table, shape.attributes, query)
        selected = f"({shape.selected})" if shape.selected is not None else ""
        root = self._instance.table_root
        body: dict[str, Any] = {
            "@odata.context": f"{root}$metadata#{table.name}{selected}",
            "value": [
                {a.name: _value(a, row[a.name]) for a in shape.attributes} for row in page.rows
            ],
        }
        if page.more and page.rows:  # [API-65]
            body["@odata.nextLink"] = paging.next_link(
                root + table.name, options, page.rows[-1]["Id"], len(page.rows)
            )
        return body


def _name_in(path: str) -> str:
    """What a path below the mount point names; the service document has no name."""
    if path.rstrip("/") in {"", _ROOT}:
        return ""
    name = path.removeprefix(_ROOT + "/")
    if name == path or not (name == "$metadata" or _TABLE.fullmatch(name)):
        raise NotFound(
            "There is nothing at this address. A table is at /tableapi/odata/Table_Name."
        )
    return name


def _filter_of(options: Parameters) -> Any:
    text = options.system.get("$filter")
    return None if text is None else table_filter(text)


def _start_of(options: Parameters) -> str | None:
    token = options.system.get("$skiptoken")
    return None if token is None else paging.id_before(token)


def _value(column: Attribute, value: Any) -> Any:
    if column.kind is Kind.TIME and value is not None:
        # [API-71] Whole seconds, so that `ge` with a shown time finds its row again.
        return moment_of(value).strftime("%Y-%m-%dT%H:%M:%SZ")
    return plain(column, value)


def _odata(body: object) -> Response:
    return json_response(body, media_type=ODATA_JSON)


@lru_cache(maxsize=1)
def _metadata() -> bytes:
    return metadata.document_of(tuple(TABLES.values()))
