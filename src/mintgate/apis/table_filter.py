"""Which `$filter` the TableAPI takes: comparisons of one column with a value, joined [API-71].

The parser knows more than that; this walks over its tree and says what is too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mintgate.apis.odata.filter_text import LIKE, parse_filter
from mintgate.apis.odata.problems import BadRequest
from mintgate.store.records.syntax import ast

_COMPARATORS = (ast.Eq, ast.LtE, ast.GtE, ast.In)
_NAMES = {ast.NotEq: "ne", ast.Gt: "gt", ast.Lt: "lt"}
_HELP = (
    "The TableAPI compares a column with a value by eq, le, ge, in or like, and joins such "
    "comparisons by and."
)


def table_filter(text: str) -> Any:
    """The tree of a filter, for `store.records.filters`.

    Raises:
        BadRequest: it is no filter, or one that the TableAPI does not have.
    """
    tree = parse_filter(text, like=True)
    for part in _parts(tree, ast.And):
        if isinstance(part, ast.BoolOp):
            _require_one_column(part)
        else:
            _column_of(part)
    return tree


def _require_one_column(alternatives: Any) -> None:
    columns = {_column_of(part) for part in _parts(alternatives, ast.Or)}
    if len(columns) > 1:
        raise BadRequest(
            "$filter: or joins comparisons of one and the same column only, such as "
            "State eq 'New' or State eq 'Released'."
        )


def _parts(node: Any, operator: type) -> Iterator[Any]:
    """What `operator` joins, at any depth of parentheses; no recursion for hostile text."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, ast.BoolOp) and isinstance(found.op, operator):
            waiting += (found.right, found.left)
        else:
            yield found


def _column_of(node: Any) -> str:
    """The column that a single comparison is about."""
    if isinstance(node, ast.Call) and node.func.full_name() == LIKE and len(node.args) == 2:
        return _named(node.args[0])
    if not isinstance(node, ast.Compare):
        raise BadRequest(f"$filter has an expression that is no comparison. {_HELP}")
    if not isinstance(node.comparator, _COMPARATORS):
        operator = _NAMES.get(type(node.comparator), "this operator")
        raise BadRequest(f"$filter: {operator} is not available here. {_HELP}")
    if not isinstance(node.right, ast._Literal):
        raise BadRequest(f"$filter: a comparison needs a value at its right side. {_HELP}")
    return _named(node.left)


def _named(node: Any) -> str:
    if not isinstance(node, ast.Identifier) or node.namespace:
        raise BadRequest(f"$filter: a comparison needs a column's name at its left side. {_HELP}")
    return str(node.name)
