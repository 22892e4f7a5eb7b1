"""Contenders that are installed for the run: Node's libraries, and python-jose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.node import Node, install, version_of
from bench.problems import PeerUnavailable
from bench.processes import ROOT, Child, Children

NODE_FOLDER = ROOT / "bench" / "peers" / "node_verifiers"
REQUIREMENTS = ROOT / "bench" / "peers" / "python_jose.txt"
INSTALL_SECONDS = 120


def node_worker(children: Children, node: Node, core: int, work: Path) -> tuple[Child, list[str]]:
    """The worker for fast-jwt and jose, and the versions of the two.

    Raises:
        PeerUnavailable: what npm said.
    """
    install(node, NODE_FOLDER)
    command = [node.program, str(NODE_FOLDER / "worker.mjs"), str(work)]
    environment = {"NODE_ENV": "production", "PATH": "/usr/bin:/bin"}
    child = children.start("node", core, command, env=environment, asked=True)
    return child, [version_of(NODE_FOLDER, name) for name in ("fast-jwt", "jose")]


def python_jose(folder: Path) -> Path:
    """Install it into a folder of its own, which is thrown away.

    Raises:
        PeerUnavailable: what pip said.
    """
    target = folder / "python-jose"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--target", str(target), "-r", str(REQUIREMENTS)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(f"pip: {error}") from None
    if done.returncode:
        raise PeerUnavailable(f"pip failed: {done.stderr.strip()[-300:]}")
    return target
