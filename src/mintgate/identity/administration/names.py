"""Texts by language, as bodies give them [TAP-2, USR-10]."""

from __future__ import annotations

from collections.abc import Mapping


def texts_of(given: str | Mapping[str, str]) -> dict[str, str]:
    """A plain text is English."""
    return {"en": given} if isinstance(given, str) else dict(given)


def merged_texts(
    before: Mapping[str, str], given: str | Mapping[str, str | None]
) -> dict[str, str]:
    """Languages that are given replace those before, null takes one away (RFC 7396)."""
    if isinstance(given, str):
        return {"en": given}
    texts = {**before, **given}
    return {language: text for language, text in texts.items() if text is not None}
