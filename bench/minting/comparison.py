"""Who mints beside whom, and what is concluded from it."""

from __future__ import annotations

from pathlib import Path

from bench import openssl_speed, python_peers
from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.minting.cast import BARE, CONNECTIONS, MINTGATE, NODE, Cast
from bench.minting.subject import new_subject
from bench.problems import PeerUnavailable
from bench.processes import Children
from bench.progress import Progress
from bench.rounds import interleave


def run(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Start every contender, measure, stop them."""
    try:
        limit = openssl_speed.signatures_a_second(cores.server)
    except PeerUnavailable as unavailable:
        limit = f"not measured: {unavailable}"
    with Children(folder) as children:
        progress.say("minting: starting the contenders")
        cast = Cast(children, new_subject(folder), cores)
        for name, reason in cast.left_out.items():
            progress.warn(f"{name}: {reason}")
        samples = interleave(
            cast.contenders, settings.rounds, settings.seconds, settings.warm_up, progress
        )
    return Comparison.of(
        "minting",
        "Tokens minted a second by one core, client credentials",
        samples,
        floor=BARE,
        targets=[
            Target(
                text="added time at most 40 % of node-oidc-provider's",
                ours=MINTGATE,
                peer=NODE,
                limit=0.4,
            )
        ],
        left_out=cast.left_out,
        versions=cast.versions,
        notes={
            "connections": CONNECTIONS,
            "token_bytes": cast.token_bytes,
            "openssl speed, signatures a second": limit,
            python_peers.TOOLKIT.name: "signs nothing: its access tokens are random, each a row",
        },
    )
