"""Marks sentences that a page shows to a person, for the catalogues of translations."""

from __future__ import annotations


def translatable(sentence: str) -> str:
    """The same sentence; `scripts/translate` finds it, the page that shows it translates it.

    For sentences of rooms that draw no pages. Only literals can be found: no f-strings.
    """
    return sentence
