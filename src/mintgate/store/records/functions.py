"""The functions of `$filter` (OData v4 §5.1.1.5 to §5.1.1.8), spelled for both databases."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, String, and_, cast, extract, func, literal

from mintgate.store.records.attributes import Kind
from mintgate.store.records.literals import MAX_INTEGER
from mintgate.store.records.problems import QueryProblem
from mintgate.store.records.source import Operand, Source
from mintgate.store.records.syntax import ast

Resolve = Callable[[Any], Operand]
_TEXTS = frozenset({Kind.STRING, Kind.TRANSLATED, Kind.ENUM, Kind.DISPLAY})
_ESCAPE = "\\"
_DANGLING = re.compile(r"(?<!\\)(?:\\\\)*\\$")
MAX_PATTERN = 254
MAX_WILDCARDS = 8
"""No person's pattern has more, and what one match may cost stays small."""
_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second"})


def call(source: Source, resolve: Resolve, name: str, arguments: Sequence[Any]) -> Operand:
    """The value of a function call whose number of arguments the parser has checked.

    Args:
        resolve: turns an argument's node into an operand.

    Raises:
        QueryProblem: an unknown function, or an argument of the wrong type.
    """
    if name == "now":
        return resolve(None)
    if name in _PARTS and arguments:
        return _part(source, name, resolve(arguments[0]))
    if name == "date" and arguments:
        return _day(source, resolve(arguments[0]))
    if name == "like":
        return _test(source, _like, resolve, _with_pattern(arguments))
    if name in _TESTS:
        return _test(source, _TESTS[name], resolve, arguments)
    if name in _TEXT_FUNCTIONS:
        texts = [_text(source, resolve, node) for node in arguments[: _TEXTS_OF[name]]]
        return _TEXT_FUNCTIONS[name](source, texts, arguments[_TEXTS_OF[name] :])
    raise QueryProblem(f"$filter has a function that is not supported: {name[:64]}")


def _text(source: Source, resolve: Resolve, node: Any) -> ColumnElement[Any]:
    operand = resolve(node)
    if operand.kind not in _TEXTS:
        raise QueryProblem("a text function in $filter has an argument that is no text")
    return source.text(operand)


def _part(source: Source, name: str, operand: Operand) -> Operand:
    if operand.kind not in {Kind.DATE, Kind.TIME}:
        raise QueryProblem(f"{name}() needs a date")
    return Operand(Kind.INTEGER, cast(extract(name, source.moment(operand)), Integer))


def _day(source: Source, operand: Operand) -> Operand:
    if operand.kind is Kind.DATE:
        return operand
    if operand.kind is not Kind.TIME:
        raise QueryProblem("date() needs a date")
    if source.is_sqlite:
        return Operand(Kind.DATE, func.date(operand.expression, "unixepoch", type_=Date))
    return Operand(Kind.DATE, cast(source.moment(operand), Date))


def _test(source: Source, holds: Any, resolve: Resolve, arguments: Sequence[Any]) -> Operand:
    if len(arguments) != 2:
        raise QueryProblem("a text function in $filter needs two arguments")
    part = _text(source, resolve, arguments[1])
    whole = resolve(arguments[0])
    if whole.kind is Kind.TRANSLATED:
        condition = source.any_translation(whole, lambda text: holds(source, text, part))
    elif whole.kind in _TEXTS:
        condition = holds(source, whole.expression, part)
    else:
        raise QueryProblem("a text function in $filter has an argument that is no text")
    return Operand(Kind.BOOLEAN, condition)


def _contains(source: Source, text: Any, part: Any) -> ColumnElement[bool]:
    # Not LIKE: SQLite's ignores case, and its wildcards would have to be escaped.
    found: ColumnElement[bool] = source.position(text, part) > 0
    return found


def _startswith(_: Source, text: Any, part: Any) -> ColumnElement[bool]:
    starts: ColumnElement[bool] = func.substr(text, 1, func.length(part), type_=String) == part
    return starts


def _endswith(_: Source, text: Any, part: Any) -> ColumnElement[bool]:
    start = func.length(text) - func.length(part) + 1
    return and_(start > 0, func.substr(text, start, type_=String) == part)


def _like(source: Source, text: Any, pattern: Any) -> ColumnElement[bool]:
    # [API-71] In lower case on both sides: the databases' own LIKE differs in what case means.
    found: ColumnElement[bool] = source.lower(text).like(source.lower(pattern), escape=_ESCAPE)
    return found


def _with_pattern(arguments: Sequence[Any]) -> Sequence[Any]:
    """The arguments of `like`, when its pattern is one that both databases take."""
    pattern = arguments[1].val if len(arguments) == 2 else None
    if not isinstance(pattern, str) or not isinstance(arguments[1], ast.String):
        raise QueryProblem("like needs a text in quotes after it, such as 'A%'")
    if len(pattern) > MAX_PATTERN or pattern.count("%") > MAX_WILDCARDS:
        raise QueryProblem(
            f"a pattern of like has at most {MAX_PATTERN} characters and {MAX_WILDCARDS} "
            "percent signs"
        )
    if _DANGLING.search(pattern):
        raise QueryProblem("a pattern of like must not end with a backslash that escapes nothing")
    return arguments


_TESTS = {"contains": _contains, "startswith": _startswith, "endswith": _endswith}


def _length(_: Source, texts: list[Any], __: Sequence[Any]) -> Operand:
    return Operand(Kind.INTEGER, func.length(texts[0], type_=Integer))


def _indexof(source: Source, texts: list[Any], _: Sequence[Any]) -> Operand:
    return Operand(Kind.INTEGER, source.position(texts[0], texts[1]) - 1)


def _lower(source: Source, texts: list[Any], _: Sequence[Any]) -> Operand:
    return Operand(Kind.STRING, source.lower(texts[0]))


def _upper(source: Source, texts: list[Any], _: Sequence[Any]) -> Operand:
    return Operand(Kind.STRING, source.upper(texts[0]))


def _trim(_: Source, texts: list[Any], __: Sequence[Any]) -> Operand:
    return Operand(Kind.STRING, func.trim(texts[0], type_=String))


def _concat(_: Source, texts: list[Any], __: Sequence[Any]) -> Operand:
    return Operand(Kind.STRING, texts[0].concat(texts[1]))


def _substring(_: Source, texts: list[Any], numbers: Sequence[Any]) -> Operand:
    bounds = [_small(node) for node in numbers]
    bounds[0] += 1
    return Operand(Kind.STRING, func.substr(texts[0], *map(literal, bounds), type_=String))


def _small(node: Any) -> int:
    if not isinstance(node, ast.Integer) or len(node.val) > 10:
        raise QueryProblem("substring() needs a small whole number")
    number = int(node.val)
    if not 0 <= number < MAX_INTEGER:
        raise QueryProblem("substring() needs a small whole number")
    return number


_TEXT_FUNCTIONS: dict[str, Callable[[Source, list[Any], Sequence[Any]], Operand]] = {
    "length": _length,
    "indexof": _indexof,
    "tolower": _lower,
    "toupper": _upper,
    "trim": _trim,
    "concat": _concat,
    "substring": _substring,
}
_TEXTS_OF = {name: 2 if name in {"indexof", "concat"} else 1 for name in _TEXT_FUNCTIONS}
