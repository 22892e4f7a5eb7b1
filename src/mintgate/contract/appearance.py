"""How an instance shows itself to people: the checks of its colour and its logo."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error

import msgspec

MAX_LOGO = 24 * 1024
"""Characters of the data URI: about 18 KB of picture, so that a page stays small."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOGO = re.compile(r"data:image/(png|svg\+xml|webp|jpeg);base64,([A-Za-z0-9+/=]+)")
_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "webp": (b"RIFF",),
    "svg+xml": (b"<svg", b"<?xml"),
}


class Logo(msgspec.Struct, frozen=True):
    """A picture; `kind` is the part of its media type after `image/`."""

    kind: str
    content: bytes


def colour_problem(colour: str) -> str | None:
    """What is wrong with an accent colour; None when nothing is."""
    return None if _COLOUR.fullmatch(colour) else "must be a colour such as #0b6b4f"


def logo_problem(logo: str) -> str | None:
    """What is wrong with a logo; None when nothing is."""
    if len(logo) > MAX_LOGO:
        return f"must have at most {MAX_LOGO} characters"
    if logo_of(logo) is None:
        return "must be a PNG, SVG, WebP or JPEG as data:image/…;base64,…"
    return None


def logo_of(logo: str) -> Logo | None:
    """The picture of a data URI; None when it is not one, or another one than it says."""
    found = _LOGO.fullmatch(logo)
    if found is None:
        return None
    try:
        content = b64decode(found[2], validate=True)
    except (Base64Error, ValueError):
        return None
    if not content.lstrip().startswith(_SIGNATURES[found[1]]):
        return None
    return Logo(found[1], content)
