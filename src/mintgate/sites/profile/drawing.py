"""A person's picture, drawn anew: our pixels, and nothing else of the file."""

from __future__ import annotations

import io

from mintgate.identity.administration.own_account import DrawnPicture
from mintgate.sites.pictures import opened

MEDIA_TYPE = "image/png"
SMALL, LARGE = 64, 128


def drawn(data: bytes) -> DrawnPicture:
    """The picture in both sizes, cut to a square around its middle.

    Metadata such as the place where it was taken, animation and whatever else the file holds are
    gone.

    Raises:
        BadPicture: no file, another format, broken, or with too many pixels.
    """
    upright = opened(data, LARGE)
    from PIL import Image, ImageOps

    sizes: list[bytes] = []
    for size in (SMALL, LARGE):
        # Onto an empty picture: what the file said beside its pixels is not carried over.
        fresh = Image.new("RGBA", (size, size))
        fresh.paste(ImageOps.fit(upright, (size, size)))
        out = io.BytesIO()
        fresh.save(out, "PNG", optimize=True)
        sizes.append(out.getvalue())
    return DrawnPicture(media_type=MEDIA_TYPE, small=sizes[0], large=sizes[1])
