"""Requests a second through servers in front of the same API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.comparison import Comparison, Settings
from bench.cores import Cores
from bench.edge import servers
from bench.guarding import asked
from bench.guarding.comparison import (
    CONNECTIONS,
    Served,
    handler,
    serve_gate,
)
from bench.guarding.names import GATE, TOKENS
from bench.guarding.questions import call, forged
from bench.problems import PeerUnavailable, Unmeasurable
from bench.processes import Child, Children
from bench.progress import Progress
from bench.rounds import Contender, interleave

ALONE = "nginx alone"
ASKING = "nginx and mintgate forward auth"
APACHE = "Apache and mod_oauth2"


def edge(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Everything that is between the caller and the API shares the server's core; the API and the
    load share the other one.

    Raises:
        Unmeasurable: nginx is not installed, which is the floor.
    """
    progress.say("edge: starting the servers")
    own = folder / "edge"
    own.mkdir()
    own.chmod(0o755)
    left_out: dict[str, str] = {}
    with Children(folder) as children:
        site = asked.new_site(own / "site")
        mintgate = site.serve(children, cores.server)
        tokens = asked.callers(site, mintgate)
        load = children.worker("load", cores.load, "bench.load")
        _, api = handler(children, cores.load, "document")
        core, issuer = cores.server, asked.issuer(site)
        ways: dict[str, tuple[Callable[[], tuple[Child, int]], list[int]]] = {
            ALONE: (lambda: servers.nginx_alone(children, own, core, api), []),
            ASKING: (
                lambda: servers.nginx_asking(children, own, core, api, site.port),
                [mintgate.pid],
            ),
            GATE: (
                lambda: serve_gate(children, core, site, f"http://127.0.0.1:{api}"),
                [mintgate.pid],
            ),
            APACHE: (lambda: servers.apache(children, own, core, api, issuer), []),
        }
        contenders: list[Contender] = []
        for name, (serve, others) in ways.items():
            try:
                child, port = serve()
                if name != ALONE:
                    asked.require_refused(port, call(forged(tokens[0])))
            except (PeerUnavailable, Unmeasurable) as reason:
                if name == ALONE:
                    raise Unmeasurable(f"the floor is missing: {reason}") from None
                left_out[name] = str(reason)
                progress.warn(f"{name}: {reason}")
                continue
            contenders.append(
                Served(
                    name=name,
                    child=child,
                    port=port,
                    requests=[call(token) for token in tokens],
                    status=200,
                    load=load,
                    others=others,
                )
            )
        samples = interleave(
            contenders, settings.rounds, settings.seconds, settings.warm_up, progress
        )
    return Comparison.of(
        "edge",
        "Requests a second to an API through a server in front of it, on one core",
        samples,
        floor=ALONE,
        targets=[],
        left_out=left_out,
        versions=servers.versions(),
        notes={
            "connections": CONNECTIONS,
            "callers": TOKENS,
            "checks": f"{ALONE} none; {APACHE} signature, times and issuer, the verdict cached; "
            "mintgate everything, with sessions and limits",
            "CPU": "of the server in front with its workers, and of mintgate where it is asked",
        },
    )
