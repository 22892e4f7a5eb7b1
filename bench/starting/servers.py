"""What is started: mintgate on the database of a company, and two that have nothing to load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.instance import Site
from bench.minting import node_provider
from bench.minting.cast import post_request
from bench.minting.subject import free_port, new_subject
from bench.node import find, install, version_of
from bench.populated import populated
from bench.problems import PeerUnavailable
from bench.processes import ROOT, Child, Children

MINTGATE, BARE, NODE = "mintgate", "bare handler", "node-oidc-provider"
BARE_PROGRAM = ROOT / "bench" / "peers" / "bare_asgi.py"


class Server(msgspec.Struct, frozen=True):
    """Something that can be started again and again.

    Args:
        serve: starts it.
        request: one that gives a token.
    """

    name: str
    serve: Callable[[Children], Child]
    port: int
    request: bytes


class Servers(msgspec.Struct, frozen=True):
    """All of them, and those that could not take part."""

    servers: list[Server]
    left_out: dict[str, str]
    versions: dict[str, str]


def of_company(site: Site, core: int) -> Server:
    """mintgate on the database of `site`."""
    request = site.token_request()
    return Server(MINTGATE, lambda children: site.serve(children, core), site.port, request)


def prepare(folder: Path, core: int) -> Servers:
    """Fill the database, and make ready what the others need."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    servers = [of_company(populated(folder / "company"), core), _bare(folder, pem, core)]
    left_out: dict[str, str] = {}
    versions: dict[str, str] = {}
    try:
        servers.append(_node(folder, pem, core, versions))
    except PeerUnavailable as reason:
        left_out[NODE] = str(reason)
    return Servers(servers, left_out, versions)


def _bare(folder: Path, pem: bytes, core: int) -> Server:
    port, key = free_port(), folder / "bare.pem"
    key.touch(mode=0o600)
    key.write_bytes(pem)
    command = [sys.executable, str(BARE_PROGRAM), str(port), str(key)]
    request = post_request(port, "/", "").encode()
    return Server(BARE, lambda children: children.start("bare", core, command), port, request)


def _node(folder: Path, pem: bytes, core: int, versions: dict[str, str]) -> Server:
    node, port, subject = find(), free_port(), new_subject(folder)
    install(node, node_provider.FOLDER)
    versions[NODE] = version_of(node_provider.FOLDER, node_provider.PACKAGE)
    versions["node"] = node.versions["node"]
    return Server(
        NODE,
        lambda children: node_provider.serve(children, node, subject, pem, core, port),
        port,
        post_request(port, node_provider.TOKEN_PATH, subject.form).encode(),
    )
