"""The auto-discovery document: where the sites of an instance are [TOP-20..27]."""

from __future__ import annotations

from typing import Any

from mintgate.contract.instance import (
    DOMAIN_API_PATH,
    MANAGE_PATH,
    OLAP_PATH,
    PROFILE_PATH,
    TABLE_API_PATH,
    Instance,
)


def auto_discovery(instance: Instance) -> dict[str, Any]:
    """What clients read to find everything else; the case of the names matters [TOP-21]."""
    return {
        "Host": instance.base_url.partition("://")[2],
        "DbName": instance.database,
        "WebSites": sites_of(instance),
    }


def sites_of(instance: Instance) -> list[dict[str, Any]]:
    """The sites that an instance runs [TOP-22..26].

    The AppServer is not among them: no type of the list stands for it [TOP-24].
    """
    return [
        _site("ID", instance.issuer, system=True),
        _site("UserProfile", instance.base_url + PROFILE_PATH, system=True),
        _site("InstanceManager", instance.base_url + MANAGE_PATH, system=True),
        _site(
            "DomainAPI",
            instance.base_url + DOMAIN_API_PATH,
            properties={"ODataServiceRoot": instance.odata_root},
        ),
        _site(
            "TableAPI",
            instance.base_url + TABLE_API_PATH,
            properties={"ODataServiceRoot": instance.table_root},
        ),
        _site("OLAP", instance.base_url + OLAP_PATH),
    ]


def _site(
    kind: str, url: str, *, system: bool = False, properties: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "Type": kind,
        "Status": "Working",
        "StatusDescription": "",
        "Url": url,
        "System": system,
        "AdditionalProperties": properties,
    }
