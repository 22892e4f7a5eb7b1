"""What each scope means, in words for who is asked to allow it."""

from __future__ import annotations

from mintgate.contract.translating import translatable
from mintgate.sites.languages import Language

_TEXTS = {
    "openid": (
        translatable("Know who you are"),
        translatable("Your login."),
    ),
    "profile": (
        translatable("See your profile"),
        translatable("Your name, email address and language."),
    ),
    "read": (
        translatable("Read data in your name"),
        translatable("Everything that you may read yourself."),
    ),
    "update": (
        translatable("Create, change and delete data in your name"),
        translatable("Everything that you may change yourself."),
    ),
    "sec": (
        translatable("Manage users and applications in your name"),
        translatable("As far as you may do it yourself."),
    ),
    "DomainApi": (
        translatable("Use an outdated permission"),
        translatable("It gives nothing by itself."),
    ),
    "offline_access": (
        translatable("Keep access while you are away"),
        translatable("Until you sign out or withdraw this permission."),
    ),
}


def scope_text(scope: str, language: Language) -> tuple[str, str]:
    """A scope as (what it allows, how far that goes)."""
    title, explanation = _TEXTS[scope]
    return language.gettext(title), language.gettext(explanation)
