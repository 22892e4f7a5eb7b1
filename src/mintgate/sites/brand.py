"""The instance's name, colour and logo on its pages, readable whatever the colour is."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from mintgate.contract.appearance import logo_of
from mintgate.contract.instance import Instance
from mintgate.sites.assets import ASSETS_PATH, Asset, asset_of

Colour = tuple[float, float, float]
"""Red, green and blue, from 0 to 1."""

_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_ENOUGH = 4.6
"""WCAG 2.2 §1.4.3 asks for 4.5; a little more, as colours are rounded."""
# The surfaces of `style.css` that the colour is seen on.
_LIGHT_SURFACES = ("#ffffff", "#f3f5f4")
_DARK_SURFACES = ("#0f1412", "#181f1c", "#131a17")
_DARK_INK = "#06140f"


class Brand(msgspec.Struct, frozen=True):
    """What pages show of an instance.

    Args:
        sheet: a style sheet with its colours; None for those of `style.css`.
        logo: None when it has none.
    """

    name: str
    sheet: Asset | None = None
    logo: Asset | None = None

    def assets(self) -> dict[str, Asset]:
        """By the name under which each is served."""
        return {one.versioned_name: one for one in (self.sheet, self.logo) if one is not None}


@lru_cache(maxsize=64)
def brand_of(instance: Instance) -> Brand:
    """The brand of an instance whose settings were checked."""
    sheet = logo = None
    if instance.accent_colour is not None:
        sheet = asset_of("brand.css", style_sheet(instance.accent_colour).encode())
    picture = logo_of(instance.logo) if instance.logo is not None else None
    if picture is not None:
        logo = asset_of(f"logo.{picture.kind.partition('+')[0]}", picture.content)
    return Brand(instance.shown_name, sheet, logo)


def brand_asset_url(issuer: str, asset: Asset) -> str:
    return f"{issuer}{ASSETS_PATH}/{asset.versioned_name}"


def style_sheet(accent: str) -> str:
    """The tokens of `style.css` that a colour changes, for both themes."""
    light, dark = light_tokens(accent), dark_tokens(accent)
    return (
        f":root{{{_tokens(light)}}}@media (prefers-color-scheme:dark){{:root{{{_tokens(dark)}}}}}"
    )


def light_tokens(accent: str) -> dict[str, str]:
    """The colour, made as dark as it must be to be read on every light surface."""
    colour = _parse(accent)
    ground = _mix(colour, _WHITE, 0.88)
    surfaces = [ground, *map(_parse, _LIGHT_SURFACES)]
    readable = _until_readable(colour, surfaces, _BLACK)
    return {
        "accent": _text(readable),
        "accent-strong": _text(_mix(readable, _BLACK, 0.2)),
        "accent-ink": "#ffffff",
        "accent-ground": _text(ground),
        "kind-0": _text(readable),
    }


def dark_tokens(accent: str) -> dict[str, str]:
    """The colour, made as light as it must be to be read on every dark surface."""
    colour = _parse(accent)
    ground = _mix(colour, _parse("#181f1c"), 0.82)
    surfaces = [ground, *map(_parse, _DARK_SURFACES)]
    readable = _until_readable(colour, surfaces, _WHITE)
    return {
        "accent": _text(readable),
        "accent-strong": _text(_mix(readable, _WHITE, 0.25)),
        "accent-ink": _DARK_INK,
        "accent-ground": _text(ground),
        "kind-0": _text(readable),
    }


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    return _contrast(_parse(one), _parse(other))


def _until_readable(colour: Colour, surfaces: list[Colour], towards: Colour) -> Colour:
    for step in range(101):
        mixed = _mix(colour, towards, step / 100)
        if all(_contrast(mixed, surface) >= _ENOUGH for surface in surfaces):
            return mixed
    return towards


def _contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = map(_linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    linear: float = channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    return linear


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    def mixed(index: int) -> float:
        return colour[index] * (1 - share) + other[index] * share

    return mixed(0), mixed(1), mixed(2)


def _parse(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text[1:])
    return red / 255, green / 255, blue / 255


def _text(colour: Colour) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in colour)


def _tokens(values: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in values.items())
