"""Between frozen structs and rows whose columns have the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import RowMapping

from mintgate.contract.converting import convert

S = TypeVar("S", bound=msgspec.Struct)


def from_row(struct: type[S], row: Mapping[str, Any] | RowMapping) -> S:
    """Build a struct from the columns that it has fields for; enums and tuples are converted."""
    values = {name: row[name] for name in struct.__struct_fields__}
    return convert(_encoded(struct, values), struct)


def to_row(record: msgspec.Struct) -> dict[str, Any]:
    """Column values of a struct; enums become their names."""
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(record).items()
    }


def _encoded(struct: type[S], values: dict[str, Any]) -> dict[str, Any]:
    names = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    return {names[name]: value for name, value in values.items()}
