"""Where receivers of lifecycle events find the key to check them with [EVT-7]."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.instance import Instance
from mintgate.contract.lifecycle_events import MARKETPLACE_KEY_PATH
from mintgate.identity.rendering import RawJson
from mintgate.store import Database, marketplace_keys
from mintgate.store.marketplace_keys import MarketplaceKey

# Anybody may know the key. Receivers keep it for a while, and ask anew when a signature fails.
_HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


class MarketplaceEndpoint:
    """Two addresses, there only while the instance tells applications [EXT-7]."""

    def __init__(self, instance: Instance, database: Database) -> None:
        self._instance = instance
        self._database = database

    async def document(self, request: Request) -> Response:
        await self._key()
        url = self._instance.base_url + MARKETPLACE_KEY_PATH
        return RawJson({"endpoints": {"public_key": url}}, headers=_HEADERS)

    async def public_key(self, request: Request) -> Response:
        key = await self._key()
        return Response(key.public_key, media_type="application/x-pem-file", headers=_HEADERS)

    async def _key(self) -> MarketplaceKey:
        instance_id = self._instance.id
        key = await self._database.read(lambda c: marketplace_keys.find(c, instance_id))
        if key is None:
            raise HTTPException(404)  # as for every address that does not exist
        return key
