"""An entity set in a statement: its paths as expressions, with the joins that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, String, and_, case, exists, func, select
from sqlalchemy.engine import Connection

from mintgate.contract.clock import LAST_MOMENT
from mintgate.store.records.attributes import Attribute, EntitySet, Kind
from mintgate.store.records.catalog import ENTITY_SETS
from mintgate.store.records.problems import QueryProblem

MAX_PATH = 5


class Operand(NamedTuple):
    """An expression with its type; `attribute` is the one that it reads, if it only reads one."""

    kind: Kind
    expression: ColumnElement[Any]
    attribute: Attribute | None = None


class Source:
    """The rows of one entity set of one instance.

    Args:
        language: the language of the response, for texts that are shown or ordered [API-68].
    """

    def __init__(
        self, connection: Connection, instance_id: str, entity_set: EntitySet, language: str
    ) -> None:
        self.instance_id = instance_id
        self.entity_set = entity_set
        self.language = language
        self.is_sqlite = connection.dialect.name == "sqlite"
        self.table: FromClause = entity_set.table.alias("t0")
        self.rows: FromClause = self.table
        self._joined: dict[tuple[str, ...], FromClause] = {}
        if self.is_sqlite:
            _teach_lower(connection)

    def resolve(self, path: Sequence[str]) -> Operand:
        """The expression of a path such as `Party/PartyName`.

        Raises:
            QueryProblem: no such attribute, or a secret one [API-72].
        """
        if len(path) > MAX_PATH:
            raise QueryProblem(f"a path has more than {MAX_PATH} parts")
        entity_set, table = self.entity_set, self.table
        for depth, name in enumerate(path[:-1], 1):
            attribute = _attribute(entity_set, name)
            if attribute.kind is Kind.AMOUNT and depth == len(path) - 1:
                return _part_of_amount(table, attribute, path[-1])
            if attribute.target is None:
                raise QueryProblem(f"{name} is not a reference, so {path[depth]} is not in it")
            table = self._join(tuple(path[:depth]), table, attribute)
            entity_set = ENTITY_SETS[attribute.target]
        return self._leaf(entity_set, table, tuple(path))

    def _leaf(self, entity_set: EntitySet, table: FromClause, path: tuple[str, ...]) -> Operand:
        name = path[-1]
        amount = next(
            (
                a
                for a in entity_set.attributes
                if a.kind is Kind.AMOUNT and name in {a.name + "Value", a.name + "Currency"}
            ),
            None,
        )
        if amount is not None:  # the documented form of a filter by amount
            return _part_of_amount(table, amount, name.removeprefix(amount.name))
        attribute = _attribute(entity_set, name)
        if attribute.kind is Kind.DISPLAY:
            display = self.resolve((*path[:-1], *entity_set.search[0].split("/")))
            return Operand(Kind.STRING, self.text(display))
        return Operand(attribute.kind, table.c[attribute.columns[0]], attribute)

    def _join(self, path: tuple[str, ...], table: FromClause, attribute: Attribute) -> FromClause:
        joined = self._joined.get(path)
        if joined is None:
            target = ENTITY_SETS[attribute.target or ""].table
            joined = self._joined[path] = target.alias(f"t{len(self._joined) + 1}")
            self.rows = self.rows.outerjoin(
                joined,
                and_(
                    joined.c.instance_id == self.instance_id,
                    joined.c.id == table.c[attribute.column],
                ),
            )
        return joined

    def text(self, operand: Operand) -> ColumnElement[str]:
        """The text that is shown: of several languages the response's, English, any [USR-26]."""
        if operand.kind is not Kind.TRANSLATED:
            return operand.expression
        names = dict.fromkeys((self.language, self.language.partition("-")[0], "en"))
        any_text = self._translations(operand)
        return func.coalesce(
            *(operand.expression[name].as_string() for name in names),
            select(any_text.c.value).limit(1).scalar_subquery(),
            type_=String,
        )

    def any_translation(self, operand: Operand, holds: Any) -> ColumnElement[bool]:
        """Whether `holds` is true of the value in any language, as the docs have `contains`."""
        translations = self._translations(operand)
        return exists(select(1).select_from(translations).where(holds(translations.c.value)))

    def _translations(self, operand: Operand) -> Any:
        each = func.json_each if self.is_sqlite else func.json_each_text
        return each(operand.expression).table_valued("key", "value")

    def lower(self, expression: ColumnElement[Any]) -> ColumnElement[str]:
        """Lower case of any script; SQLite by itself knows only A to Z."""
        return (func.unicode_lower if self.is_sqlite else func.lower)(expression, type_=String)

    def upper(self, expression: ColumnElement[Any]) -> ColumnElement[str]:
        return (func.unicode_upper if self.is_sqlite else func.upper)(expression, type_=String)

    def position(self, text: Any, part: Any) -> ColumnElement[int]:
        """Where `part` starts in `text`, from 1; 0 when it is not in it. Case matters."""
        return (func.instr if self.is_sqlite else func.strpos)(text, part)

    def moment(self, operand: Operand) -> ColumnElement[Any]:
        """Something whose year, month … can be extracted; whole seconds of UTC."""
        if operand.kind is Kind.DATE:
            return operand.expression
        # A lock without an end ends with the last year that all databases know.
        endless = operand.expression > LAST_MOMENT
        seconds = case((endless, LAST_MOMENT), else_=operand.expression)
        if self.is_sqlite:
            return func.datetime(seconds, "unixepoch")
        return func.date_trunc("second", func.timezone("UTC", func.to_timestamp(seconds)))


def _attribute(entity_set: EntitySet, name: str) -> Attribute:
    attribute = entity_set.attribute(name)
    if attribute is None:
        raise QueryProblem(f"{entity_set.name} has no attribute {name[:64]!r}")
    if attribute.is_secret:  # [API-72]
        raise QueryProblem(f"{name} can be written and never read")
    return attribute


def _part_of_amount(table: FromClause, attribute: Attribute, part: str) -> Operand:
    value, currency = attribute.columns
    if part == "Value":
        return Operand(Kind.AMOUNT, table.c[value])
    if part == "Currency":
        return Operand(Kind.STRING, table.c[currency])
    raise QueryProblem(f"{attribute.name} has the parts Value and Currency")


def _teach_lower(connection: Connection) -> None:
    if "unicode_lower" in connection.info:
        return
    raw = connection.connection.driver_connection
    if raw is not None:
        for name, function in (("unicode_lower", str.lower), ("unicode_upper", str.upper)):
            raw.create_function(name, 1, _null_safe(function), deterministic=True)
        connection.info["unicode_lower"] = True


def _null_safe(function: Any) -> Any:
    return lambda text: None if text is None else function(str(text))
