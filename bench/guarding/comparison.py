"""Who guards beside whom, and what is concluded from it."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.guarding import asked
from bench.guarding.names import (
    ALONE,
    API,
    API_SECRET,
    BARE,
    BARE_PLAIN,
    BASELINE,
    DATABASE,
    DIRECT,
    FORWARD,
    FORWARD_ELSEWHERE,
    FORWARD_NEW,
    GATE,
    INSTANCE,
    MINTGATE,
    PYJWT,
    TOKENS,
    Work,
)
from bench.guarding.questions import (
    VARIANTS,
    call,
    elsewhere,
    forged,
    new,
    question,
)
from bench.instance import Site
from bench.load import Job
from bench.minting.subject import free_port, write_private
from bench.problems import Unmeasurable
from bench.processes import Child, Children
from bench.progress import Progress
from bench.rounds import Contender, interleave
from bench.samples import Sample

CONNECTIONS = 32
LEAD_IN = 0.5
SLICES = 5
"""Each round of the middleware is cut so often: changing contenders costs nothing there."""
_GATE_FILE = f"""
[[tenants]]
name = "bench"
issuer = "{{issuer}}"
database = "{DATABASE}"

[tenants.secrets]
{API} = {{{{ env = "BENCH_API_SECRET" }}}}

[[routes]]
prefix = "/"
api = "{API}"
upstream = "{{upstream}}"
"""


class InWorker(msgspec.Struct, frozen=True):
    """A contender inside the worker."""

    name: str
    worker: Child

    def measure(self, seconds: float) -> Sample:
        question = {"name": self.name, "seconds": seconds}
        return msgspec.convert(self.worker.ask(question), Sample)


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A contender behind HTTP.

    Args:
        status: of every answer; the load ends at any other.
        others: processes that work for it, besides those that it has started.
    """

    name: str
    child: Child
    port: int
    requests: list[str]
    status: int
    load: Child
    others: list[int] = []

    def measure(self, seconds: float) -> Sample:
        job = Job(
            port=self.port,
            requests=self.requests,
            status=self.status,
            connections=CONNECTIONS,
            seconds=seconds,
            lead_in=LEAD_IN,
            server=self.child.pid,
            others=self.others,
        )
        try:
            return msgspec.convert(self.load.ask(job), Sample)
        except Unmeasurable as problem:
            raise Unmeasurable(f"{self.name} failed under load: {problem}") from None


