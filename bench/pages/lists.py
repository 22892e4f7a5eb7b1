"""Lists in parts: the way to the next one."""

from __future__ import annotations

import html
import re

_NEXT = re.compile(r'<a class="button [^>]* href="([^"]*[?&;](?:after|from|page)=[^"]*)"')


def next_in(text: str) -> str | None:
    """Where a page's link to the next part leads; None at the end."""
    found = _NEXT.search(text)
    return html.unescape(found[1]) if found else None
