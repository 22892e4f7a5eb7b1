"""What goes wrong, by name. Each fault ends with every server ready again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos.cluster.callers import CLOCK, UPGRADE, Run
from tests.chaos.cluster.world import Node, wait_for

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Args:
        do: begins it, waits and ends it; given the length in seconds that chance chose.
        seconds: the shortest and the longest that it lasts in a short run, and in a long one.
        kinds: see `report.Window`.
    """

    name: str
    do: Callable[[Run, random.Random, float], None]
    short: tuple[float, float] = (1.0, 2.0)
    long: tuple[float, float] = (1.0, 10.0)
    kinds: tuple[str, ...] = ()


def strike(run: Run, fault: Fault, chance: random.Random, *, is_long: bool) -> None:
    """Have it happen in a window of the report; afterwards everybody must be well again."""
    seconds = chance.uniform(*(fault.long if is_long else fault.short))
    with run.report.window(f"{fault.name} ({seconds:.1f} s)", *fault.kinds):
        fault.do(run, chance, seconds)
        run.cluster.unready.clear()
        run.cluster.wait_until_ready()
        for said, times in run.cluster.unready.items():
            run.report.notes.append(f"after {fault.name}, {times} times: {said}")
    run.journal.count("faults")


def _cut_off(nodes: Sequence[Node]) -> None:
    """They may go on by what they know, as long as they are told to."""
    for node in nodes:
        node.is_cut_off = True


def _kill_a_server(run: Run, chance: random.Random, seconds: float) -> None:
    node = chance.choice(run.cluster.nodes)
    node.kill()
    time.sleep(seconds)
    node.start()


def _kill_every_server(run: Run, chance: random.Random, seconds: float) -> None:
    for node in run.cluster.nodes:
        node.kill()
    time.sleep(seconds)
    for node in run.cluster.nodes:
        node.start()


def _restart_postgresql(run: Run, chance: random.Random, seconds: float) -> None:
    _cut_off(run.cluster.nodes)
    run.cluster.postgresql.stop()
    time.sleep(seconds)
    run.cluster.postgresql.start()


def _kill_postgresql(run: Run, chance: random.Random, seconds: float) -> None:
    _cut_off(run.cluster.nodes)
    run.cluster.postgresql.kill()
    time.sleep(seconds)
    run.cluster.postgresql.start()


def _cut_one(run: Run, chance: random.Random, seconds: float) -> None:
    node = chance.choice(run.cluster.nodes)
    _cut_off([node])
    cable = node.cable
    cable.unplug()
    time.sleep(seconds)
    cable.plug()


def _cut_all(run: Run, chance: random.Random, seconds: float) -> None:
    """Every connection at one moment; new ones are made at once."""
    _cut_off(run.cluster.nodes)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for node in run.cluster.nodes:
            node.cable.cut()
        time.sleep(chance.uniform(0.2, 1.0))


def _stall_one(run: Run, chance: random.Random, seconds: float) -> None:
    node = chance.choice(run.cluster.nodes)
    _cut_off([node])
    cable = node.cable
    cable.stall()
    time.sleep(seconds)
    cable.flow()


def _stall_all(run: Run, chance: random.Random, seconds: float) -> None:
    _cut_off(run.cluster.nodes)
    for node in run.cluster.nodes:
        node.cable.stall()
    time.sleep(seconds)
    for node in run.cluster.nodes:
        node.cable.flow()


def _cut_off_the_apis(run: Run, chance: random.Random, seconds: float) -> None:
    """They cannot ask their issuer; the servers themselves are well."""
    run.cluster.issuer_cable.unplug()
    time.sleep(seconds)
    run.cluster.issuer_cable.plug()


def _stall_the_apis(run: Run, chance: random.Random, seconds: float) -> None:
    run.cluster.issuer_cable.stall()
    time.sleep(seconds)
    run.cluster.issuer_cable.flow()


def _jump(offset: float, *, restarts: bool = False) -> Callable[[Run, random.Random, float], None]:
    def do(run: Run, chance: random.Random, seconds: float) -> None:
        node = chance.choice(run.cluster.nodes)
        with _wrong_clock(run, node, offset):
            if restarts:
                node.kill()
                node.start()
                wait_for(lambda: node.is_ready, 60, run.cluster.said)
            time.sleep(seconds)

    return do


@contextmanager
def _wrong_clock(run: Run, node: Node, offset: float) -> Iterator[None]:
    run.journal.clock_jumps(True)
    node.move_clock(offset)
    try:
        yield
    finally:
        node.move_clock(0.0)
        run.journal.clock_jumps(False)


def _rolling_upgrade(run: Run, chance: random.Random, seconds: float) -> None:
    """One server after the other: it is told to end, ends, and the new one takes its place."""
    for node in run.cluster.nodes:
        node.stop()
        node.start()
        wait_for(lambda node=node: node.is_ready, 60, run.cluster.said)  # type: ignore[misc]


ROLLING_UPGRADE = Fault("rolling upgrade of every server", _rolling_upgrade, kinds=(UPGRADE,))
FAULTS = (
    Fault("kill -9 of a server", _kill_a_server, (0.2, 0.6), (0.1, 5.0)),
    Fault("restart of PostgreSQL", _restart_postgresql, (0.2, 1.5), (0.1, 20.0)),
    Fault("kill -9 of PostgreSQL", _kill_postgresql, (0.1, 0.5), (0.1, 20.0)),
    Fault("no connection to PostgreSQL for a server", _cut_one, (1.5, 2.5), (1.0, 30.0)),
    Fault("connections of all servers cut", _cut_all, (0.3, 1.0), (0.5, 10.0)),
    Fault("PostgreSQL does not answer a server", _stall_one, (2.5, 3.5), (1.0, 25.0)),
    Fault("no connection to the issuer for the APIs", _cut_off_the_apis, (3.0, 4.0), (2.0, 20.0)),
    Fault("clock of a server +1 h", _jump(3600.0), (2.0, 3.0), (5.0, 30.0), (CLOCK,)),
    Fault("clock of a server -1 h", _jump(-3600.0), (2.0, 3.0), (5.0, 30.0), (CLOCK,)),
)
"""In a short run each of them happens once; of the clock only what is worst."""
LONGER_FAULTS = (
    Fault("clock of a server +90 s", _jump(90.0), (1.5, 2.0), (5.0, 20.0), (CLOCK,)),
    Fault("clock of a server -90 s", _jump(-90.0), (1.5, 2.0), (5.0, 20.0), (CLOCK,)),
    Fault("kill -9 of every server", _kill_every_server),
    Fault("PostgreSQL answers no server", _stall_all, long=(1.0, 25.0)),
    Fault("the issuer does not answer the APIs", _stall_the_apis, long=(2.0, 20.0)),
    Fault(
        "restart of a server with its clock +1 h",
        _jump(3600.0, restarts=True),
        long=(5.0, 20.0),
        kinds=(CLOCK,),
    ),
    Fault(
        "restart of a server with its clock -1 h",
        _jump(-3600.0, restarts=True),
        long=(5.0, 20.0),
        kinds=(CLOCK,),
    ),
    Fault(
        "no connection to the issuer for longer than stale_state_seconds",
        _cut_off_the_apis,
        long=(63.0, 68.0),
    ),
)
"""These too in a long run."""
