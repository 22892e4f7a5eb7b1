"""One JSON value as the value of an attribute."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from mintgate.apis.odata.problems import BadRequest
from mintgate.store.records import Attribute, Kind
from mintgate.store.records.literals import MAX_HUNDREDTHS, MAX_INTEGER, guid_of, referenced

MAX_LANGUAGES = 60
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CURRENCY = re.compile(r"[A-Z]{3}")


def value_of(attribute: Attribute, value: Any) -> Any:
    """Convert a value that is not null.

    Raises:
        BadRequest: it is of the wrong type, too long or out of range [API-42].
    """
    try:
        converted = _CONVERTERS[attribute.kind](attribute, value)
    except (ValueError, OverflowError):
        converted = None
    if converted is None:
        raise BadRequest(f"{attribute.name} must be {_EXPECTED[attribute.kind]}.")
    return converted


def _text(attribute: Attribute, value: Any) -> str | None:
    if not isinstance(value, str) or "\x00" in value:
        return None
    limit = attribute.max_length
    if limit is not None and len(value) > limit:
        raise BadRequest(f"{attribute.name} must have at most {limit} characters.")
    if (attribute.required or attribute.is_secret) and not value.strip():
        raise BadRequest(f"{attribute.name} must not be empty.")
    return value


def _boolean(_: Attribute, value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(_: Attribute, value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -MAX_INTEGER - 1 <= value <= MAX_INTEGER else None


def _amount(_: Attribute, value: Any) -> tuple[int, str] | None:
    if not isinstance(value, dict) or value.keys() != {"Value", "Currency"}:
        return None
    number, currency = value["Value"], value["Currency"]
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    exact = Decimal(number)
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    if not abs(exact) <= MAX_HUNDREDTHS // 100:
        return None
    hundredths = exact * 100
    return (int(hundredths), currency) if hundredths == hundredths.to_integral_value() else None


def _date(_: Attribute, value: Any) -> datetime.date | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    if len(value) == 10:
        return datetime.date.fromisoformat(value)
    moment = _moment(value)
    return moment.date() if moment.time() == datetime.time() else None


def _time(_: Attribute, value: Any) -> float | None:
    if not isinstance(value, str) or not 16 <= len(value) <= 40:
        return None
    return _moment(value).timestamp()


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def _translated(attribute: Attribute, value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict) or len(value) > MAX_LANGUAGES:
        return None
    texts: dict[str, str] = {}
    for language, text in value.items():
        if len(language) > 15 or not _LANGUAGE.fullmatch(language):
            return None
        checked = _text(attribute, text)
        if checked is None:
            return None
        texts[language] = checked
    return texts or None


def _reference(attribute: Attribute, value: Any) -> str | None:
    if not isinstance(value, dict) or not isinstance(value.get("@odata.id"), str):
        return None
    entity = referenced(value["@odata.id"])
    return entity[1] if entity is not None and entity[0] == attribute.target else None


def _option(attribute: Attribute, value: Any) -> str | None:
    if isinstance(value, str) and value not in attribute.options:
        raise BadRequest(f"{attribute.name} must be one of: {', '.join(attribute.options)}.")
    return value if isinstance(value, str) else None


def _guid(_: Attribute, value: Any) -> str | None:
    return guid_of(value) if isinstance(value, str) else None


_CONVERTERS = {
    Kind.STRING: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.AMOUNT: _amount,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.TRANSLATED: _translated,
    Kind.REFERENCE: _reference,
    Kind.ENUM: _option,
    Kind.GUID: _guid,
}
_EXPECTED = {
    Kind.STRING: "a text",
    Kind.BOOLEAN: "true or false",
    Kind.INTEGER: "a whole number of 32 bits",
    Kind.AMOUNT: 'an object {"Value": number of at most 2 decimals, "Currency": "EUR"}',
    Kind.DATE: "a day such as 2024-02-29, or midnight in UTC",
    Kind.TIME: "a time such as 2024-02-29T12:00:00Z",
    Kind.TRANSLATED: 'an object of texts by language such as {"en": "…"}',
    Kind.REFERENCE: 'an object {"@odata.id": "Set(guid)"} of the right entity set',
    Kind.ENUM: "a name",
    Kind.GUID: "a GUID",
}
