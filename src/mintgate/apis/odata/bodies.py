"""The body of a write: JSON as values of attributes, each checked for its type [API-42]."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mintgate.apis.odata import values
from mintgate.apis.odata.problems import BadRequest, NotJson, TooLarge
from mintgate.store.records import EntitySet
from mintgate.store.records.attributes import Attribute

MAX_BODY = 1_048_576
ALIASES = {"AccessTokens": "ReferenceTokens"}
"""[TAP-15] The name that the authentication docs use."""

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def decode(content_type: str, body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        NotJson: another media type is declared.
        TooLarge: more than an entity can need.
        BadRequest: not a JSON object.
    """
    require_json(content_type, body)
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body must be one JSON object.") from None


def require_json(content_type: str, body: bytes) -> None:
    """Look at a body before it is decoded.

    Raises:
        NotJson: another media type is declared.
        TooLarge: more than an entity can need.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in {"", "application/json"}:
        raise NotJson("The body must be application/json.")
    if len(body) > MAX_BODY:
        raise TooLarge(f"The body has more than {MAX_BODY} bytes.")


def new_values(entity_set: EntitySet, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new entity, or of one that is replaced: complete, with defaults.

    Raises:
        BadRequest: an unknown attribute, a missing one, or a value of the wrong type.
    """
    given = changed_values(entity_set, body)
    for attribute in entity_set.attributes:
        if attribute.read_only or attribute.name in given or attribute.name == "Id":
            continue
        if attribute.required:
            raise BadRequest(f"{attribute.name} is missing.")
        if not attribute.is_secret:
            given[attribute.name] = attribute.default
    return given


def changed_values(entity_set: EntitySet, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a body sets. What the server alone sets is ignored (OData v4 §11.4.3).

    Raises:
        BadRequest: an unknown attribute, or a value of the wrong type.
    """
    given: dict[str, Any] = {}
    for member, value in body.items():
        name, at, annotation = member.partition("@")
        if at and not (name and annotation == "odata.bind"):
            continue  # control information is the server's
        attribute = entity_set.attribute(ALIASES.get(name, name))
        if attribute is None:
            raise BadRequest(f"{entity_set.name} has no attribute {name[:64]!r}.")
        if attribute.read_only:
            continue
        if attribute.name in given:
            raise BadRequest(f"{attribute.name} is given twice.")
        if at and attribute.target is not None and isinstance(value, str):
            value = {"@odata.id": value}
        given[attribute.name] = _value(attribute, value)
    return given


def _value(attribute: Attribute, value: Any) -> Any:
    if value is None:
        if attribute.required or attribute.default is not None:
            raise BadRequest(f"{attribute.name} must not be null.")
        return None
    return values.value_of(attribute, value)
