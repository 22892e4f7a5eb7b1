"""node-oidc-provider: installed from the lock file beside its server, then started."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
from joserfc.jwk import RSAKey

from bench.minting.subject import CLIENT_ID, SCOPE, Subject, write_private
from bench.node import Node
from bench.problems import PeerUnavailable
from bench.processes import ROOT, Child, Children

FOLDER = ROOT / "bench" / "peers" / "node_oidc_provider"
TOKEN_PATH = "/token"
INSTALL_SECONDS = 300


def install(node: Node) -> str:
    """Install what the lock file names, unless that is there, and tell the provider's version.

    Raises:
        PeerUnavailable: what npm said.
    """
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        shutil.rmtree(FOLDER / "node_modules", ignore_errors=True)
        try:
            done = subprocess.run(
                [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=FOLDER,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerUnavailable(f"npm ci: {error}") from None
        if done.returncode:
            raise PeerUnavailable(f"npm ci failed: {_reason(done.stderr)}")
        installed.touch()
    package = FOLDER / "node_modules" / "oidc-provider" / "package.json"
    version: str = msgspec.json.decode(package.read_bytes())["version"]
    return version


def _reason(stderr: str) -> str:
    told = [line for line in stderr.splitlines() if line.startswith("npm error")]
    return "; ".join(line.removeprefix("npm error").strip() for line in told[:3]) or stderr[-300:]


def serve(
    children: Children, node: Node, subject: Subject, key_pem: bytes, core: int, port: int
) -> Child:
    jwk: dict[str, Any] = dict(RSAKey.import_key(key_pem).as_dict(private=True))
    settings: Path = write_private(
        subject.folder / "node.json",
        {
            "port": port,
            "clientId": CLIENT_ID,
            "clientSecret": subject.secret,
            "scope": SCOPE,
            "jwk": {**jwk, "use": "sig", "alg": "RS256"},
        },
    )
    return children.start(
        "node-oidc-provider",
        core,
        [node.program, str(FOLDER / "server.mjs"), str(settings)],
        env={"NODE_ENV": "production", "PATH": "/usr/bin:/bin"},
    )
