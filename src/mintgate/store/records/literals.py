"""Literals of `$filter` as values that can be bound, or a sentence about what is wrong."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from mintgate.store.records.attributes import Attribute, Kind
from mintgate.store.records.problems import QueryProblem
from mintgate.store.records.syntax import ast

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENTITY = re.compile(r"(?:.*/)?([A-Za-z_]+)\(([0-9a-fA-F-]{36})\)")
MAX_INTEGER = 2**31 - 1
MAX_HUNDREDTHS = 10**14
"""[API-67] Amounts have 12 digits before the point, which JSON numbers hold exactly."""


def guid_of(text: str) -> str | None:
    """The GUID in the form that is stored, None when `text` is not one."""
    folded = text.lower()
    return folded if GUID.fullmatch(folded) else None


def referenced(text: str) -> tuple[str, str] | None:
    """Entity set and id of `Set(guid)`, perhaps with an address before it [API-62]."""
    found = _ENTITY.fullmatch(text) if len(text) <= 2048 else None
    guid = guid_of(found[2]) if found else None
    return (found[1], guid) if found and guid else None


def value_of(node: Any, kind: Kind, attribute: Attribute | None = None) -> Any:
    """The value of a literal that is compared with something of `kind`.

    Raises:
        QueryProblem: the literal is of another type, or out of range.
    """
    try:
        value = _CONVERTERS[kind](node, attribute)
    except (ValueError, OverflowError, InvalidOperation):
        raise QueryProblem("a literal in $filter is out of range") from None
    if value is None:
        name = attribute.name if attribute else "this expression"
        raise QueryProblem(f"a literal in $filter has the wrong type for {name}")
    return value


def _text(node: Any, _: Attribute | None) -> str | None:
    if not isinstance(node, ast.String):
        return None
    if "\x00" in node.val:  # PostgreSQL has no such character
        raise QueryProblem("a text in $filter holds the character U+0000")
    return str(node.val)


def _boolean(node: Any, _: Attribute | None) -> bool | None:
    return bool(node.py_val) if isinstance(node, ast.Boolean) else None


def _integer(node: Any, _: Attribute | None) -> int | float | None:
    if isinstance(node, ast.Integer) and len(node.val) <= 20:
        number = int(node.val)
        # Beyond the column's range every comparison still has an answer.
        return max(-MAX_INTEGER - 1, min(MAX_INTEGER, number)) if _fits(number) else float(number)
    if isinstance(node, ast.Float):
        return _finite(float(node.val))
    if isinstance(node, ast.Integer):
        raise ValueError("too many digits")
    return None


def _fits(number: int) -> bool:
    return -MAX_INTEGER - 1 <= number <= MAX_INTEGER


def _finite(number: float) -> float:
    if abs(number) > 1e300:
        raise OverflowError("not a number that a column can hold")
    return number


def _hundredths(node: Any, _: Attribute | None) -> int | float | None:
    if not isinstance(node, ast.Integer | ast.Float):
        return None
    scaled = Decimal(node.val) * 100 if len(node.val) <= 40 else Decimal("Infinity")
    if not abs(scaled) <= MAX_HUNDREDTHS:
        raise OverflowError("larger than any amount")
    return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)


def _time(node: Any, _: Attribute | None) -> float | None:
    moment = _moment(node)
    return moment.timestamp() if moment else None


def _date(node: Any, _: Attribute | None) -> datetime.date | None:
    moment = _moment(node)
    if moment is None:
        return None
    if moment.time() != datetime.time():
        raise QueryProblem("a date in $filter must be a day, or midnight in UTC")
    return moment.date()


def _moment(node: Any) -> datetime.datetime | None:
    if isinstance(node, ast.Date):
        day = datetime.date.fromisoformat(node.val)
        return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    if not isinstance(node, ast.DateTime):
        return None
    moment: datetime.datetime = datetime.datetime.fromisoformat(node.val)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def _identifier(node: Any, attribute: Attribute | None) -> str | None:
    if isinstance(node, ast.GUID):
        return str(node.val).lower()
    if not isinstance(node, ast.String):
        return None
    entity = referenced(node.val)
    if entity and attribute is not None and attribute.target not in {None, entity[0]}:
        raise QueryProblem(f"{attribute.name} refers to {attribute.target}, not to {entity[0]}")
    return entity[1] if entity else guid_of(node.val)


def _option(node: Any, attribute: Attribute | None) -> str | None:
    text = _text(node, attribute)
    if text is not None and attribute is not None and text not in attribute.options:
        raise QueryProblem(f"{attribute.name} is one of: {', '.join(attribute.options)}")
    return text


_CONVERTERS = {
    Kind.STRING: _text,
    Kind.TRANSLATED: _text,
    Kind.DISPLAY: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.AMOUNT: _hundredths,
    Kind.DECIMAL: _hundredths,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.REFERENCE: _identifier,
    Kind.GUID: _identifier,
    Kind.ENUM: _option,
}
