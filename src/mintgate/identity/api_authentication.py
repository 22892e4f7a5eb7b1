"""Which API sends this request, proved by its secret [ITR-1]."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request

from mintgate.contract.errors import InvalidClient
from mintgate.contract.identifiers import secret_hash, secret_matches
from mintgate.identity.client_authentication import PresentedClient, presented_client
from mintgate.identity.client_tries import ClientTries
from mintgate.identity.forms import client_address, header
from mintgate.store import Database, apis

_NOBODYS_HASH = secret_hash("the hash that a secret is compared with when there is none")


async def authenticate_api(presented: PresentedClient, instance_id: str, database: Database) -> str:
    """The audience name of the calling API; credentials of applications do not work here.

    Raises:
        InvalidClient: no such API, no secret declared for it, or a wrong one; always 401 [ITR-2].
    """
    stored = await database.read(lambda connection: apis.secrets_of(connection, instance_id))
    pairs = [(presented.client_id, presented.secret or "")]
    if presented.raw is not None:
        pairs.append(presented.raw)
    for name, secret in pairs:
        known = stored.get(name)
        if secret_matches(secret, known or _NOBODYS_HASH) and known is not None:
            return name
    raise InvalidClient(cause=f"no API {presented.client_id[:64]!r} with this secret", basic=True)


async def require_api(
    request: Request, tries: ClientTries, instance_id: str, database: Database
) -> str:
    """The audience name of the API that sends a request, by HTTP Basic only.

    Raises:
        InvalidClient: as `authenticate_api`, or the header `Authorization` is missing.
    """
    authorization = header(request.scope, b"authorization")
    if authorization is None:
        raise InvalidClient(
            "Authenticate with HTTP Basic: the API's name and its secret.", basic=True
        )
    presented = presented_client({}, authorization)
    return await tries.prove(
        presented,
        client_address(request.scope),
        partial(authenticate_api, presented, instance_id, database),
    )
