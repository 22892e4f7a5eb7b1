"""An instance's own colour and logo: readable in both themes, and inert."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mintgate.contract.instance import Instance, problems_of
from mintgate.contract.record_changes import before_and_after
from mintgate.identity.administration.attributes import text_of
from mintgate.sites.brand import brand_of, contrast, dark_tokens, light_tokens

PNG = "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
SVG = "data:image/svg+xml;base64," + b64encode(b'<svg xmlns="x"/>').decode()
INSTANCE = Instance(id="1", name="orion", database="X", base_url="https://orion.my.example")


def changed(**settings: Any) -> Instance:
    return msgspec.structs.replace(INSTANCE, **settings)


@given(st.integers(0, 0xFFFFFF).map("#{:06x}".format))
@example("#000000")
@example("#ffffff")
@example("#ffff00")
@example("#0000ff")
def test_every_colour_can_be_read(colour: str) -> None:
    """WCAG 2.2 §1.4.3: as text on each surface, and under the text of a button."""
    for tokens, surfaces in (
        (light_tokens(colour), ["#ffffff", "#f3f5f4"]),
        (dark_tokens(colour), ["#0f1412", "#181f1c", "#131a17"]),
    ):
        for name in ("accent", "accent-strong"):
            assert contrast(tokens[name], tokens["accent-ink"]) >= 4.5
            assert contrast(tokens[name], tokens["accent-ground"]) >= 4.5
            for surface in surfaces:
                assert contrast(tokens[name], surface) >= 4.5
    assert contrast(light_tokens(colour)["accent-ground"], "#17201c") >= 4.5
    assert contrast(dark_tokens(colour)["accent-ground"], "#e9efec") >= 4.5


def test_a_colour_that_can_be_read_is_kept() -> None:
    assert light_tokens("#1d4ed8")["accent"] == "#1d4ed8"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"accent_colour": "red"}, "accent_colour"),
        ({"accent_colour": "#12345g"}, "accent_colour"),
        ({"accent_colour": "#123456;}"}, "accent_colour"),
        ({"logo": "https://elsewhere.example/logo.png"}, "logo"),
        ({"logo": "data:text/html;base64,PGI+"}, "logo"),
        ({"logo": SVG.replace("svg+xml", "png")}, "logo"),
        ({"logo": PNG + "A" * 30_000}, "logo"),
    ],
)
def test_what_is_no_colour_and_no_picture(settings: dict[str, str], key: str) -> None:
    assert [name for name, _ in problems_of(changed(**settings))] == [key]


def test_the_brand_of_an_instance() -> None:
    plain = brand_of(INSTANCE)
    assert (plain.name, plain.assets()) == ("orion", {})
    own = changed(display_name="Orion Trade", accent_colour="#c2410c", logo=SVG)
    assert problems_of(own) == []
    brand = brand_of(own)
    assert brand.name == "Orion Trade"
    sheet, logo = brand.assets().values()
    assert b"--accent:#" in sheet.body
    assert (logo.media_type, logo.body) == (b"image/svg+xml", b'<svg xmlns="x"/>')


@pytest.mark.parametrize("logo", [SVG, PNG])
def test_a_logo_is_told_by_its_digest(logo: str) -> None:
    """In plans and in the audit log, in place of thousands of characters; another one differs."""
    told = text_of("logo", logo)
    assert told is not None
    assert len(told) < 80
    assert logo[30:] not in told
    changes = before_and_after({"logo": logo}, {"logo": SVG.replace("PHN2", "PHN3")})
    assert changes.before == {"logo": told}
    assert changes.after["logo"] != told


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "Orion\r\nBcc: x@y.example", "a\u202eb"])
def test_a_name_that_letters_cannot_carry(name: str) -> None:
    assert [key for key, _ in problems_of(changed(display_name=name))] == ["display_name"]
