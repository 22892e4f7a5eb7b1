"""The web sites of the instance, as programs find them too [TOP-20, IMG-2]."""

from __future__ import annotations

import msgspec

from mintgate.contract.discovery import sites_of
from mintgate.contract.instance import Instance


class WebSite(msgspec.Struct, frozen=True):
    """Args: `status` as in auto-discovery [TOP-23]."""

    kind: str
    url: str
    status: str


def web_sites(instance: Instance) -> list[WebSite]:
    """In the order of auto-discovery."""
    return [
        WebSite(str(site["Type"]), str(site["Url"]), str(site["Status"]))
        for site in sites_of(instance)
    ]
