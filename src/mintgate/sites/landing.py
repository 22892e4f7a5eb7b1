"""What the landing page says of each site of an instance."""

from __future__ import annotations

import msgspec

from mintgate.contract.discovery import sites_of
from mintgate.contract.instance import Instance
from mintgate.contract.translating import translatable


class LandingSite(msgspec.Struct, frozen=True):
    """A card of the landing page.

    Args:
        is_page: whether a person can open it; an API answers programs only.
    """

    title: str
    purpose: str
    icon: str
    url: str
    is_page: bool = False


_TEXTS = {
    "ID": (translatable("Identity"), translatable("Signs people and programs in."), "shield"),
    "DomainAPI": ("DomainAPI", translatable("Business data, by OData."), "apps"),
    "TableAPI": ("TableAPI", translatable("Tables, read by OData."), "audit"),
    "OLAP": ("OLAP", translatable("Figures for analysis."), "chart"),
}


def landing_sites(instance: Instance) -> list[LandingSite]:
    """The public sites [TOP-29]."""
    return [
        LandingSite(*_TEXTS[str(site["Type"])], url=str(site["Url"]))
        for site in sites_of(instance)
        if site["Type"] in _TEXTS
    ]
