"""A picture that somebody uploaded, drawn anew: our pixels, and nothing else of the file."""

from __future__ import annotations

import io
import warnings

from mintgate.contract.translating import translatable
from mintgate.identity.administration.own_account import DrawnPicture

FORMATS = ("PNG", "JPEG", "WEBP")
MEDIA_TYPE = "image/png"
MAX_PIXELS = 40_000_000
"""More than any telephone takes. Decoded it is 160 MB; a file that says more is not decoded."""
SMALL, LARGE = 64, 128


class BadPicture(Exception):
    """Not a picture that we take; the message says what is, and can be translated."""


NO_FILE = translatable("Choose a file first.")
NOT_A_PICTURE = translatable("This file is no picture in PNG, JPEG or WebP format.")
TOO_MANY_PIXELS = translatable("This picture is too large. Take one of at most 40 megapixels.")


def drawn(data: bytes) -> DrawnPicture:
    """The picture in both sizes, cut to a square around its middle.

    Metadata such as the place where it was taken, animation and whatever else the file holds are
    gone.

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
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadPicture(TOO_MANY_PIXELS)
                opened.draft("RGB", (4 * LARGE, 4 * LARGE))  # a JPEG needs not all of its pixels
                upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(TOO_MANY_PIXELS) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise BadPicture(NOT_A_PICTURE) from None
    sizes: list[bytes] = []
    for size in (SMALL, LARGE):
        # Onto an empty picture: what the file said beside its pixels is not carried over.
        fresh = Image.new("RGBA", (size, size))
        fresh.paste(ImageOps.fit(upright, (size, size)))
        out = io.BytesIO()
        fresh.save(out, "PNG", optimize=True)
        sizes.append(out.getvalue())
    return DrawnPicture(media_type=MEDIA_TYPE, small=sizes[0], large=sizes[1])
