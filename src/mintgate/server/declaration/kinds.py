"""What a value in the file may be: a kind takes a TOML value, and raises `Unfit` when it is not."""

from __future__ import annotations

import enum
import math
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

Kind = Callable[[object], object]
MAX_INTEGER = 2**31 - 1


class Unfit(Exception):
    """The value is not allowed; the message is a sentence about what is."""


def text(maximum: int, *, lines: bool = False) -> Kind:
    """A text of at most `maximum` characters, of several lines where `lines` is true."""
    allowed_controls = "\t\r\n" if lines else ""

    def fit(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit(f"must be a text in quotes, not {_kind_of(value)}")
        if len(value) > maximum:
            raise Unfit(f"must have at most {maximum} characters")
        if any((ord(c) < 32 and c not in allowed_controls) or ord(c) == 127 for c in value):
            raise Unfit("must not hold control characters" + ("" if lines else " or line breaks"))
        return value

    return fit


def optional_text(maximum: int, *, lines: bool = False) -> Kind:
    """A text; an empty one means that there is none, as TOML has no null."""
    fit = text(maximum, lines=lines)
    return lambda value: fit(value) or None


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"must be true or false, not {_kind_of(value)}")
    return value


def integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(f"must be a whole number, not {_kind_of(value)}")
    if abs(value) > MAX_INTEGER:
        raise Unfit("is too large a number")
    return value


def texts(value: object) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list):
        raise Unfit('must be a list of texts such as ["GET", "HEAD"]')
    return [str(text(254)(item)) for item in value]


def one_of(names: type[enum.StrEnum]) -> Kind:
    """One of the names of an enumeration, in its exact spelling."""

    def fit(value: object) -> enum.StrEnum:
        try:
            return names(str(value))
        except ValueError:
            raise Unfit(f"must be one of {', '.join(map(repr, map(str, names)))}") from None

    return fit


def texts_by_language(value: object) -> dict[str, str]:
    """A text, which is English, or a table of texts keyed by language [TAP-2, USR-10]."""
    if isinstance(value, str):
        return {"en": str(text(254)(value))}
    if not isinstance(value, Mapping):
        raise Unfit('must be a text, or a table by language such as { en = "…", bg = "…" }')
    return {str(language): str(text(254)(name)) for language, name in value.items()}


def guid(value: object) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise Unfit("must be a GUID such as 3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b") from None


def moment(value: object) -> float:
    """A point in time, as Unix seconds; `inf` has no end [SGN-10]."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return math.ceil(value.timestamp())
    if value == math.inf:
        return math.inf
    raise Unfit("must be a time with an offset such as 2031-01-31T12:00:00Z, or inf for no end")


def end(value: object) -> int:
    """A point in time at which something ends, as whole Unix seconds."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return math.ceil(value.timestamp())
    raise Unfit("must be a time with an offset such as 2031-01-31T12:00:00Z")


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "a table (only a secret may be { env = … })" if set(value) == {"env"} else "a table"
    return "a list" if isinstance(value, list) else "a date or time"
