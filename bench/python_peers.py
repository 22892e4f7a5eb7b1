"""Identity servers in Python that people use: Authlib on Flask, django-oauth-toolkit.

They have an environment of their own below the user's cache folder, made from the lock file beside
them, so that what they need is nobody else's dependency.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from joserfc.jwk import RSAKey

from bench.minting.subject import CLIENT_ID, SCOPE, Subject, write_private
from bench.problems import PeerUnavailable
from bench.processes import ROOT, Child, Children

FOLDER = ROOT / "bench" / "peers" / "python"
INSTALL_SECONDS = 600


class PythonPeer(msgspec.Struct, frozen=True):
    """How one is called and served.

    Args:
        package: the distribution whose version is told.
        application: as gunicorn names it.
        path: of its token endpoint.
        signs: whether its tokens are signed; others cannot be verified here.
    """

    name: str
    package: str
    application: str
    path: str
    signs: bool


AUTHLIB = PythonPeer("Authlib on Flask", "authlib", "authlib_on_flask:app", "/token", True)
TOOLKIT = PythonPeer(
    "django-oauth-toolkit",
    "django-oauth-toolkit",
    "oauth_toolkit:application",
    "/o/token/",
    False,
)
PEERS = (AUTHLIB, TOOLKIT)


def environment() -> Path:
    """The Python of their environment, which is made when it is not there.

    Raises:
        PeerUnavailable: what pip said.
    """
    lock = FOLDER / "requirements.txt"
    mark = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "mintgate-bench" / f"python-{mark}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), *pip, "--require-hashes", "-r", str(lock)])
        complete.touch()
    return python


def versions(python: Path) -> dict[str, str]:
    """Of each peer and of what serves them."""
    names = [*(peer.package for peer in PEERS), "flask", "django", "gunicorn"]
    code = f"""
import importlib.metadata, json
print(json.dumps({{name: importlib.metadata.version(name) for name in {names!r}}}))
"""
    told: dict[str, str] = msgspec.json.decode(_run([str(python), "-c", code]))
    return {f"{name} (peer)": version for name, version in told.items()}


def serve(
    peer: PythonPeer,
    python: Path,
    children: Children,
    subject: Subject,
    key_pem: bytes,
    core: int,
    port: int,
) -> Child:
    """Start one with one gunicorn worker.

    Raises:
        PeerUnavailable: its database could not be made.
    """
    jwk: dict[str, Any] = dict(RSAKey.import_key(key_pem).as_dict(private=True))
    name = peer.package
    settings = write_private(
        subject.folder / f"{name}.json",
        {
            "issuer": f"http://127.0.0.1:{port}",
            "clientId": CLIENT_ID,
            "clientSecret": subject.secret,
            "scope": SCOPE,
            "database": str(subject.folder / f"{name}.db"),
            "jwk": {**jwk, "use": "sig", "alg": "RS256", "kid": "bench"},
        },
    )
    own = {"BENCH_SETTINGS": str(settings), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(FOLDER)}
    if peer is TOOLKIT:
        _run([str(python), str(FOLDER / "oauth_toolkit.py")], own)
    command = [str(python), "-m", "gunicorn", peer.application]
    # Threads, because one without them closes a connection after each answer.
    options = ["--workers", "1", "--threads", "4", "--keep-alive", "30", "--no-control-socket"]
    where = ["--chdir", str(FOLDER), "--bind", f"127.0.0.1:{port}"]
    return children.start(name, core, [*command, *options, *where], env=own)


def _run(command: list[str], env: dict[str, str] | None = None) -> bytes:
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(f"{command[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise PeerUnavailable(f"{' '.join(command[:4])}: {said[-300:]}")
    return done.stdout
