"""Where and with what it was measured; without it a figure means nothing."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from cryptography.hazmat.backends.openssl import backend

from bench.processes import ROOT

# Those that decide how fast big numbers and hashes are computed.
RELEVANT_FLAGS = (
    "adx", "aes", "avx", "avx2", "avx512f", "avx512ifma", "avx512vl", "avx_ifma", "bmi1", "bmi2",
    "sha_ni", "ssse3", "vaes", "asimd", "sha2",
)  # fmt: skip
PACKAGES = (
    "cryptography", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "sqlalchemy",
    "pyjwt", "joserfc", "authlib",
)  # fmt: skip
MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """`sync_us`: the median time of a small write with fdatasync where the database lies."""

    cpu: str
    cpu_flags: list[str]
    cpus: int
    kernel: str
    filesystem: str
    sync_us: float


def describe(folder: Path) -> Machine:
    text = Path("/proc/cpuinfo").read_text()
    return Machine(
        cpu=cpu_model(text),
        cpu_flags=cpu_flags(text),
        cpus=os.cpu_count() or 0,
        kernel=f"{platform.system()} {platform.release()}",
        filesystem=filesystem_of(folder),
        sync_us=_sync_us(folder),
    )


def cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^(?:model name|CPU implementer)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def cpu_flags(cpuinfo: str) -> list[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    present = set(found[1].split()) if found else set()
    return [flag for flag in RELEVANT_FLAGS if flag in present]


def short_cpu(model: str) -> str:
    """A piece of a file name: `amd-epyc-9b14`."""
    words = re.sub(r"\(.*?\)|@.*|\b(cpu|processor|\d+-core)\b", " ", model, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "cpu"


def versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "OpenSSL of cryptography": backend.openssl_version_text(),
        "SQLite": sqlite3.sqlite_version,
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """mintgate's commit, with a mark when the tree differs from it."""
    try:
        head, changes = (
            subprocess.run(
                ["git", *command], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "src"))
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} with changes in src" if changes else head


def filesystem_of(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    path = str(folder.resolve())
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, type_, *_ = line.split()
        if len(mount) >= len(best) and (path + "/").startswith(mount.rstrip("/") + "/"):
            best, kind = mount, type_
    return kind


def disk_folder() -> str | None:
    """A place for temporary files that is not memory: there a commit would cost nothing."""
    for folder in (tempfile.gettempdir(), "/var/tmp", str(ROOT)):  # noqa: S108 - only a parent
        if os.access(folder, os.W_OK) and filesystem_of(Path(folder)) not in MEMORY_FILESYSTEMS:
            return folder
    return None


def _sync_us(folder: Path) -> float:
    times = []
    with (folder / "sync-probe").open("wb") as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6
