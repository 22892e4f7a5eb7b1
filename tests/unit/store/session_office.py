"""An office for tests: one instance, several processes, and people who use their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.licences import SERVICE_SECONDS, Touch
from mintgate.contract.users import User, UserType
from mintgate.store import (
    Database,
    erp_session_ends,
    erp_sessions,
    instances,
    licence_pools,
    reserved_seats,
    schema,
    users,
)
from mintgate.store.erp_sessions import ErpSession, Opened, Opening
from mintgate.store.licence_pools import SlotCounts
from tests.world import NOW, MovableClock

HERE = "a" * 36


def opening_of(login: str, **more: Any) -> Opening:
    plain = {"key": login, "kind": "interactive", "client_id": "app", "process": "P1"}
    return Opening(login=login, user_id=login, **(plain | more))


@dataclass
class Office:
    """One instance; what is done with it is done by the process `here`."""

    url: str
    licences: int = 2
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOW))

    def __post_init__(self) -> None:
        self.database = Database(self.url, self.clock)
        schema.upgrade(self.database)
        self.instance = Instance(
            id=HERE,
            name="orion",
            database="ORION",
            base_url="https://orion.example",
            licences=self.licences,
        )
        with self.database.begin() as tx:
            instances.add(tx, self.instance)

    def hire(self, *logins: str, user_type: UserType = UserType.INTERNAL) -> None:
        with self.database.begin() as tx:
            for login in logins:
                user = User(id=new_guid(), login=login, name={"en": login}, user_type=user_type)
                users.add(tx, HERE, user)

    def open(
        self,
        login: str,
        key: str | None = None,
        *,
        here: str = "P1",
        client_id: str = "app",
        service: bool = False,
        takes_slot: bool = True,
        touches: tuple[Touch, ...] = (),
    ) -> Opened:
        opening = opening_of(
            login,
            key=key or login,
            kind="service" if service else "interactive",
            client_id=client_id,
            process=here,
            takes_slot=takes_slot,
            lifetime=SERVICE_SECONDS if service else None,
            touches=touches,
        )
        with self.database.begin() as tx:
            return erp_sessions.open_or_join(tx, HERE, opening)

    def gets_in(self, login: str, key: str | None = None, **how: object) -> bool:
        return self.open(login, key, **how).session is not None  # type: ignore[arg-type]

    def flush(self, *touches: Touch, here: str = "P1") -> list[str]:
        with self.database.begin() as tx:
            return erp_sessions.flush(tx, HERE, here, touches)

    def close(self, key: str) -> bool:
        with self.database.begin() as tx:
            return erp_session_ends.close(tx, HERE, key, "ada")

    def close_all(self) -> int:
        with self.database.begin() as tx:
            return erp_session_ends.close_all(tx, HERE, "ada")

    def sweep(self, here: str = "P1") -> int:
        with self.database.begin() as tx:
            return erp_session_ends.sweep(tx, HERE, here)

    def reserve(self, login: str) -> bool:
        with self.database.begin() as tx:
            return reserved_seats.add(tx, HERE, login)

    def unreserve(self, login: str) -> bool:
        with self.database.begin() as tx:
            return reserved_seats.remove(tx, HERE, login)

    def buy(self, licences: int) -> None:
        with self.database.begin() as tx:
            found = instances.by_id(tx.connection, HERE)
            assert found is not None
            values = {name: getattr(found, name) for name in found.__struct_fields__}
            instances.change(tx, Instance(**(values | {"licences": licences})))

    def session(self, key: str) -> ErpSession | None:
        return self.database.read_now(lambda c: erp_sessions.by_key(c, HERE, key))

    def counts(self, here: str | None = "P1") -> SlotCounts:
        return self.database.read_now(lambda c: licence_pools.counts(c, HERE, self.clock(), here))

    def listed(self, here: str | None = "P1") -> list[ErpSession]:
        return self.database.read_now(
            lambda c: erp_sessions.listing(c, HERE, self.clock(), None, 1000, process=here)
        )
