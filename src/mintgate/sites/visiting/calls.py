"""Operations of `identity.administration`, as a visitor of a site carries them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from mintgate.contract.errors import Forbidden
from mintgate.contract.translating import translatable
from mintgate.identity.administration.call import Acting, Call
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address
from mintgate.sites.visiting.visitor import Visitor, Visitors
from mintgate.store import Database, Transaction, instances
from mintgate.store.keys import KeyEncryptionKey

SESSION_ENDED = translatable("Your session has ended. Open the page again.")
T = TypeVar("T")
Run = Callable[[Call], T]


class Calls:
    """Runs operations for the visitors of one site.

    `can_mail` tells whether letters that are written now are sent.

    Who acts is read in the same transaction as what is done, and by what writes after the lock of
    the instance: a sign-out, a lock or a lost administrator's right that was committed a moment ago
    counts, also when what committed it was waited for [USR-4, TOP-13].
    """

    def __init__(
        self,
        directory: Directory,
        database: Database,
        visitors: Visitors,
        key_encryption_key: KeyEncryptionKey,
        *,
        can_mail: bool = False,
    ) -> None:
        self._directory = directory
        self._database = database
        self._visitors = visitors
        self._kek = key_encryption_key
        self.can_mail = can_mail

    async def read(
        self,
        request: Request,
        visitor: Visitor,
        run: Run[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Any = None,
    ) -> T:
        """What an operation that only reads returns.

        Raises:
            Refusal: whatever the operation refuses; `Forbidden` when the session has ended.
        """
        now = self._database.clock()

        def work(connection: Connection) -> T:
            return run(self._call(connection, None, request, visitor, now, path, query=query))

        return await self._database.read(work)

    async def write(
        self,
        request: Request,
        visitor: Visitor,
        run: Run[T],
        *,
        path: Mapping[str, str] | None = None,
        body: Any = None,
        prepared: Any = None,
    ) -> T:
        """The same for one that changes something; returns after the commit."""

        def work(tx: Transaction) -> T:
            instances.lock(tx, self._directory.instance.id)
            call = self._call(
                tx.connection, tx, request, visitor, tx.now, path, body=body, prepared=prepared
            )
            return run(call)

        return await self._database.write(work)

    def _call(
        self,
        connection: Connection,
        tx: Transaction | None,
        request: Request,
        visitor: Visitor,
        now: float,
        path: Mapping[str, str] | None,
        **given: Any,
    ) -> Call:
        found = self._visitors.read(connection, visitor.cookie_hash, visitor.application_id)
        site = self._visitors.site
        if found is None or (site.administrators_only and not found[1].is_admin):
            raise Forbidden(SESSION_ENDED)
        user = found[1]
        return Call(
            connection=connection,
            instance=self._directory.instance,
            now=now,
            acting=Acting(
                user=user,
                name=user.login,
                client_id=site.client_id,
                sid=visitor.sid,
                address=client_address(request.scope),
            ),
            key_encryption_key=lambda: self._kek,
            tx=tx,
            can_mail=self.can_mail,
            path=request.path_params if path is None else path,
            **given,
        )
