"""`$filter` as a tree: the library parses, and this keeps hostile text away from it.

The parser is an LALR automaton and does not recurse, but who walks its tree does, so nesting is
bounded here, before parsing. A parser has state; each call makes its own.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from mintgate.apis.odata.problems import BadRequest

_Rule = TypeVar("_Rule", bound=Callable[..., Any])
MAX_LENGTH = 16_384
MAX_TOKENS = 1_500
"""SQLite parses `a OR b OR c` as deep as it is long, 1,000 levels at most."""
MAX_DEPTH = 40
NULL_FUNCTIONS = frozenset({"equalnull", "lessequalnull", "greaterequalnull"})
"""[API-64] ERP.net's own, besides the functions of the standard."""

_PREFIXES = frozenset({"NOT", "UMINUS"})
_ENDS_PREFIX = frozenset({"AND", "OR", ","})


class _Lexer(ODataLexer):
    """Words such as `null` end where a name goes on: `nullable`, `AllowLocalAccounts`."""

    tokens = ODataLexer.tokens
    _: Callable[..., Callable[[_Rule], _Rule]]

    @_(r"(?:true|false)(?![.\w])")  # noqa: F821
    def BOOLEAN(self, token: Any) -> Any:  # noqa: N802
        token.value = ast.Boolean(token.value)
        return token

    @_(r"null(?![.\w])")  # noqa: F821
    def NULL(self, token: Any) -> Any:  # noqa: N802
        token.value = ast.Null()
        return token

    @_(r"any(?![.\w])")  # noqa: F821
    def ANY(self, token: Any) -> Any:  # noqa: N802
        token.value = ast.Any()
        return token

    @_(r"all(?![.\w])")  # noqa: F821
    def ALL(self, token: Any) -> Any:  # noqa: N802
        token.value = ast.All()
        return token

    @_(r"\s+in(?:\s+|(?=\())")  # noqa: F821
    def IN(self, token: Any) -> Any:  # noqa: N802
        token.value = ast.In()
        return token


def parse_filter(text: str) -> Any:
    """The tree of an expression, as `odata_query.ast` has it.

    Raises:
        BadRequest: a syntax error, an unknown function, or too much text or nesting.
    """
    if len(text) > MAX_LENGTH:
        raise BadRequest(f"$filter has more than {MAX_LENGTH} characters.")
    try:
        tokens = _bounded(_Lexer().tokenize(text.strip()))
        parser: Any = ODataParser()
        parser._function_call = _call_of(parser._function_call)
        tree = parser.parse(_mended(tokens))
    except ODataException:
        raise BadRequest("$filter is not a valid expression.") from None
    if tree is None:
        raise BadRequest("$filter is empty.")
    return tree


def _call_of(standard: Any) -> Any:
    def call(function: Any, arguments: list[Any]) -> Any:
        if function.full_name() in NULL_FUNCTIONS:
            return ast.Call(function, arguments)
        return standard(function, arguments)

    return call


def _bounded(tokens: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    open_levels = [0]  # of each open parenthesis, the prefix operators that wait for their end
    path = 0
    for token in tokens:
        found.append(token)
        kind = token.type
        if kind == "(":
            open_levels.append(0)
        elif kind == ")" and len(open_levels) > 1:
            open_levels.pop()
        elif kind in _PREFIXES:
            open_levels[-1] += 1
        elif kind in _ENDS_PREFIX:
            open_levels[-1] = 0
        path = path + 1 if kind == "/" else path if kind == "ODATA_IDENTIFIER" else 0
        depth = len(open_levels) + sum(open_levels)
        if max(depth, path) > MAX_DEPTH or len(found) > MAX_TOKENS:
            raise BadRequest("$filter is nested too deeply or too long.")
    return found


def _mended(tokens: list[Any]) -> Iterator[Any]:
    """Two forms of the documentation that the grammar lacks.

    `in ('a')`: it wants a comma in a list of one. `Erp.Some_Enum'Name'`: the type goes away.
    """
    depth = commas = 0
    in_list = False
    for token, following in itertools.pairwise([*tokens, None]):
        next_kind = following.type if following is not None else None
        if token.type == "ODATA_IDENTIFIER" and next_kind == "STRING" and token.value.namespace:
            continue
        if token.type == "IN":
            in_list, depth, commas = True, 0, 0
        elif in_list:
            depth += (token.type == "(") - (token.type == ")")
            commas += token.type == "," and depth == 1
            if depth == 0:
                in_list = False
                if token.type == ")" and not commas:
                    yield _comma_before(token)
        yield token


def _comma_before(token: Any) -> Any:
    comma = copy.copy(token)
    comma.type = comma.value = ","
    return comma
