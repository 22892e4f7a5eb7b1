"""What the landing page says of each site of an instance."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mintgate.contract.discovery import sites_of
from mintgate.contract.instance import Instance
from mintgate.contract.translating import translatable


class _Text(NamedTuple):
    """Of one kind of site [TOP-24]; a page can be opened, an API answers programs only."""

    title: str
    purpose: str
    icon: str
    is_page: bool = False


class LandingSite(msgspec.Struct, frozen=True):
    """A card of the landing page."""

    title: str
    purpose: str
    icon: str
    is_page: bool
    url: str


_TEXTS = {
    "UserProfile": _Text(
        translatable("Profile"),
        translatable("Your account, your sessions and your tokens."),
        "user",
        is_page=True,
    ),
    "InstanceManager": _Text(
        translatable("Instance Manager"),
        translatable("For administrators: applications, users, keys and the audit log."),
        "settings",
        is_page=True,
    ),
    "ID": _Text(translatable("Identity"), translatable("Signs people and programs in."), "shield"),
    "DomainAPI": _Text("DomainAPI", translatable("Business data, by OData."), "apps"),
    "TableAPI": _Text("TableAPI", translatable("Tables, read by OData."), "audit"),
    "OLAP": _Text("OLAP", translatable("Figures for analysis."), "chart"),
}


def landing_sites(instance: Instance) -> list[LandingSite]:
    """The public sites [TOP-29], those for people first."""
    urls = {str(site["Type"]): str(site["Url"]) for site in sites_of(instance)}
    return [LandingSite(*text, url) for kind, text in _TEXTS.items() if (url := urls.get(kind))]
