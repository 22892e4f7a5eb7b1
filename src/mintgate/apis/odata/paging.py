"""Where the next page starts [API-65]."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import quote, urlencode

from mintgate.apis.odata.parameters import Parameters
from mintgate.apis.odata.problems import BadRequest
from mintgate.store.records.literals import guid_of


def token_after(entity_id: str) -> str:
    """A `$skiptoken` for the entities after this one; opaque to clients."""
    return urlsafe_b64encode(entity_id.encode()).decode().rstrip("=")


def id_before(token: str) -> str:
    """The id that a `$skiptoken` was made of.

    Raises:
        BadRequest: it is not one of ours.
    """
    try:
        text = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode("ascii")
    except ValueError:
        text = ""
    entity_id = guid_of(text)
    if entity_id is None:
        raise BadRequest("$skiptoken is not one that this server gave.")
    return entity_id


def next_link(address: str, parameters: Parameters, last_id: str, shown: int) -> str:
    """The address of the next page.

    Args:
        address: of the entity set, built from configuration [TOP-2].
        shown: how many entities this page has.
    """
    options = dict(parameters.system)
    if "$orderby" in options:
        options["$skip"] = str((parameters.number("$skip") or 0) + shown)
    else:
        options.pop("$skip", None)
        options["$skiptoken"] = token_after(last_id)
    query = urlencode({**options, **parameters.other}, quote_via=quote, safe="$(),/'")
    return f"{address}?{query}"
