"""The language of a response [API-68]."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mintgate.contract.accepted_languages import accepted_languages

_CULTURE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COOKIE = re.compile(r"c=([A-Za-z0-9-]+)(?:\|uic=([A-Za-z0-9-]+))?")


def response_language(
    culture: str | None, cookie: str | None, accept_language: str | None, locale: str | None
) -> str:
    """The first usable culture of: query, cookie, `Accept-Language`, the token's locale, `en`.

    Args:
        cookie: the value of `.AspNetCore.Culture`, such as `c=bg|uic=bg`.
    """
    for wanted in (culture, *_of_cookie(cookie), *accepted_languages(accept_language), locale):
        if wanted and len(wanted) <= 15 and _CULTURE.fullmatch(wanted):
            return wanted
    return "en"


def _of_cookie(cookie: str | None) -> Iterator[str]:
    found = _COOKIE.fullmatch((cookie or "").replace("%7C", "|").replace("%3D", "="))
    if found:
        yield found[2] or found[1]
