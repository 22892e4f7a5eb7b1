"""What an entity set is: named attributes over the columns of one table."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Double, Integer, String, Table, Text
from sqlalchemy.types import TypeEngine


class Kind(enum.Enum):
    """The type of an attribute, which decides its columns, its JSON form and its filters."""

    STRING = enum.auto()
    BOOLEAN = enum.auto()
    INTEGER = enum.auto()
    AMOUNT = enum.auto()
    """`{"Value", "Currency"}` [API-67]; the value is stored in hundredths, so that it is exact."""
    DECIMAL = enum.auto()
    """The value of an amount without its currency, in a column of its own."""
    DATE = enum.auto()
    TIME = enum.auto()
    """Unix seconds in the table, a date and time in UTC outside."""
    TRANSLATED = enum.auto()
    """An object keyed by language [API-67]."""
    REFERENCE = enum.auto()
    ENUM = enum.auto()
    GUID = enum.auto()
    DISPLAY = enum.auto()
    """Calculated: one text for a person, in the language of the response; it has no column."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of an entity.

    Args:
        column: its column; of an amount the stem of `<column>_value` and `<column>_currency`.
        required: whether it may never be null nor be left out on insert without a default.
        default: its value on insert when the caller sends none.
        read_only: whether the server alone sets it; what a client sends is not looked at.
        is_default: whether an entity shows it unless `$select` says otherwise [API-62].
        is_secret: written where the record allows it, and never shown or asked for [API-72].
        target: the entity set that a reference points into.
        options: the names of an enumeration, in their order.
    """

    name: str
    kind: Kind
    column: str
    max_length: int | None = None
    required: bool = False
    default: object = None
    read_only: bool = False
    is_default: bool = True
    is_secret: bool = False
    target: str | None = None
    options: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that hold it."""
        if self.kind is Kind.AMOUNT:
            return (f"{self.column}_value", f"{self.column}_currency")
        return () if self.kind is Kind.DISPLAY else (self.column,)


class EntitySet(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of entities over one table.

    Args:
        type_name: the name of its entity type in the metadata document.
        search: the paths that `$search` looks at; the first one is the display text.
    """

    name: str
    type_name: str
    table: Table
    attributes: tuple[Attribute, ...]
    search: tuple[str, ...]

    def attribute(self, name: str) -> Attribute | None:
        """The attribute with this exact name, None when there is none."""
        return next((a for a in self.attributes if a.name == name), None)

    @property
    def defaults(self) -> tuple[Attribute, ...]:
        """What an entity shows when `$select` does not say otherwise [API-62]."""
        return tuple(a for a in self.attributes if a.is_default and not a.is_secret)

    @property
    def visible(self) -> tuple[Attribute, ...]:
        """Everything that `$select=*` shows."""
        return tuple(a for a in self.attributes if not a.is_secret)


def columns_for(attributes: Iterable[Attribute]) -> list[Column[Any]]:
    """The columns of a data table, one or two an attribute."""
    columns: list[Column[Any]] = []
    for attribute in attributes:
        nullable = not (attribute.required or attribute.default is not None)
        for name, column_type in zip(attribute.columns, _types(attribute), strict=True):
            columns.append(Column(name, column_type, nullable=nullable))
    return columns


def _types(attribute: Attribute) -> tuple[TypeEngine[Any], ...]:
    match attribute.kind:
        case Kind.STRING:
            return (String(attribute.max_length) if attribute.max_length else Text(),)
        case Kind.BOOLEAN:
            return (Boolean(),)
        case Kind.INTEGER:
            return (Integer(),)
        case Kind.AMOUNT:
            return (BigInteger(), String(3))
        case Kind.DECIMAL:
            return (BigInteger(),)
        case Kind.DATE:
            return (Date(),)
        case Kind.TIME:
            return (Double(),)
        case Kind.TRANSLATED:
            return (JSON(none_as_null=True),)
        case Kind.ENUM:
            return (String(32),)
        case Kind.REFERENCE | Kind.GUID:
            return (String(36),)
        case Kind.DISPLAY:
            return ()


# --- short forms, so that the catalogue reads as a table ---


def string(name: str, column: str, max_length: int | None, *, required: bool = False) -> Attribute:
    """A text of at most `max_length` characters."""
    return Attribute(
        name=name, kind=Kind.STRING, column=column, max_length=max_length, required=required
    )


def reference(name: str, column: str, target: str, *, required: bool = False) -> Attribute:
    """A reference to an entity of `target`."""
    return Attribute(
        name=name, kind=Kind.REFERENCE, column=column, target=target, required=required
    )


def plain(name: str, column: str, kind: Kind, default: object = None) -> Attribute:
    """An attribute that needs no more than its kind and perhaps a default."""
    return Attribute(name=name, kind=kind, column=column, default=default)


def translated(name: str, column: str) -> Attribute:
    """A required text in several languages."""
    return Attribute(name=name, kind=Kind.TRANSLATED, column=column, max_length=254, required=True)


def enumeration(name: str, column: str, options: Iterable[str], default: str) -> Attribute:
    """One of `options`."""
    return Attribute(
        name=name, kind=Kind.ENUM, column=column, options=tuple(options), default=default
    )


def secret(name: str, column: str, max_length: int) -> Attribute:
    """A text that is written and never shown [API-72]."""
    return Attribute(
        name=name,
        kind=Kind.STRING,
        column=column,
        max_length=max_length,
        is_default=False,
        is_secret=True,
    )


IDENTIFIER = Attribute(name="Id", kind=Kind.GUID, column="id", required=True, is_default=False)
DISPLAY_TEXT = Attribute(
    name="DisplayText", kind=Kind.DISPLAY, column="", read_only=True, is_default=False
)
TRACKING = (
    Attribute(name="CreationTime", kind=Kind.TIME, column="creation_time", read_only=True),
    Attribute(
        name="CreationUser",
        kind=Kind.STRING,
        column="creation_user",
        max_length=64,
        read_only=True,
    ),
    Attribute(name="UpdateTime", kind=Kind.TIME, column="update_time", read_only=True),
    Attribute(
        name="UpdateUser", kind=Kind.STRING, column="update_user", max_length=64, read_only=True
    ),
)
"""Who changed an entity and when; the acting login [API-24]."""
