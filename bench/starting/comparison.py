"""Start and memory of mintgate beside servers that have less to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.comparison import Settings
from bench.cores import Cores
from bench.figures import Bound, Figures
from bench.load import Job
from bench.populated import APPLICATIONS, USERS
from bench.processes import Child, Children
from bench.progress import Progress
from bench.starting import measured
from bench.starting.measured import CPU, PSS, RSS, WALL
from bench.starting.servers import MINTGATE, Server, Servers, prepare

MOST_SECONDS = 1.0
MOST_MEGABYTES = 80.0
SETTLE_SECONDS = 2.0
"""A process that has just started still has its housekeeping to do."""
LOAD_CONNECTIONS = 32
LEAD_IN = 0.2
DATABASE = f"{USERS:,} users and {APPLICATIONS:,} applications in SQLite"


def start(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Figures:
    """From the start of the process (of Python, of Node) to the first token."""
    servers = _prepared(folder, "start", cores, progress)

    def measure(server: Server) -> dict[str, float]:
        with Children(folder) as children:
            began = time.perf_counter()
            return measured.first_token(server.serve(children), server.port, server.request, began)

    return Figures.of(
        "start",
        "From the start of the process to the first token",
        "s",
        _in_turns("start", servers, measure, settings.rounds, progress),
        bounds=[
            Bound(
                text=f"{what} of mintgate until its first token under a second",
                of=MINTGATE,
                what=what,
                limit=MOST_SECONDS,
            )
            for what in (WALL, CPU)
        ],
        left_out=servers.left_out,
        versions=servers.versions,
        notes={"database": DATABASE},
    )


def memory(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Figures:
    """Of a process that has answered once and rests, and of the same after it was loaded."""
    servers = _prepared(folder, "memory", cores, progress)
    with Children(folder) as loading:
        load = loading.worker("load", cores.load, "bench.load")

        def measure(server: Server) -> dict[str, float]:
            with Children(folder) as children:
                child = server.serve(children)
                measured.first_token(child, server.port, server.request, time.perf_counter())
                time.sleep(SETTLE_SECONDS)
                idle = measured.memory(child.pid)
                load.ask(_job(server, child, settings.seconds))
                loaded = measured.memory(child.pid)
            return {
                f"{kind}, {when}": found[kind]
                for kind in (RSS, PSS)
                for when, found in (("idle", idle), ("after load", loaded))
            }

        samples = _in_turns("memory", servers, measure, settings.rounds, progress)
    return Figures.of(
        "memory",
        "Memory of one process",
        "MB",
        samples,
        bounds=[
            Bound(
                text="an idle process of mintgate under 80 MB",
                of=MINTGATE,
                what=f"{RSS}, idle",
                limit=MOST_MEGABYTES,
            )
        ],
        left_out=servers.left_out,
        versions=servers.versions,
        notes={
            "database": DATABASE,
            "load": f"token requests on {LOAD_CONNECTIONS} connections, {settings.seconds:g} s",
            "RSS": "counts shared libraries in full; PSS a process's part of them",
        },
    )


def _prepared(folder: Path, name: str, cores: Cores, progress: Progress) -> Servers:
    progress.say(f"{name}: filling a database with {DATABASE}")
    own = folder / name
    own.mkdir()
    servers = prepare(own, cores.server)
    for peer, reason in servers.left_out.items():
        progress.warn(f"{peer}: {reason}")
    return servers


def _in_turns(
    what: str,
    servers: Servers,
    measure: Callable[[Server], dict[str, float]],
    rounds: int,
    progress: Progress,
) -> dict[str, list[dict[str, float]]]:
    """Each in every round, after one that fills the caches of the file system."""
    found: dict[str, list[dict[str, float]]] = {s.name: [] for s in servers.servers}
    progress.begin((rounds + 1) * len(servers.servers))
    for number in range(rounds + 1):
        for server in servers.servers:
            progress.step(f"{what}, round {number} of {rounds}: {server.name}")
            one = measure(server)
            if number:
                found[server.name].append(one)
    progress.end()
    return found


def _job(server: Server, child: Child, seconds: float) -> Job:
    return Job(
        port=server.port,
        requests=[server.request.decode()],
        gives_tokens=True,
        connections=LOAD_CONNECTIONS,
        seconds=seconds,
        lead_in=LEAD_IN,
        server=child.pid,
    )
