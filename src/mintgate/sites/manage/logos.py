"""A logo from a file: small enough for every page, whatever size it came in."""

from __future__ import annotations

import io

from mintgate.contract.appearance import MAX_LOGO, logo_from, logo_problem
from mintgate.contract.translating import translatable
from mintgate.sites.pictures import BadPicture, opened

SIZE = 144
"""Pixels; pages show it with 36, and screens have up to four for each."""
# As it is when it is small, else with losses that nobody sees, and at last fewer pixels.
_WAYS = (("PNG", SIZE), ("WEBP", SIZE), ("WEBP", SIZE // 2))
SVG_STARTS = (b"<svg", b"<?xml")

BROKEN_SVG = translatable("This file is no SVG picture.")
LARGE_SVG = translatable("This SVG is too large: it may have 18 KB. Or take a PNG of any size.")
UNKNOWN = translatable("This file is no picture in PNG, JPEG, WebP or SVG format.")


def logo_of_file(data: bytes) -> str:
    """The logo as a data URI. It takes too long for the event loop.

    An SVG stays as it is: its address is served so that no script in it runs. Of any other
    picture nothing is kept but the pixels.

    Raises:
        BadPicture: not a picture that we take.
    """
    if data.lstrip().startswith(SVG_STARTS):
        return _svg(data.strip())
    try:
        upright = opened(data, SIZE)
    except BadPicture as bad:
        raise BadPicture(UNKNOWN if data and _is_unknown(data) else str(bad)) from None
    from PIL import Image

    for kind, size in _WAYS:
        smaller = upright.copy()
        smaller.thumbnail((size, size))
        fresh = Image.new("RGBA", smaller.size)
        fresh.paste(smaller)
        out = io.BytesIO()
        fresh.save(out, kind, optimize=True, quality=85)
        logo = logo_from(out.getvalue())
        if logo is not None and len(logo) <= MAX_LOGO:
            break
    else:
        raise BadPicture(UNKNOWN)
    return logo


def _is_unknown(data: bytes) -> bool:
    return logo_from(data) is None


def _svg(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadPicture(BROKEN_SVG) from None
    logo = logo_from(data)
    if logo is None or "<svg" not in text:
        raise BadPicture(BROKEN_SVG)
    if logo_problem(logo):
        raise BadPicture(LARGE_SVG)
    return logo
