"""nginx before several servers, as `docs/chaos.md` shows it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.clients.conftest import missing

# A request that was sent is never sent again unless its method is idempotent: nginx keeps to that
# by itself (`non_idempotent` is not named). A code that is posted twice would end its own tokens
# [TKN-47]. Until something was sent, every request may go to the next server. And 503
# is an answer: it is also said of a session for which there is no slot, by every server alike.
_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream mintgate {{
{servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mintgate;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_connect_timeout 2s;
            proxy_read_timeout 60s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_timeout 15s;
        }}
    }}
}}
"""


class Nginx:
    """The real one, on a port."""

    def __init__(self, port: int, servers: Sequence[int]) -> None:
        self._port, self._servers = port, servers

    def __enter__(self) -> Self:
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
        if program is None:
            missing("nginx (make edge)")
        # Not pytest's folder: its workers give up root and must be able to read it.
        self._folder = Path(tempfile.mkdtemp(prefix="mintgate-chaos-nginx-"))
        self._folder.chmod(0o755)
        servers = "\n".join(
            f"        server 127.0.0.1:{port} max_fails=0;" for port in self._servers
        )
        (self._folder / "nginx.conf").write_text(
            _CONF.format(folder=self._folder, port=self._port, servers=servers)
        )
        words = ["-p", self._folder, "-c", "nginx.conf", "-e", self._folder / "error.log"]
        self._process = subprocess.Popen([program, *words])
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return self
            except OSError:
                assert self._process.poll() is None, self.said
                assert time.monotonic() < deadline, self.said
                time.sleep(0.05)

    @property
    def said(self) -> str:
        return (self._folder / "error.log").read_text(errors="replace")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)
