"""A query of a cube, from the parameters of a GET or the JSON of a POST; both say the same."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from mintgate.apis.answering import body_of
from mintgate.apis.odata import bodies
from mintgate.apis.odata.filter_text import parse_filter
from mintgate.apis.odata.parameters import MAX_NUMBER
from mintgate.apis.odata.problems import BadRequest
from mintgate.identity.forms import query_of
from mintgate.store.records.aggregates import CubeQuery


class CubeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a query.

    Args:
        dimensions: names of the cube's metadata, to group by.
        measures: names of the cube's metadata.
        filter: as `$filter` of the DomainAPI, over the cube's facts.
        orderby: names of this query, each perhaps with ` asc` or ` desc` after it.
        top: how many groups at most.
        culture: the language of the answer [API-68].
    """

    dimensions: list[str] = []
    measures: list[str] = []
    filter: str | None = None
    orderby: list[str] = []
    top: int | None = None
    culture: str | None = None


OPTIONS = CubeRequest.__struct_fields__
_LISTS = frozenset({"dimensions", "measures", "orderby"})
_decoder = msgspec.json.Decoder(CubeRequest)


async def cube_request(request: Request) -> CubeRequest:
    """What a request asks of a cube.

    Raises:
        BadRequest: an unknown option, or a value of the wrong type.
        InvalidRequest: a query string that is malformed, or has an option twice.
    """
    if request.method != "POST":
        return _of_options(query_of(request.scope))
    require_no_options(request)
    body = await body_of(request)
    bodies.require_json(request.headers.get("content-type", ""), body)
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = str(error) if isinstance(error, msgspec.ValidationError) else "no JSON object"
        raise BadRequest(f"The query is malformed: {told[:200]}.") from None


def require_no_options(request: Request) -> None:
    """Refuse a query string where none is looked at: what it asks for would not be done."""
    if request.scope["query_string"]:
        raise BadRequest("This address takes no options in its query string.")


def _of_options(options: dict[str, str]) -> CubeRequest:
    members: dict[str, Any] = {}
    for name, text in options.items():
        if name not in OPTIONS:
            raise BadRequest(
                f"The option {name[:32]!r} is not known here, but: {', '.join(OPTIONS)}."
            )
        if name in _LISTS:
            members[name] = [item.strip() for item in text.split(",")]
        else:
            members[name] = text
    if "top" in members:
        members["top"] = _number(members["top"])
    return CubeRequest(**members)


def query_of_cube(asked: CubeRequest, language: str, now: float) -> CubeQuery:
    """The query as the store takes it.

    Raises:
        BadRequest: a filter or an order that is malformed, or a negative `top`.
    """
    if asked.top is not None and not 0 <= asked.top <= MAX_NUMBER:
        raise BadRequest("top must be a whole number, 0 or more.")
    return CubeQuery(
        dimensions=tuple(asked.dimensions),
        measures=tuple(asked.measures),
        filter=None if asked.filter is None else parse_filter(asked.filter),
        order=tuple(map(_ordered, asked.orderby)),
        top=asked.top,
        language=language,
        now=now,
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise BadRequest("top must be a whole number, 0 or more.")
    return int(text)


def _ordered(text: str) -> tuple[str, bool]:
    words = text.split()
    if not words or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):
        raise BadRequest("orderby needs names of the query, each with asc or desc after it.")
    return words[0], words[1:] == ["desc"]
