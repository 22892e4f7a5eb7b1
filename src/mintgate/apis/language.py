"""The language of a response [API-68]."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CULTURE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COOKIE = re.compile(r"c=([A-Za-z0-9-]+)(?:\|uic=([A-Za-z0-9-]+))?")


def response_language(
    culture: str | None, cookie: str | None, accept_language: str | None, locale: str | None
) -> str:
    """The first usable culture of: query, cookie, `Accept-Language`, the token's locale, `en`.

    Args:
        cookie: the value of `.AspNetCore.Culture`, such as `c=bg|uic=bg`.
    """
    for wanted in (culture, *_of_cookie(cookie), *_accepted(accept_language), locale):
        if wanted and len(wanted) <= 15 and _CULTURE.fullmatch(wanted):
            return wanted
    return "en"


def _of_cookie(cookie: str | None) -> Iterator[str]:
    found = _COOKIE.fullmatch((cookie or "").replace("%7C", "|").replace("%3D", "="))
    if found:
        yield found[2] or found[1]


def _accepted(header: str | None) -> list[str]:
    """Languages of the header, those with the highest weight first (RFC 9110 §12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for item in (header or "")[:500].split(","):
        name, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=")
        try:
            quality = float(weight) if parameter else 1.0
        except ValueError:
            continue
        if quality > 0 and name.strip() != "*":
            weighted.append((quality, name.strip()))
    return [name for _, name in sorted(weighted, key=lambda pair: -pair[0])]
