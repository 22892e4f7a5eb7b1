"""Threads of people and services at work, until they are told to stop."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, closing
from typing import Any, NamedTuple, Protocol

from mintgate.contract.reference_tokens import TokenKind
from mintgate.identity import references
from mintgate.store import DatabaseUnavailable, applications, users
from tests.chaos.cluster.callers import Caller, Run
from tests.chaos.cluster.people import Person
from tests.chaos.cluster.services import Service
from tests.world import BACKOFFICE

PAUSE = 0.05
DAY = 86_400.0


class Doors(NamedTuple):
    """The connections of one thread.

    Args:
        front: nginx.
        nodes: every server itself.
        apis: where the API can be called.
    """

    front: Caller
    nodes: list[Caller]
    apis: list[Caller]


class Life(Protocol):
    """What a thread does again and again."""

    __name__: str

    def __call__(self, chance: random.Random, doors: Doors) -> None: ...


class Load:
    """Everybody; `stop` returns once their last requests are answered.

    Args:
        people, services: how many live at once.
    """

    def __init__(self, run: Run, seed: int, people: int = 3, services: int = 2) -> None:
        self._run = run
        self._stopping = threading.Event()
        lives: list[Any] = [self._person] * people
        lives += [self._service] * services + [self._personal_token]
        self._threads = [
            threading.Thread(target=self._work, args=(life, random.Random(f"{seed}/{number}")))
            for number, life in enumerate(lives)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a request is not answered"

    def _work(self, life: Life, chance: random.Random) -> None:
        with ExitStack() as stack:
            doors = self._doors(stack)
            while not self._stopping.is_set():
                try:
                    life(chance, doors)
                except Exception as problem:  # noqa: BLE001 - it ends the run
                    self._run.journal.problem(f"{life.__name__}: {problem!r}"[-2000:])
                    return
                self._pause()

    def _pause(self) -> None:
        self._stopping.wait(PAUSE)

    def _person(self, chance: random.Random, doors: Doors) -> None:
        doors.front.http.cookies.clear()  # as a browser that was just opened
        person = Person(self._run, chance, doors.front, doors.apis, doors.nodes, self._pause)
        person.live(chance.randrange(1, 12))

    def _service(self, chance: random.Random, doors: Doors) -> None:
        service = Service(self._run, chance, doors.front, doors.apis, self._pause)
        service.live(chance.randrange(1, 15))

    def _personal_token(self, chance: random.Random, doors: Doors) -> None:
        service = Service(self._run, chance, doors.front, doors.apis, self._pause, self._new_pat)
        service.live(chance.randrange(1, 10))

    def _new_pat(self) -> tuple[str, str, str]:
        """As the command line makes one: straight in the database."""
        cluster = self._run.cluster
        while True:
            try:
                with cluster.database.begin() as tx:
                    connection, instance_id = tx.connection, cluster.instance_id
                    application = applications.by_uri(connection, instance_id, BACKOFFICE)
                    creator = users.by_login(connection, instance_id, "mira.k")
                    assert application is not None
                    assert creator is not None
                    value, token = references.create(
                        tx,
                        instance_id,
                        kind=TokenKind.PERSONAL,
                        application=application,
                        creator=creator,
                        system_user=None,
                        scopes=("read",),
                        expires_at=time.time() + 30 * DAY,
                        description="for a test",
                    )
            except DatabaseUnavailable:
                self._stopping.wait(0.5)
            else:
                assert token.sid is not None
                return value, token.sid, token.jti

    def _doors(self, stack: ExitStack) -> Doors:
        cluster, run = self._run.cluster, self._run

        def caller(name: str, port: int | None = None) -> Caller:
            return stack.enter_context(closing(Caller(run, name, port)))

        front = caller("nginx")
        return Doors(
            front,
            nodes=[caller("a server", node.port) for node in cluster.nodes],
            apis=[front, front, *(caller(api.name, api.port) for api in cluster.adapters)],
        )
