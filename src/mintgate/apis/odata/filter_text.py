"""`$filter` as a tree: the library parses, and this keeps hostile text away from it.

The parser is an LALR automaton and does not recurse, but who walks its tree does, so nesting is
bounded here, before parsing. A parser has state; each call makes its own.
"""

from __future__ import annotations

import copy
import dataclasses
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

LIKE = "like"

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


def parse_filter(text: str, *, like: bool = False) -> Any:
    """The tree of an expression, as `odata_query.ast` has it.

    Args:
        like: whether `Name like 'A%'` is an expression too; the tree has a call of `like`.

    Raises:
        BadRequest: a syntax error, an unknown function, or too much text or nesting.
    """
    if len(text) > MAX_LENGTH:
        raise BadRequest(f"$filter has more than {MAX_LENGTH} characters.")
    try:
        tokens = _bounded(_Lexer().tokenize(text.strip()))
        if like:
            tokens = list(_likes_as_calls(tokens))
        parser: Any = ODataParser()
        own = NULL_FUNCTIONS | {LIKE} if like else NULL_FUNCTIONS
        parser._function_call = _call_of(parser._function_call, own)
        tree = parser.parse(_mended(tokens))
    except ODataException:
        raise BadRequest("$filter is not a valid expression.") from None
    if tree is None:
        raise BadRequest("$filter is empty.")
    return tree


def _call_of(standard: Any, own: frozenset[str]) -> Any:
    def call(function: Any, arguments: list[Any]) -> Any:
        if function.full_name() in own:
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


def _likes_as_calls(tokens: list[Any]) -> Iterator[Any]:
    """`Name like 'A%'` [API-71] as `like(Name,'A%')`, as the grammar has no such operator."""
    position = 0
    while position < len(tokens):
        words = [token for token in tokens[position : position + 5] if token.type != "WS"][:3]
        kinds = [token.type for token in words]
        if (
            kinds == ["ODATA_IDENTIFIER", "ODATA_IDENTIFIER", "STRING"]
            and tokens[position] is words[0]
            and words[1].value.full_name().lower() == LIKE
        ):
            column, operator, pattern = words
            operator.value = dataclasses.replace(operator.value, name=LIKE)
            yield from (operator, _sign_at(operator, "("), column, _sign_at(column, ","), pattern)
            yield _sign_at(pattern, ")")
            position = tokens.index(pattern, position) + 1
        else:
            yield tokens[position]
            position += 1


def _comma_before(token: Any) -> Any:
    return _sign_at(token, ",")


def _sign_at(token: Any, sign: str) -> Any:
    made = copy.copy(token)
    made.type = made.value = sign
    return made
