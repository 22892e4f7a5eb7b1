"""What a browser says of itself, in words: enough for a person to recognise it, and no more."""

from __future__ import annotations

from mintgate.contract.translating import translatable
from mintgate.sites.languages import Language

# In this order: most browsers name others as well, to be taken for them.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_UNKNOWN = translatable("Unknown browser")
_ON = translatable("%(browser)s on %(system)s")


def browser_text(user_agent: str | None, language: Language) -> str:
    """Such as "Firefox on Windows"."""
    told = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in told), None)
    system = next((name for mark, name in _SYSTEMS if mark in told), None)
    if browser is None:
        return system or language.gettext(_UNKNOWN)
    if system is None:
        return browser
    return language.gettext(_ON) % {"browser": browser, "system": system}
