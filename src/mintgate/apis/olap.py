"""The built-in OLAP API: grouped aggregates over the instance's data [API-36].

ERP.net publishes no protocol of its OLAP; this one is small and of our own. `GET /olap/cubes` lists
the cubes, `/olap/cubes/NAME` their dimensions and measures, `/olap/cubes/NAME/query` computes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mintgate.apis.answering import (
    Answering,
    json_response,
    language_of,
    require_built_in_policy,
)
from mintgate.apis.odata.problems import MethodNotAllowed, NotFound
from mintgate.apis.odata.rendering import of_kind
from mintgate.apis.olap_query import OPTIONS, cube_request, query_of_cube, require_no_options
from mintgate.contract.clock import Clock
from mintgate.contract.instance import OLAP_PATH, Instance
from mintgate.store import Database
from mintgate.store.records import Kind
from mintgate.store.records.aggregates import CubeQuery, aggregate
from mintgate.store.records.cubes import CUBES, Cube, Measure
from mintgate.verify.principal import Principal

AUDIENCE = "OLAP"
_READS = ("GET", "HEAD")
DECIMALS = 6
"""Of an average: more would only show how a database adds up."""
_TYPES = {Kind.BOOLEAN: "boolean", Kind.INTEGER: "integer", Kind.DATE: "date"}


class OlapApi:
    """An ASGI application, mounted at the OLAP's path.

    Args:
        instance: whose data it serves, and whose addresses its answers name.
        clock: is `now()` of a filter; Unix seconds.
    """

    def __init__(self, instance: Instance, database: Database, clock: Clock) -> None:
        self._instance = instance
        self._database = database
        self._clock = clock
        self._root = f"{instance.base_url}{OLAP_PATH}/cubes"
        self._answering = Answering(AUDIENCE, OLAP_PATH, self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(scope, receive, send)

    async def _answer(self, request: Request, path: str, principal: Principal) -> Response:
        require_built_in_policy(AUDIENCE, request, path, principal)
        match path.strip("/").split("/"):
            case [""] | ["cubes"]:
                return self._document(request, self._list())
            case ["cubes", name]:
                return self._document(request, self._metadata(self._cube(name)))
            case ["cubes", name, "query"]:
                return await self._query(request, self._cube(name), principal)
        raise NotFound(f"There is nothing at this address. {self._root} lists all cubes.")

    def _cube(self, name: str) -> Cube:
        cube = CUBES.get(name)
        if cube is None:
            raise NotFound(f"There is no cube with this name. {self._root} lists all cubes.")
        return cube

    def _document(self, request: Request, document: dict[str, Any]) -> Response:
        if request.method not in _READS:
            raise MethodNotAllowed(_READS)
        require_no_options(request)
        return json_response(document)

    def _list(self) -> dict[str, Any]:
        return {"value": [{"name": n, "url": f"{self._root}/{n}"} for n in CUBES]}

    def _metadata(self, cube: Cube) -> dict[str, Any]:
        """What a query can name."""
        return {
            "name": cube.name,
            "facts": cube.facts.name,
            "query": f"{self._root}/{cube.name}/query",
            "options": OPTIONS,
            "dimensions": [
                {"name": d.name, "type": _TYPES.get(d.kind, "text")}
                for d in cube.dimensions.values()
            ],
            "measures": [
                {
                    "name": m.name,
                    "aggregate": m.aggregate,
                    "attribute": m.attribute.name if m.attribute else None,
                    "needs": m.needs,
                }
                for m in cube.measures.values()
            ],
        }

    async def _query(self, request: Request, cube: Cube, principal: Principal) -> Response:
        asked = await cube_request(request)
        language = language_of(request, asked.culture, principal)
        query = query_of_cube(asked, language, self._clock())
        groups = await self._database.read(
            partial(aggregate, instance_id=self._instance.id, cube=cube, query=query)
        )
        rows = [_row(cube, query, row) for row in groups.rows]
        return json_response({"cube": cube.name, "value": rows, "more": groups.more})


def _row(cube: Cube, query: CubeQuery, row: dict[str, Any]) -> dict[str, Any]:
    """One group: dimensions first, each value under the name that the query gave it."""
    shown = {n: of_kind(cube.dimensions[n].kind, row[n]) for n in query.dimensions}
    return shown | {n: _measured(cube.measures[n], row[n]) for n in query.measures}


def _measured(measure: Measure, value: Any) -> Any:
    if value is None or measure.attribute is None:
        return value
    kind = measure.attribute.kind
    if kind in {Kind.DATE, Kind.TIME}:
        return of_kind(kind, value)
    number = round(value / 100 if kind is Kind.AMOUNT else value, DECIMALS)
    return int(number) if float(number).is_integer() else number
