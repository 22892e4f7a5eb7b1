"""Pictures that somebody uploaded, read as pixels: nothing else of the file is kept."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from mintgate.contract.translating import translatable

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
"""More than any telephone takes. Decoded it is 160 MB; a file that says more is not decoded."""


class BadPicture(Exception):
    """Not a picture that we take; the message says what is, and can be translated."""


NO_FILE = translatable("Choose a file first.")
NOT_A_PICTURE = translatable("This file is no picture in PNG, JPEG or WebP format.")
TOO_MANY_PIXELS = translatable("This picture is too large. Take one of at most 40 megapixels.")


def opened(data: bytes, about: int) -> Image.Image:
    """The picture, upright and with transparency.

    Args:
        about: how many pixels wide and high it will be; a JPEG is decoded no larger than needed.

    Raises:
        BadPicture: no file, another format, broken, or with too many pixels.
    """
    if not data:
        raise BadPicture(NO_FILE)
    # With the first picture: a server that draws none need not have it.
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as found:
                if found.width * found.height > MAX_PIXELS:
                    raise BadPicture(TOO_MANY_PIXELS)
                found.draft("RGB", (4 * about, 4 * about))
                return ImageOps.exif_transpose(found).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(TOO_MANY_PIXELS) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise BadPicture(NOT_A_PICTURE) from None
