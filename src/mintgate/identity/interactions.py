"""Authorization requests that wait for a person: kept in the store, named by a random value."""

from __future__ import annotations

import msgspec

from mintgate.contract import lifetimes
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_secret, token_digest
from mintgate.store import AuditEvent, Database, Transaction, interactions
from mintgate.store.interactions import Interaction


class OpenInteraction(msgspec.Struct, frozen=True):
    """An interaction under the name that its pages carry."""

    name: str
    row: Interaction


class Interactions:
    """Opens, finds and notes the interactions of one instance."""

    def __init__(self, instance_id: str, database: Database, clock: Clock) -> None:
        self._instance_id = instance_id
        self._database = database
        self._clock = clock

    async def open(self, parameters: dict[str, str]) -> str:
        """Keep a request [AUT-50]; returns the name to go on with."""
        name = new_secret()
        now = self._clock()
        row = Interaction(
            id_hash=token_digest(name),
            parameters=parameters,
            created_at=now,
            expires_at=now + lifetimes.INTERACTION,
        )

        def work(tx: Transaction) -> None:
            interactions.begin(tx, self._instance_id, row)

        await self._database.write(work)
        return name

    async def find(self, name: str | None) -> OpenInteraction | None:
        """The open interaction of this name; None when it has ended or never was."""
        if not name:
            return None
        digest = token_digest(name)
        row = await self._database.read(
            lambda connection: interactions.find(connection, self._instance_id, digest)
        )
        if row is None or self._clock() >= row.expires_at:
            return None
        return OpenInteraction(name, row)

    async def close(self, interaction: OpenInteraction, event: AuditEvent) -> None:
        """End it, and write down why."""

        def work(tx: Transaction) -> None:
            interactions.close(tx, self._instance_id, interaction.row.id_hash)
            tx.record(event)

        await self._database.write(work)
