"""Who checks beside whom, and what is concluded from it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.checking.names import AUTHLIB, DISTINCT_TOKENS, JOSERFC, MINTGATE, PYJWT, RAW
from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.processes import Child, Children
from bench.progress import Progress
from bench.rounds import interleave
from bench.samples import Sample

SLICES = 5
"""Each round is cut so often: in one process, changing contenders costs nothing."""


class Library(msgspec.Struct, frozen=True):
    """A contender inside the worker."""

    name: str
    worker: Child

    def measure(self, seconds: float) -> Sample:
        question = {"name": self.name, "seconds": seconds}
        return msgspec.convert(self.worker.ask(question), Sample)


def run(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Measure every library in one worker, on the server's core."""
    progress.say("checking: preparing tokens")
    with Children(folder) as children:
        worker = children.worker("checking", cores.server, "bench.checking.worker")
        samples = interleave(
            [Library(name, worker) for name in (RAW, MINTGATE, PYJWT, JOSERFC, AUTHLIB)],
            settings.rounds * SLICES,
            settings.seconds / SLICES,
            settings.warm_up / SLICES,
            progress,
        )
    return Comparison.of(
        "checking",
        "Tokens checked a second on one core, nothing cached but the key",
        samples,
        floor=RAW,
        targets=[
            Target(
                text="cold verification adds at most a third of what PyJWT adds",
                ours=MINTGATE,
                peer=PYJWT,
                limit=1 / 3,
            )
        ],
        left_out={},
        versions={},
        notes={"distinct_tokens": DISTINCT_TOKENS},
    )
