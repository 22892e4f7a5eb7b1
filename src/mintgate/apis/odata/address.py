"""The path below the OData root: which thing is addressed [API-60]."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from mintgate.apis.odata.problems import NotFound

Target = Literal["service", "metadata", "batch", "set", "count", "entity"]

READS = ("GET", "HEAD")
METHODS: dict[Target, tuple[str, ...]] = {
    "service": READS,
    "metadata": READS,
    "count": READS,
    "set": (*READS, "POST"),
    "entity": (*READS, "PATCH", "PUT", "DELETE"),
    "batch": ("POST",),
}
ROOT = "/domain/odata"
BATCH_PATH = ROOT + "/$batch"
_RESOURCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\(([^()/]*)\))?(/\$count)?")


class Address(msgspec.Struct, frozen=True):
    """What a path names; the entity set and the key may still be unknown ones."""

    target: Target
    entity_set: str | None = None
    key: str | None = None


def path_below(mounted_at: str, scope: Mapping[str, Any]) -> str:
    """The path below an API's mount point, however the server in front splits it."""
    path: str = scope["path"]
    for prefix in (scope.get("root_path", ""), mounted_at):
        if prefix and path.startswith(prefix + "/"):
            return path[len(prefix) :]
    return path


def address_of(path: str) -> Address:
    """Read the path below the API's own mount point, such as `/domain/odata/Crm_Sales_Customers`.

    Raises:
        NotFound: nothing has such a path.
    """
    if path != ROOT and not path.startswith(ROOT + "/"):
        raise NotFound("There is nothing at this address.")
    rest = path[len(ROOT) :].strip("/")
    if rest in _FIXED:
        return _FIXED[rest]
    found = _RESOURCE.fullmatch(rest)
    if found is None or (found[2] is not None and found[3]):
        raise NotFound("There is nothing at this address.")
    if found[2] is not None:
        return Address("entity", found[1], found[2])
    return Address("count" if found[3] else "set", found[1])


_FIXED = {
    "": Address("service"),
    "$metadata": Address("metadata"),
    "$batch": Address("batch"),
}
