"""The contenders that mint, started one after the other, all with the key that mintgate made."""

from __future__ import annotations

import sys

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench import python_peers
from bench.cores import Cores
from bench.load import Job
from bench.minting import mintgate_server, node_provider
from bench.minting.signing import SigningWork
from bench.minting.subject import Subject, first_token, free_port, require_valid, write_private
from bench.node import find, install, version_of
from bench.problems import PeerUnavailable, Unmeasurable
from bench.processes import Child, Children
from bench.rounds import Contender
from bench.samples import Sample

CONNECTIONS = 32
LEAD_IN = 0.5
RAW, BARE, MINTGATE, NODE = "raw sign", "bare handler", "mintgate", "node-oidc-provider"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A contender behind HTTP. Args: key: None when its tokens are not signed."""

    name: str
    child: Child
    port: int
    path: str
    form: str
    load: Child
    key: rsa.RSAPublicKey | None

    def measure(self, seconds: float) -> Sample:
        job = Job(
            port=self.port,
            requests=[post_request(self.port, self.path, self.form)],
            gives_tokens=True,
            connections=CONNECTIONS,
            seconds=seconds,
            lead_in=LEAD_IN,
            server=self.child.pid,
        )
        try:
            sample = msgspec.convert(self.load.ask(job), Sample)
        except Unmeasurable as problem:
            raise Unmeasurable(f"{self.name} failed under load: {problem}") from None
        if self.key is not None:
            require_valid(sample.tokens, self.key, self.name)
        return sample


class RawSign(msgspec.Struct, frozen=True):
    """The loop that signs."""

    worker: Child
    name: str = RAW

    def measure(self, seconds: float) -> Sample:
        return msgspec.convert(self.worker.ask({"seconds": seconds}), Sample)


class Cast:
    """Everyone who takes part, and who could not."""

    def __init__(self, children: Children, subject: Subject, cores: Cores) -> None:
        self._children = children
        self._subject = subject
        self._core = cores.server
        self._load = children.worker("load", cores.load, "bench.load")
        self.contenders: list[Contender] = []
        self.token_bytes: dict[str, int] = {}
        self.versions: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        port = free_port()
        self._key = private_key(mintgate_server.declare(subject, port).to_pkcs8())
        self._start_all(port)

    def _start_all(self, mintgate_port: int) -> None:
        mintgate = mintgate_server.serve(self._children, self._subject, self._core, mintgate_port)
        token = self._join(MINTGATE, mintgate, mintgate_port, mintgate_server.TOKEN_PATH)
        # The floor signs what mintgate signed, so that both hash and send the same size.
        work = SigningWork(pem_of(self._key).decode(), token.rpartition(".")[0])
        path = str(write_private(self._subject.folder / "work.json", work))
        self._start_bare(path)
        self.contenders.append(RawSign(self._python("raw", "signing", path, asked=True)))
        try:
            self._start_node()
        except (PeerUnavailable, Unmeasurable) as reason:
            self.left_out[NODE] = str(reason)
        self._start_python_peers()

    def _start_python_peers(self) -> None:
        for peer in python_peers.PEERS:
            try:
                python, port = python_peers.environment(), free_port()
                self.versions.update(python_peers.versions(python))
                place = (pem_of(self._key), self._core, port)
                child = python_peers.serve(peer, python, self._children, self._subject, *place)
                self._join(peer.name, child, port, peer.path, signs=peer.signs)
            except (PeerUnavailable, Unmeasurable) as reason:
                self.left_out[peer.name] = str(reason)

    def _start_bare(self, work: str) -> None:
        port = free_port()
        self._join(BARE, self._python("bare", "bare", str(port), work), port, "/")

    def _start_node(self) -> None:
        node = find()
        install(node, node_provider.FOLDER)
        self.versions[NODE] = version_of(node_provider.FOLDER, node_provider.PACKAGE)
        self.versions["node"] = node.versions["node"]
        self.versions["OpenSSL of node"] = node.versions["openssl"]
        port = free_port()
        child = node_provider.serve(
            self._children, node, self._subject, pem_of(self._key), self._core, port
        )
        self._join(NODE, child, port, node_provider.TOKEN_PATH)

    def _python(self, name: str, module: str, *arguments: str, asked: bool = False) -> Child:
        command = [sys.executable, "-m", f"bench.minting.{module}", *arguments]
        return self._children.start(name, self._core, command, asked=asked)

    def _join(self, name: str, child: Child, port: int, path: str, *, signs: bool = True) -> str:
        form = self._subject.form
        token = first_token(child, port, path, form)
        self.token_bytes[name] = len(token)
        self.contenders.append(
            Server(
                name=name,
                child=child,
                port=port,
                path=path,
                form=form,
                load=self._load,
                key=self._key.public_key() if signs else None,
            )
        )
        return token


def post_request(port: int, path: str, form: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form)}\r\n\r\n{form}"
    )


def private_key(pkcs8: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_der_private_key(pkcs8, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def pem_of(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
