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

    def markup(self, sentence: str) -> str:
        """For `_()` of templates, which takes what it gets for HTML and fills in `%(name)s`.

        So only our own texts come back as they are; any other is escaped.
        """
        ours = sentence in _our_sentences()
        return _without_values(self.gettext(sentence)) if ours else _inert(sentence)

    def plural_markup(self, one: str, many: str, count: int) -> str:
        """The same for `ngettext`."""
        if one in _our_sentences():
            return _without_values(self.translations.ngettext(one, many, count))
        return _inert(one if count == 1 else many)

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


def _catalogues(code: str) -> list[gettext.GNUTranslations]:
    found = []
    for path in sorted((LOCALE_FOLDER / code).glob("*.mo")):
        with path.open("rb") as file:
            found.append(gettext.GNUTranslations(file))
    return found


def _translations(code: str) -> gettext.NullTranslations:
    chain = gettext.NullTranslations()
    for one in reversed(_catalogues(code)):
        one.add_fallback(chain)
        chain = one
    return chain


@cache
def _our_sentences() -> frozenset[str]:
    """What the code says and a catalogue has, so that it comes from nowhere else."""
    texts: set[str] = set()
    for one in _catalogues("bg"):
        catalogue: dict[str | tuple[str, int], str] = vars(one)["_catalog"]
        texts.update(key if isinstance(key, str) else key[0] for key in catalogue)
    return frozenset(texts)


def _without_values(text: str) -> str:
    """A text in which nothing is to be filled in may have a percent sign."""
    return text if "%(" in text else text.replace("%", "%%")


def _inert(text: str) -> str:
    from markupsafe import escape

    return str(escape(text)).replace("%", "%%")
