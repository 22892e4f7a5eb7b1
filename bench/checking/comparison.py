"""Who checks beside whom, and what is concluded from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.checking import peers
from bench.checking.names import (
    AUTHLIB,
    DISTINCT_TOKENS,
    FAST_JWT,
    JOSE,
    JOSERFC,
    MINTGATE,
    PYJWT,
    PYTHON_JOSE,
    RAW,
    WITH_STATE,
    Work,
)
from bench.checking.tokens import AUDIENCE, ISSUER, make_tokens
from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.minting.subject import write_private
from bench.node import find
from bench.problems import PeerUnavailable
from bench.processes import Child, Children
from bench.progress import Progress
from bench.rounds import interleave
from bench.samples import Sample
from mintgate.contract.identifiers import new_hex128
from mintgate.jose import SigningKey

SLICES = 5
"""Each round is cut so often: in one process, changing contenders costs nothing."""
COLD = (RAW, MINTGATE, WITH_STATE, PYJWT, JOSERFC, AUTHLIB)
CACHED = (PYJWT, MINTGATE, WITH_STATE)


class Library(msgspec.Struct, frozen=True):
    """A contender inside a worker; `cached` when it has seen every token before."""

    name: str
    worker: Child
    cached: bool

    def measure(self, seconds: float) -> Sample:
        question = {"name": self.name, "cached": self.cached, "seconds": seconds}
        return msgspec.convert(self.worker.ask(question), Sample)


class Cast:
    """The workers, who is in them, and who could not take part."""

    def __init__(self, children: Children, folder: Path, cores: Cores) -> None:
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        work = _prepare(folder, self._python_jose(folder))
        command = "bench.checking.worker"
        self._python = children.worker("checking", cores.server, command, str(work))
        self._node: Child | None = None
        try:
            node = find()
            self._node, found = peers.node_worker(children, node, cores.server, work)
            self.versions |= dict(zip((FAST_JWT, JOSE), found, strict=True))
            self.versions["node"] = node.versions["node"]
        except PeerUnavailable as reason:
            self.left_out |= {FAST_JWT: str(reason), JOSE: str(reason)}

    def _python_jose(self, folder: Path) -> Path | None:
        try:
            return peers.python_jose(folder)
        except PeerUnavailable as reason:
            self.left_out[PYTHON_JOSE] = str(reason)
            return None

    def libraries(
        self, python: Sequence[str], node: Sequence[str], *, cached: bool
    ) -> list[Library]:
        found = [
            Library(name, self._python, cached) for name in python if name not in self.left_out
        ]
        if self._node is not None:
            found += [Library(name, self._node, cached) for name in node]
        return found


def run(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Every library, to which each token is new; all on the server's core."""
    return _run(
        folder,
        cores,
        settings,
        progress,
        python=(*COLD, PYTHON_JOSE),
        node=(FAST_JWT, JOSE),
        title="Tokens checked a second on one core, nothing cached but the key",
        targets=[
            Target(
                text="cold verification adds at most a fifth of what PyJWT adds",
                ours=MINTGATE,
                peer=PYJWT,
                limit=1 / 5,
            )
        ],
    )


def run_cached(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Those that remember a token that was good; PyJWT, which does not, is the floor."""
    return _run(
        folder,
        cores,
        settings,
        progress,
        python=CACHED,
        node=(FAST_JWT,),
        title="Tokens checked a second on one core, each seen before",
        targets=[
            Target(text="at least 30 times PyJWT", ours=MINTGATE, peer=PYJWT, limit=30, by="rate"),
            Target(
                text="at least 30 times PyJWT, revocations too",
                ours=WITH_STATE,
                peer=PYJWT,
                limit=30,
                by="rate",
            ),
            Target(
                text="ahead of fast-jwt's cache", ours=WITH_STATE, peer=FAST_JWT, limit=1, by="rate"
            ),
        ],
        cached=True,
    )


def _run(
    folder: Path,
    cores: Cores,
    settings: Settings,
    progress: Progress,
    *,
    python: Sequence[str],
    node: Sequence[str],
    title: str,
    targets: list[Target],
    cached: bool = False,
) -> Comparison:
    name = "checking-cached" if cached else "checking"
    progress.say(f"{name}: preparing tokens and peers")
    own = folder / name
    own.mkdir(mode=0o700)
    with Children(own) as children:
        cast = Cast(children, own, cores)
        left_out = {who: why for who, why in cast.left_out.items() if who in (*python, *node)}
        for who, why in left_out.items():
            progress.warn(f"{who}: {why}")
        samples = interleave(
            cast.libraries(python, node, cached=cached),
            settings.rounds * SLICES,
            settings.seconds / SLICES,
            settings.warm_up / SLICES,
            progress,
        )
    return Comparison.of(
        name,
        title,
        samples,
        floor=PYJWT if cached else RAW,
        targets=targets,
        left_out=left_out,
        versions=cast.versions,
        notes={"distinct_tokens": DISTINCT_TOKENS},
    )


def _prepare(folder: Path, python_jose: Path | None) -> Path:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = SigningKey(new_hex128(), private)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return write_private(
        folder / "work.json",
        Work(
            kid=key.kid,
            pem=pem.decode(),
            tokens=make_tokens(key, DISTINCT_TOKENS),
            issuer=ISSUER,
            audience=AUDIENCE,
            python_jose=str(python_jose) if python_jose is not None else None,
        ),
    )