def middleware(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """The guard in an API's own process, with a server that knows nothing of the load."""
    progress.say("middleware: starting the server")
    with Children(folder) as children:
        site = asked.new_site(folder / "middleware")
        server = site.serve(children, cores.load)
        work = Work(asked.issuer(site), asked.callers(site, server))
        path = str(write_private(folder / "middleware" / "work.json", work))
        command = [sys.executable, "-m", "bench.guarding.middleware", path]
        worker = children.start("middleware", cores.server, command, asked=True)
        samples = interleave(
            [InWorker(name, worker) for name in (ALONE, MINTGATE, PYJWT)],
            settings.rounds * SLICES,
            settings.seconds / SLICES,
            settings.warm_up / SLICES,
            progress,
        )
    return Comparison.of(
        "middleware",
        "Requests a second through ASGI middleware on one core, the token known, its session open",
        samples,
        floor=ALONE,
        targets=[
            Target(
                text="the middleware's whole cost is at most a fifth of one PyJWT decode",
                ours=MINTGATE,
                peer=PYJWT,
                limit=1 / 5,
            )
        ],
        left_out={},
        versions={},
        notes={"callers": TOKENS},
    )


def forward_auth(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Decisions for another server in front of an API, against a handler that decides nothing."""
    progress.say("forward auth: starting the servers")
    with Children(folder) as children:
        site = asked.new_site(folder / "forward")
        server = site.serve(children, cores.server)
        tokens = asked.callers(site, server)
        load = children.worker("load", cores.load, "bench.load")
        bare = handler(children, cores.server, "nothing")
        plain = handler(children, cores.server, "nothing-plain")
        path = f"/gate/nginx/{INSTANCE}/{API}"
        same = [question(path, token) for token in tokens]
        contenders: list[Contender] = [
            Served(
                name=name,
                child=child,
                port=port,
                requests=requests,
                status=204,
                load=load,
            )
            for name, child, port, requests in (
                (BARE, *bare, same),
                (BARE_PLAIN, *plain, same),
                (FORWARD, server, site.port, same),
                (FORWARD_ELSEWHERE, server, site.port, elsewhere(path, tokens)),
                (FORWARD_NEW, server, site.port, new(path, tokens)),
            )
        ]
        asked.require_refused(site.port, question(path, forged(tokens[0])))
        samples = interleave(
            contenders, settings.rounds, settings.seconds, settings.warm_up, progress
        )
    return Comparison.of(
        "forward auth",
        "Decisions a second by one core, asked as nginx asks",
        samples,
        floor=BARE,
        targets=[
            Target(
                text="at least 70% of the rate of a handler that decides nothing",
                ours=FORWARD,
                peer=BARE,
                limit=0.7,
                by="rate",
            )
        ],
        left_out={},
        versions={},
        notes={
            "connections": CONNECTIONS,
            "callers": TOKENS,
            "requests": f"{FORWARD}: one of each caller, again and again; the others: "
            f"{VARIANTS} of each, of which no two are the same",
            "listener": f"{BARE} has that of mintgate serve; {BARE_PLAIN} checks no request's form",
        },
    )


def gate(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """The proxy against what people write themselves, both before the same upstream."""
    progress.say("gate: starting the servers")
    with Children(folder) as children:
        site = asked.new_site(folder / "gate")
        tokens = asked.callers(site, site.serve(children, cores.load))
        load = children.worker("load", cores.load, "bench.load")
        upstream, upstream_port = handler(children, cores.load, "document")
        address = f"http://127.0.0.1:{upstream_port}"
        ours = serve_gate(children, cores.server, site, address)
        theirs = serve_baseline(children, cores.server, site, address)
        contenders: list[Contender] = [
            Served(
                name=name,
                child=child,
                port=port,
                requests=[call(token) for token in tokens],
                status=200,
                load=load,
            )
            for name, child, port in (
                (DIRECT, upstream, upstream_port),
                (GATE, *ours),
                (BASELINE, *theirs),
            )
        ]
        for _, port in (ours, theirs):
            asked.require_refused(port, call(forged(tokens[0])))
        samples = interleave(
            contenders, settings.rounds, settings.seconds, settings.warm_up, progress
        )
    return Comparison.of(
        "gate",
        "Requests a second through a guarding proxy on one core",
        samples,
        floor=DIRECT,
        targets=[
            Target(
                text="at least twice the rate of a proxy made of Starlette, PyJWT and httpx",
                ours=GATE,
                peer=BASELINE,
                limit=2.0,
                by="rate",
            )
        ],
        left_out={},
        versions={},
        notes={
            "connections": CONNECTIONS,
            "callers": TOKENS,
            "checks": f"{BASELINE} checks signature, times, issuer and audience; {GATE} everything",
        },
    )


def handler(children: Children, core: int, what: str) -> tuple[Child, int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.guarding.handlers", what, str(port)]
    child = children.start(what, core, command)
    asked.wait_for(child, port)
    return child, port


def serve_gate(children: Children, core: int, site: Site, upstream: str) -> tuple[Child, int]:
    port = free_port()
    file = site.folder / "gate.toml"
    file.write_text(_GATE_FILE.format(issuer=asked.issuer(site), upstream=upstream))
    command = [sys.executable, "-m", "mintgate.cli", "gate", str(file), "--port", str(port)]
    env = {**site.environment(), "BENCH_API_SECRET": API_SECRET}
    child = children.start("gate", core, command, env=env)
    asked.wait_for(child, port)
    return child, port


def serve_baseline(children: Children, core: int, site: Site, upstream: str) -> tuple[Child, int]:
    port = free_port()
    module = [sys.executable, "-m", "bench.guarding.baseline"]
    command = [*module, str(port), asked.issuer(site), API, upstream]
    child = children.start("baseline", core, command)
    asked.wait_for(child, port)
    return child, port
