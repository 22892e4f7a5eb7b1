"""Two workers on both cores beside one worker on one, minting service tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.comparison import Comparison, Settings
from bench.cores import Cores
from bench.growth.traffic import wait_until_ready
from bench.instance import Site
from bench.load import Job
from bench.problems import Unmeasurable
from bench.processes import ROOT, Child, Children
from bench.progress import Progress
from bench.rounds import Contender, interleave
from bench.samples import Sample

ONE, TWO = "one worker on one core", "two workers on two cores"
CONNECTIONS = 32
LEAD_IN = 0.5
WHY_NOT = "this mintgate has no `serve --workers`"


class Minting(msgspec.Struct, frozen=True, kw_only=True):
    """A server that mints."""

    name: str
    site: Site
    child: Child
    load: Child

    def measure(self, seconds: float) -> Sample:
        job = Job(
            port=self.site.port,
            requests=[self.site.token_request().decode()],
            gives_tokens=True,
            connections=CONNECTIONS,
            seconds=seconds,
            lead_in=LEAD_IN,
            server=self.child.pid,
        )
        try:
            return msgspec.convert(self.load.ask(job), Sample)
        except Unmeasurable as problem:
            raise Unmeasurable(f"{self.name} failed under load: {problem}") from None


def workers(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """The first is pinned to the server's core, the second to both; the load has its own core,
    which the second shares with it."""
    progress.say("workers: starting the servers")
    left_out: dict[str, str] = {}
    with Children(folder) as children:
        load = children.worker("load", cores.load, "bench.load")

        def contender(name: str, place: tuple[int, ...], *options: str) -> Contender:
            site = Site(folder / name.replace(" ", "-"))
            child = site.serve(children, place, *options)
            wait_until_ready(child, site.port)
            return Minting(name=name, site=site, child=child, load=load)

        contenders = [contender(ONE, (cores.server,))]
        if knows_workers():
            contenders.append(contender(TWO, (cores.server, cores.load), "--workers", "2"))
        else:
            left_out[TWO] = WHY_NOT
            progress.warn(f"{TWO}: {WHY_NOT}")
        samples = interleave(
            contenders, settings.rounds, settings.seconds, settings.warm_up, progress
        )
    return Comparison.of(
        "workers",
        "Tokens minted a second by one worker and by two, client credentials (SQLite)",
        samples,
        floor=ONE,
        targets=[],
        left_out=left_out,
        versions={},
        notes={
            "connections": CONNECTIONS,
            "load": "on the second core, which the second worker has to share with it",
        },
    )


def knows_workers() -> bool:
    """Whether `mintgate serve` has `--workers`."""
    command = [sys.executable, "-m", "mintgate.cli", "serve", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "--workers" in done.stdout
