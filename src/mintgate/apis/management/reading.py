"""Bodies and queries of requests, strictly: nothing unknown, nothing twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from mintgate.contract.automation.problems import InvalidInput, UnsupportedContent
from mintgate.contract.converting import convert
from mintgate.identity.forms import BODY_SECONDS, MAX_BODY_BYTES, header, query_of
from mintgate.jose.encoding import DuplicateMember, decode_object, require_unique

JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


async def body_bytes(request: Request) -> bytes:
    """The whole body, of a bounded size and in a bounded time.

    Raises:
        InvalidInput: too long, too slow or broken off.
    """
    found = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                found += part
                if len(found) > MAX_BODY_BYTES:
                    raise InvalidInput(f"The body is longer than {MAX_BODY_BYTES} bytes.")
    except TimeoutError:
        raise InvalidInput(f"The body did not come within {BODY_SECONDS} seconds.") from None
    except ClientDisconnect:
        raise InvalidInput("The connection ended before the body did.") from None
    return found


def body_of(request: Request, text: bytes, kind: Any) -> Any:
    """The JSON body as the type of the route; None of it is an empty object.

    Raises:
        InvalidInput: not JSON, an unknown member, or a value of another kind.
        UnsupportedContent: not sent as JSON.
    """
    if kind is None:
        if text:
            raise InvalidInput("This operation takes no body.")
        return None
    if not text:
        return _converted({}, kind)
    content_type = header(request.scope, b"content-type") or ""
    if content_type.partition(";")[0].strip().lower() not in JSON_TYPES:
        raise UnsupportedContent
    try:
        decoded = decode_object(text)
        require_unique(text, decoded)
    except DuplicateMember:
        raise InvalidInput("The body names a member twice.") from None
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not a JSON object.") from None
    _require_storable(decoded)
    return _converted(decoded, kind)


def query_values(request: Request, kind: Any) -> Any:
    """The query parameters as the type of the route.

    Raises:
        InvalidInput: an unknown or malformed parameter.
        InvalidRequest: one that is repeated.
    """
    values = query_of(request.scope)
    if kind is None:
        if values:
            raise InvalidInput(f"This operation has no parameter {next(iter(values))[:64]!r}.")
        return None
    return _converted(values, kind, strict=False)


def etags_of(request: Request) -> frozenset[str] | None:
    """The strong ETags of If-Match, or `*`; None when the header is not there.

    Raises:
        InvalidInput: it is no list of ETags.
    """
    given = header(request.scope, b"if-match")
    if given is None:
        return None
    tags = [part.strip() for part in given.split(",")]
    if tags != ["*"] and not all(_ETAG.fullmatch(tag) for tag in tags):
        raise InvalidInput("If-Match must be * or ETags in quotes.")
    return frozenset(tags)  # a weak one is compared, too, and never equals a strong one


def idempotency_key_of(request: Request) -> str | None:
    """Raises InvalidInput for a key that is no such text."""
    given = header(request.scope, b"idempotency-key")
    if given is not None and not _IDEMPOTENCY_KEY.fullmatch(given):
        raise InvalidInput("The Idempotency-Key must have 1 to 255 visible ASCII characters.")
    return given


def _converted(values: Mapping[str, Any], kind: Any, *, strict: bool = True) -> Any:
    _require_known(values, kind.__struct_encode_fields__)
    try:
        return convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidInput(_sentence(str(error))) from None


def _require_storable(value: Any) -> None:
    """No text may hold NUL, which no database takes, nor half a character."""
    if isinstance(value, dict):
        for name, member in value.items():
            _require_storable(name)
            _require_storable(member)
    elif isinstance(value, list):
        for member in value:
            _require_storable(member)
    elif isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise InvalidInput("A text holds a NUL or half a character.")


def _require_known(values: Mapping[str, Any], allowed: Iterable[str]) -> None:
    by_lower_case = {name.lower(): name for name in allowed}
    for name in values:
        if name in by_lower_case.values():
            continue
        close = get_close_matches(name.lower(), by_lower_case, 1)
        guess = f"did you mean {by_lower_case[close[0]]}? " if close else ""
        known = ", ".join(by_lower_case.values()) or "none"
        raise InvalidInput(problems=[(name[:64], f"is unknown here; {guess}Allowed are: {known}")])


def _sentence(message: str) -> str:
    # msgspec names the place as `$.Name`; the value itself is never part of its message, except
    # for enumerations, whose wrong value is cut.
    return f"{message[:300].replace('`', '')}."
