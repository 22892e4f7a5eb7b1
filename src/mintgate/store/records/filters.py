"""`$filter` as SQL: a walk over the parser's tree, with the null rules of OData v4 §5.1.1."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Double, and_, false, func, literal, not_, or_, true

from mintgate.store.records import functions
from mintgate.store.records.attributes import Kind
from mintgate.store.records.literals import value_of
from mintgate.store.records.problems import QueryProblem
from mintgate.store.records.source import Operand, Source
from mintgate.store.records.syntax import ast

_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
_MIRRORED = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}
_UNORDERED = frozenset({Kind.BOOLEAN, Kind.REFERENCE, Kind.GUID})
_OR_NULL = {"equalnull": ast.Eq, "lessequalnull": ast.LtE, "greaterequalnull": ast.GtE}


class Filter:
    """Turns expressions over one source into conditions.

    Args:
        now: what `now()` is, in Unix seconds.
    """

    def __init__(self, source: Source, now: float) -> None:
        self._source = source
        self._now = now

    def condition(self, node: Any) -> ColumnElement[bool]:
        """The condition of a boolean expression.

        Raises:
            QueryProblem: it is not boolean, or names something that does not exist.
        """
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(part) for part in _chain(node)]
            return (and_ if isinstance(node.op, ast.And) else or_)(*parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            # `not` of an unknown answer is true: OData knows no third truth value here.
            return not_(func.coalesce(self.condition(node.operand), false()))
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Boolean):
            return true() if node.py_val else false()
        if isinstance(node, ast.Call) and node.func.full_name() in _OR_NULL:
            return self._or_null(node)
        found = self._operand(node)
        if found.kind is not Kind.BOOLEAN:
            raise QueryProblem("$filter needs a condition, such as Active eq true")
        return found.expression

    def _comparison(self, node: Any) -> ColumnElement[bool]:
        left, right, comparator = node.left, node.right, type(node.comparator)
        if isinstance(left, ast.UnaryOp) and isinstance(left.op, ast.Not):
            # `not A eq 1`: the grammar binds `not` to A, people mean the comparison.
            inner = ast.Compare(node.comparator, left.operand, right)
            return not_(func.coalesce(self._comparison(inner), false()))
        if comparator is ast.In:
            if not isinstance(right, ast.List):
                raise QueryProblem("`in` needs a list in parentheses")
            return self._among(self._operand(left), right.val)
        if isinstance(left, ast._Literal):
            left, right = right, left
            comparator = _MIRRORED.get(comparator, comparator)
        return self._against(comparator, self._operand(left), right)

    def _among(self, left: Operand, items: list[Any]) -> ColumnElement[bool]:
        if left.kind is Kind.TRANSLATED:
            texts = [value_of(item, left.kind) for item in items]
            return self._source.any_translation(left, lambda text: text.in_(texts))
        given = [item for item in items if not isinstance(item, ast.Null)]
        values = [_bound(value_of(item, left.kind, left.attribute)) for item in given]
        found = left.expression.in_(values)
        return found if len(given) == len(items) else or_(found, left.expression.is_(None))

    def _or_null(self, node: Any) -> ColumnElement[bool]:
        # [API-64] true also when the first argument is null
        if len(node.args) != 2:
            raise QueryProblem(f"{node.func.name} needs two arguments")
        operand = self._operand(node.args[0])
        compared = self._against(_OR_NULL[node.func.name], operand, node.args[1])
        return or_(compared, operand.expression.is_(None))

    def _against(self, comparator: type, left: Operand, node: Any) -> ColumnElement[bool]:
        if isinstance(node, ast.Null):
            return _with_null(comparator, left.expression)
        ordering = comparator not in {ast.Eq, ast.NotEq}
        if ordering and left.kind in _UNORDERED:
            raise QueryProblem("only eq, ne and in compare references, ids and booleans")
        if not isinstance(node, ast._Literal):
            return self._between(comparator, left, self._operand(node))
        value = _bound(value_of(node, left.kind, left.attribute))
        if left.kind is Kind.TRANSLATED:
            return self._translated(comparator, left, value)
        if left.kind is Kind.ENUM and ordering and left.attribute is not None:
            return _ranked(comparator, left, value)
        return _null_aware(comparator, left.expression, value)

    def _between(self, comparator: type, left: Operand, right: Operand) -> ColumnElement[bool]:
        kinds = {_comparable(left.kind), _comparable(right.kind)}
        if len(kinds) > 1:
            raise QueryProblem("$filter compares two things of different types")
        a, b = self._source.text(left), self._source.text(right)
        if comparator is ast.Eq:
            return a.is_not_distinct_from(b)
        return _null_aware(comparator, a, b)

    def _translated(self, comparator: type, left: Operand, value: str) -> ColumnElement[bool]:
        if comparator in {ast.Eq, ast.NotEq}:
            equal = self._source.any_translation(left, lambda text: text == value)
            return equal if comparator is ast.Eq else not_(equal)
        return _null_aware(comparator, self._source.text(left), value)

    def _operand(self, node: Any) -> Operand:
        if isinstance(node, ast.Identifier | ast.Attribute):
            return self._source.resolve(path_of(node))
        if isinstance(node, ast.Call):
            if node.func.full_name() in _OR_NULL:
                return Operand(Kind.BOOLEAN, self._or_null(node))
            return functions.call(self._source, self._argument, node.func.full_name(), node.args)
        if isinstance(node, ast.String):
            return Operand(Kind.STRING, literal(value_of(node, Kind.STRING)))
        if isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Boolean):
            if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
                raise QueryProblem("$filter knows no arithmetic")
            return Operand(Kind.BOOLEAN, self.condition(node))
        raise QueryProblem("$filter has an expression that is not supported here")

    def _argument(self, node: Any) -> Operand:
        if node is None:  # `now()`
            return Operand(Kind.TIME, literal(self._now))
        return self._operand(node)


def path_of(node: Any) -> tuple[str, ...]:
    """The names of `Party/PartyName`, outermost first."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.owner
    if not isinstance(node, ast.Identifier) or node.namespace:
        raise QueryProblem("$filter has a path that is not supported here")
    return (node.name, *reversed(names))


def _chain(node: Any) -> list[Any]:
    """`a and b and c` flat, so that its length costs no depth."""
    parts: list[Any] = []
    operator_type = type(node.op)
    while isinstance(node, ast.BoolOp) and isinstance(node.op, operator_type):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _bound(value: Any) -> Any:
    # A fraction is compared as one also with a column of whole numbers.
    return literal(value, Double()) if isinstance(value, float) else value


def _with_null(comparator: type, expression: ColumnElement[Any]) -> ColumnElement[bool]:
    if comparator is ast.Eq:
        return expression.is_(None)
    return expression.is_not(None) if comparator is ast.NotEq else false()


def _null_aware(comparator: type, left: Any, right: Any) -> ColumnElement[bool]:
    if comparator is ast.NotEq:  # null differs from every value
        return left.is_distinct_from(right)  # type: ignore[no-any-return]
    return _COMPARE[comparator](left, right)  # type: ignore[no-any-return]


def _ranked(comparator: type, left: Operand, value: str) -> ColumnElement[bool]:
    options = left.attribute.options if left.attribute else ()
    rank = options.index(value)
    chosen = [o for i, o in enumerate(options) if _COMPARE[comparator](i, rank)]
    return left.expression.in_(chosen)


def _comparable(kind: Kind) -> Kind:
    if kind in {Kind.TRANSLATED, Kind.ENUM, Kind.DISPLAY}:
        return Kind.STRING
    return Kind.GUID if kind is Kind.REFERENCE else kind
