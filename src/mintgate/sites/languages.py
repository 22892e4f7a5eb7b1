"""The languages of pages: which one a person gets, and how it writes dates and numbers.

English is what the code says. Every other language is a folder of gettext catalogues below
`locale/`, one for each group of pages; `scripts/translate` keeps them complete.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from mintgate.contract.accepted_languages import accepted_languages

LANGUAGES = ("en", "bg")
LOCALE_FOLDER = Path(__file__).with_name("locale")


class Language:
    """Texts, dates and numbers of one language; times are Unix seconds, shown in UTC.

    Babel comes with the first date or number: most sign-in pages have none.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.translations = _translations(code)

    def gettext(self, sentence: str) -> str:
        """The sentence in this language, else as it is."""
        return self.translations.gettext(sentence) if sentence else ""

    def knows(self, sentence: str) -> bool:
        """Whether `gettext` answers in this language."""
        return self.code == "en" or self.gettext(sentence) != sentence

    def date(self, at: float) -> str:
        from babel.dates import format_date

        return format_date(datetime.fromtimestamp(at, UTC), "medium", self.code)

    def date_and_time(self, at: float) -> str:
        from babel.dates import format_datetime

        shown = format_datetime(datetime.fromtimestamp(at, UTC), "medium", locale=self.code)
        return f"{shown} UTC"

    def iso(self, at: float) -> str:
        """For the `datetime` attribute of a `<time>`."""
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")

    def relative(self, at: float, now: float) -> str:
        """Such as "2 hours ago" or "in 3 days"."""
        from babel.dates import format_timedelta

        return format_timedelta(timedelta(seconds=at - now), add_direction=True, locale=self.code)

    def number(self, value: float) -> str:
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.code)

    def percent(self, share: float) -> str:
        from babel.numbers import format_percent

        return format_percent(share, locale=self.code)


@cache
def language(code: str) -> Language:
    """One of `LANGUAGES`."""
    return Language(code)


def best_language(wanted: Iterable[str | None], accept_language: str | None) -> Language:
    """The first that we have: of `wanted`, then of the header (RFC 9110 §12.5.4), else English.

    Args:
        wanted: culture names such as `bg` or `bg-BG`, best first.
    """
    for tag in (*wanted, *accepted_languages(accept_language)):
        code = (tag or "").replace("_", "-").partition("-")[0].lower()
        if code in LANGUAGES:
            return language(code)
    return language("en")


def _translations(code: str) -> gettext.NullTranslations:
    catalogues = sorted((LOCALE_FOLDER / code).glob("*.mo"))
    first: gettext.NullTranslations = gettext.NullTranslations()
    for path in reversed(catalogues):
        with path.open("rb") as file:
            one = gettext.GNUTranslations(file)
        one.add_fallback(first)
        first = one
    return first
