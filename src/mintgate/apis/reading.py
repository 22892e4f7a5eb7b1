"""GET and HEAD of the DomainAPI [API-30]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from mintgate.apis.odata import paging, rendering
from mintgate.apis.odata.filter_text import parse_filter
from mintgate.apis.odata.parameters import Parameters
from mintgate.apis.odata.problems import BadRequest, NotFound
from mintgate.apis.odata.shape import Shape, shape_of
from mintgate.store.records import ENTITY_SETS, EntitySet, queries
from mintgate.store.records.queries import ListQuery, Row

MAX_ORDER = 10


class Reader:
    """Answers reads of one request.

    Args:
        odata_root: from configuration, never from the request [TOP-2].
        language: of the response [API-68].
        now: Unix seconds.
    """

    def __init__(self, instance_id: str, odata_root: str, language: str, now: float) -> None:
        self._instance_id = instance_id
        self._root = odata_root
        self._language = language
        self._now = now

    def entities(
        self, connection: Connection, entity_set: EntitySet, parameters: Parameters
    ) -> dict[str, Any]:
        """The body of a list [API-61]."""
        options = parameters.system
        shape = shape_of(entity_set, options.get("$select"), options.get("$expand"))
        query = self._query_of(parameters)
        page = queries.page(connection, self._instance_id, entity_set, shape.attributes, query)
        body: dict[str, Any] = {"@odata.context": self._context(entity_set, shape)}
        if page.total is not None:
            body["@odata.count"] = page.total
        body["value"] = self._rendered(connection, entity_set, shape, page.rows, parameters)
        if page.more and page.rows:  # [API-65]
            address = self._root + entity_set.name
            body["@odata.nextLink"] = paging.next_link(
                address, parameters, page.rows[-1]["Id"], len(page.rows)
            )
        return body

    def entity(
        self, connection: Connection, entity_set: EntitySet, key: str, parameters: Parameters
    ) -> dict[str, Any]:
        """The body of one entity [API-62].

        Raises:
            NotFound: there is no entity with this id [API-43].
        """
        options = parameters.system
        shape = shape_of(entity_set, options.get("$select"), options.get("$expand"))
        found = queries.by_ids(
            connection, self._instance_id, entity_set, shape.attributes, [key], self._language
        )
        if key not in found:
            raise NotFound("There is no entity with this id.")
        [body] = self._rendered(connection, entity_set, shape, [found[key]], parameters)
        return {"@odata.context": self._context(entity_set, shape) + "/$entity", **body}

    def count(self, connection: Connection, entity_set: EntitySet, parameters: Parameters) -> int:
        """The number of entities of a set, after `$filter` and `$search`."""
        return queries.count(connection, self._instance_id, entity_set, self._query_of(parameters))

    def _query_of(self, parameters: Parameters) -> ListQuery:
        """The options of a list as the store takes them.

        Raises:
            BadRequest: one of them is malformed [API-43].
        """
        options = parameters.system
        text, token = options.get("$filter"), options.get("$skiptoken")
        return ListQuery(
            filter=parse_filter(text) if text is not None else None,
            search=parameters.search_words,
            order=_order(options.get("$orderby")),
            top=parameters.number("$top"),
            skip=parameters.number("$skip") or 0,
            after=paging.id_before(token) if token is not None else None,
            count=parameters.flag("$count"),
            language=self._language,
            now=self._now,
        )

    def _rendered(
        self,
        connection: Connection,
        entity_set: EntitySet,
        shape: Shape,
        rows: Sequence[Row],
        parameters: Parameters,
    ) -> list[dict[str, Any]]:
        """Rows as JSON objects, with what `$expand` opens."""
        targets: dict[str, dict[str, Row]] = {}
        self._collect(connection, shape, rows, "", targets)
        skip_nulls = parameters.skips_nulls
        return [rendering.entity(entity_set, shape, row, targets, "", skip_nulls) for row in rows]

    def _collect(
        self,
        connection: Connection,
        shape: Shape,
        rows: Sequence[Row],
        path: str,
        targets: dict[str, dict[str, Row]],
    ) -> None:
        """One query for each expanded reference, whatever the number of rows."""
        for name, inner in shape.expanded.items():
            attribute = next(a for a in shape.attributes if a.name == name)
            target_set = ENTITY_SETS[attribute.target or ""]
            ids = {row[name] for row in rows if row[name] is not None}
            found = queries.by_ids(
                connection, self._instance_id, target_set, inner.attributes, ids, self._language
            )
            targets[f"{path}/{name}"] = found
            self._collect(connection, inner, list(found.values()), f"{path}/{name}", targets)

    def _context(self, entity_set: EntitySet, shape: Shape) -> str:
        selected = f"({shape.selected})" if shape.selected is not None else ""
        return f"{self._root}$metadata#{entity_set.name}{selected}"


def _order(text: str | None) -> tuple[tuple[tuple[str, ...], bool], ...]:
    if text is None:
        return ()
    items = text.split(",")
    if len(items) > MAX_ORDER:
        raise BadRequest(f"$orderby has more than {MAX_ORDER} parts.")
    order = []
    for item in items:
        words = item.split()
        if not words or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):
            raise BadRequest("$orderby needs attributes, each with asc or desc after it.")
        order.append((tuple(words[0].split("/")), words[1:] == ["desc"]))
    return tuple(order)
