"""node-oidc-provider: started once it is installed from the lock file beside its server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey

from bench.minting.subject import CLIENT_ID, SCOPE, Subject, write_private
from bench.node import Node
from bench.processes import ROOT, Child, Children

FOLDER = ROOT / "bench" / "peers" / "node_oidc_provider"
TOKEN_PATH = "/token"
PACKAGE = "oidc-provider"


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
