"""One instance, its administrator, and a way to call a built-in API without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
from sqlalchemy import insert
from starlette.types import ASGIApp

from mintgate.apis.domain import DomainApi
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.store import Database, users
from mintgate.store.records import fill_demo_data
from mintgate.store.tables import instances
from mintgate.verify.asgi import PRINCIPAL
from mintgate.verify.principal import Principal

INSTANCE = Instance(
    id="0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10",
    name="orion",
    database="ORION_PROD",
    base_url="https://orion.my.example",
)
ADMIN = Principal(
    kind="user",
    issuer=INSTANCE.issuer,
    client_id="shop.example.org/backoffice",
    login="mira.k",
    user_id="5a8c7b1e-0f40-4c43-9b1e-72a6c1d0ef02",
    user_type="InternalUser",
    database=INSTANCE.database,
    scopes=frozenset({"read", "update", "sec"}),
    jti="556E74D7D09AEBD078F3097B3C48F12A",
    session="73F0BA2F800B9E2CF58BED92D8040FD3",
    expires_at=2**31,
    is_admin=True,
)


def fill(database: Database, instance: Instance) -> None:
    """The instance's row, its administrator and its demonstration data."""
    with database.begin() as tx:
        columns = {c.name for c in instances.columns} - {"feed_position"}
        row = {k: v for k, v in msgspec.structs.asdict(instance).items() if k in columns}
        tx.connection.execute(insert(instances).values(row))
        fill_demo_data(tx, instance.id)
        administrator = User(
            id=ADMIN.user_id or "",
            login=ADMIN.login,
            name={"en": "Mira Kolarova"},
            user_type=UserType.INTERNAL,
            is_admin=True,
        )
        users.add(tx, instance.id, administrator)


class World:
    """Calls an API as one principal, who is put where the guard puts it.

    Args:
        api: another one than the DomainAPI.
        root: where that one is.
    """

    def __init__(
        self,
        database: Database,
        instance: Instance,
        principal: Principal,
        api: ASGIApp | None = None,
        root: str = "/api/domain/odata/",
    ) -> None:
        self.database = database
        self.instance = instance
        self._api = api or DomainApi(
            instance, database, hash_password=lambda text: f"hash of {text}"
        )
        self._principal = principal
        self._root = root

    def call(
        self,
        path: str,
        options: dict[str, str] | None = None,
        *,
        method: str = "GET",
        json: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request below the API's root; a failure inside the API is a failed test."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope[PRINCIPAL] = self._principal
            await self._api(scope, receive, send)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://any.host") as http:
                return await http.request(
                    method,
                    f"{self._root}{path}",
                    params=options,
                    json=json,
                    content=content,
                    headers=headers,
                )

        return asyncio.run(send())

    def values(self, path: str, **options: str) -> list[dict[str, Any]]:
        """The entities of a list."""
        response = self.call(path, {f"${name}": value for name, value in options.items()})
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["value"]
        return found
