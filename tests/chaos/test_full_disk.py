"""A full disk under SQLite: 503 while it lasts, nothing that was acknowledged is lost.

As root the disk is a small file system in memory. Elsewhere the server's files may not grow beyond
a limit, which SQLite meets in the same way.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from mintgate.server import declaration
from mintgate.store import Database, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.tables import audit_events, revoked_tokens
from tests.chaos.cluster.world import wait_for
from tests.wire.test_serve import PROGRAM, free_port, run
from tests.world import PASSWORD_HASH, SECRET, STOCK, TOML, payload_of

DISK_MEGABYTES = 6
ROOM = 200_000
"""Bytes that are left when the disk is called full: some writes succeed yet, and then none."""
CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"
SERVICE = {"grant_type": "client_credentials"}
AUTH = (STOCK, SECRET)


class Disk:
    """A folder that can be filled up, and given room again."""

    def __init__(self, folder: Path, fill: Callable[[], None], free: Callable[[], None]) -> None:
        self.folder, self.fill, self.free = folder, fill, free


@contextmanager
def small_file_system(folder: Path) -> Iterator[Disk]:
    """A tmpfs of a few megabytes; skips where this process may not mount one."""
    disk = folder / "disk"
    disk.mkdir()
    options = f"size={DISK_MEGABYTES}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk])
    if mounted.returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    ballast = disk / "ballast"

    def fill() -> None:
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        ballast.write_bytes(bytes(max(0, room - ROOM)))

    try:
        yield Disk(disk, fill, lambda: ballast.unlink(missing_ok=True))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk(tmp_path: Path) -> None:
    """Minting and revoking answer 503 and are done or not; then all goes on by itself."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    with small_file_system(tmp_path) as disk:
        base = declare(disk.folder)
        with serving(disk.folder, base), httpx.Client(base_url=base, timeout=30) as http:
            require_exact_books(http, disk, fill=disk.fill, free=disk.free)


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """The same by a limit of the process, for whoever cannot mount anything."""
    base = declare(tmp_path)
    with serving(tmp_path, base) as process, httpx.Client(base_url=base, timeout=30) as http:
        size = max(file.stat().st_size for file in tmp_path.glob("mintgate.db*"))

        def limit(most: int) -> None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        disk = Disk(tmp_path, lambda: limit(size + ROOM), lambda: limit(resource.RLIM_INFINITY))
        require_exact_books(http, disk, fill=disk.fill, free=disk.free)


def require_exact_books(
    http: httpx.Client, disk: Disk, *, fill: Callable[[], None], free: Callable[[], None]
) -> None:
    """Work until the disk is full, while it is, and after; then look for every write."""
    tokens: list[str] = []
    revoked: list[str] = []
    seen: Counter[int] = Counter()

    def work() -> int:
        answer = http.post("/id/connect/token", data=SERVICE, auth=AUTH)
        seen[answer.status_code] += 1
        if answer.status_code != 200:
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
            return answer.status_code
        tokens.append(answer.json()["access_token"])
        if len(tokens) % 3 == 0:
            answer = http.post("/id/connect/revocation", data={"token": tokens[-1]}, auth=AUTH)
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 200:
                revoked.append(tokens[-1])
        return 200

    for _ in range(20):
        assert work() == 200
    fill()
    deadline = time.monotonic() + 60
    while seen[503] < 20:
        work()
        assert time.monotonic() < deadline, seen
    # What can be read is still told.
    kept = tokens[0]
    answer = http.get(CUSTOMERS, headers={"Authorization": f"Bearer {kept}"})
    assert answer.status_code in {200, 503}, answer.text
    free()
    wait_for(lambda: work() == 200, 30, lambda: f"it did not recover: {seen}")
    for _ in range(20):
        assert work() == 200
    for token in revoked:
        answer = http.get(CUSTOMERS, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, answer.text
    check_books(disk.folder, tokens, revoked)


def check_books(folder: Path, tokens: list[str], revoked: list[str]) -> None:
    database = Database(f"sqlite:///{folder}/mintgate.db")

    def jtis(table: Any) -> set[str]:
        return set(database.read_now(lambda c: c.execute(select(table.c.jti)).scalars().all()))

    issued, ended = jtis(audit_events), jtis(revoked_tokens)
    database.close()
    assert {payload_of(token)["jti"] for token in tokens} <= issued
    assert {payload_of(token)["jti"] for token in revoked} <= ended
    done = run("audit", "verify", cwd=folder)
    assert done.returncode == 0, (done.stdout, done.stderr)


def declare(folder: Path) -> str:
    base = f"http://127.0.0.1:{free_port()}"
    text = TOML.format(base_url=base, instance_settings="", password_hash=PASSWORD_HASH, more="")
    database = Database(f"sqlite:///{folder}/mintgate.db")
    schema.upgrade(database)
    key = KeyEncryptionKey.from_file(folder / "mintgate.key", create=True)
    declaration.apply(database, declaration.read(text, {}), lambda: key)
    database.close()
    return base


@contextmanager
def serving(folder: Path, base: str) -> Iterator[subprocess.Popen[bytes]]:
    port = str(httpx.URL(base).port)
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", port], cwd=folder, stdout=sys.stderr, stderr=sys.stderr
    )

    def is_ready() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{base}/readyz").is_success
        return False

    try:
        wait_for(is_ready, 60, lambda: "the server did not start")
        yield process
    finally:
        process.terminate()
        process.wait(60)
