"""How an instance shows itself to people: the checks of its colour and its logo."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

import msgspec

MAX_LOGO = 24 * 1024
"""Characters of the data URI: about 18 KB of picture, so that a page stays small."""

MAX_NAME = 128

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


def name_problem(name: str) -> str | None:
    """What is wrong with a name for people; None when nothing is.

    It stands in the `From` of letters, too, where a line break would begin another header.
    """
    if not name.strip():
        return "must not be empty"
    if len(name) > MAX_NAME:
        return f"must have at most {MAX_NAME} characters"
    return None if name.isprintable() else "must not hold control characters or line breaks"


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


def logo_from(content: bytes) -> str | None:
    """A picture as a data URI, by what it begins with; None when it is none that we know."""
    for kind, signatures in _SIGNATURES.items():
        if content.lstrip().startswith(signatures):
            return f"data:image/{kind};base64,{b64encode(content).decode()}"
    return None


def logo_summary(logo: str) -> str:
    """What the audit log and plans say of a logo in place of thousands of characters."""
    content = logo.rpartition(",")[2].encode()
    kind = logo.partition(";")[0].removeprefix("data:")
    return f"{kind}, SHA-256 of its base64 {hashlib.sha256(content).hexdigest()[:16]}"
