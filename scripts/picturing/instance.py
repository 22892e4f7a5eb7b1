"""What is drawn: a demo instance, and a stricter one with a look of its own beside it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

PORT = 8080  # it is seen on pages, so it is the same each time where it and the next are free
PASSWORD = "demo-password"  # noqa: S105 - of the demo, and known to everyone
START_SECONDS = 60
LETTER_SECONDS = 30
PROGRAM = (sys.executable, "-m", "mintgate.cli")
# Beside those of the demo: one that asks for consent, one for strangers, two that people make
# tokens for, and a service that has tokens.
APPLICATION, REDIRECT = "shop.example/planner", "http://127.0.0.1/callback"
CLUB, EXCEL = "shop.example/club", "shop.example/excel"
IMPORT = "shop.example/import"
PUBLIC = ("--type", "Public", "--redirect", REDIRECT)
TOKENS = ("--reference-tokens", "AuthenticatedUsers")
ADDED = {
    APPLICATION: ("Warehouse planner", *PUBLIC, "--internal-users", "--scope", "read update",
                  "--require-consent"),
    CLUB: ("Customer club", *PUBLIC, "--community-users"),
    EXCEL: ("Excel add-in", *PUBLIC, "--internal-users", "--scope", "read update", *TOKENS),
    "shop.example/reports": ("Reports", *PUBLIC, "--internal-users", "--scope", "read", *TOKENS),
    IMPORT: ("Night import", "--generate", "--system-user", "svc.demo", "--scope", "read update",
             *TOKENS),
}  # fmt: skip
"""By URI: the name and the options of `mintgate app add`."""
STRICT = f"""
[instance]
name = "orion"
database = "ORION"
base_url = "http://localhost:{{port}}"
licences = 20
display_name = "Orion Trading"
accent_colour = "#8a2be2"
second_factor_internal = "required"

[[applications]]
ApplicationUri = "{APPLICATION}"
Name = "Warehouse planner"
ClientType = "Public"
ImpersonateLoginUrl = "{REDIRECT}"
ImpersonateAsInternalUserAllowed = true
Scope = "read update"

[[users]]
Login = "nora"
Name = "Nora Nikolova"
UserType = "InternalUser"
Email = "nora@orion.example"
Password = {{{{ env = "PASSWORD" }}}}

[[users]]
Login = "otto"
Name = "Otto Ognyanov"
UserType = "InternalUser"
Email = "otto@orion.example"
Password = {{{{ env = "PASSWORD" }}}}
"""
_LINK = re.compile(r"https?://\S+\?link=\S+")


@dataclass(frozen=True)
class Served:
    """Two instances, each with a server.

    Args:
        demo: base URL of the one for most pages.
        strict: of the one where a password alone is not enough; passkeys need its `localhost`.
    """

    demo: str
    strict: str
    log: Path

    def link_for(self, address: str) -> str:
        """The link in the newest letter to an address; the server shows letters in its output.

        Raises:
            SystemExit: no letter came.
        """
        told, deadline = "", time.monotonic() + LETTER_SECONDS
        while time.monotonic() < deadline:
            told = self.log.read_text(errors="replace")
            letters = told.split("── mail ──")[1:]
            found = [
                link[0]
                for letter in letters
                if f"To: {address}\n" in letter and (link := _LINK.search(letter))
            ]
            if found:
                return found[-1]
            time.sleep(0.1)
        raise SystemExit(
            f"no letter with a link came to {address}; the server said:\n{self.tail()}"
        )


@contextmanager
def served() -> Iterator[Served]:
    """Serve both until the end of the block.

    Raises:
        SystemExit: a server does not start; the message has what it said.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder, demo, strict = (
            Path(name),
            _Server(Path(name), "demo"),
            _Server(Path(name), "strict"),
        )
        (folder / "orion.toml").write_text(STRICT.format(port=strict.port))
        strict.run("apply", "orion.toml")
        for server, options in ((demo, ["--demo"]), (strict, [])):
            servers.enter_context(server.serving(*options))
        for uri, (title, *options) in ADDED.items():
            demo.run("app", "add", uri, "--name", title, *options)
        yield Served(f"http://127.0.0.1:{demo.port}", f"http://localhost:{strict.port}", demo.log)


class _Server:
    """A server and the commands for its database."""

    def __init__(self, folder: Path, name: str) -> None:
        self.port = free_port(PORT if name == "demo" else PORT + 1)
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._environment = {
            **os.environ,
            "MINTGATE_DATABASE": f"sqlite:///{folder}/{name}.db",
            "MINTGATE_KEY_FILE": f"{folder}/{name}.key",
            "PASSWORD": PASSWORD,
        }

    def run(self, *words: str) -> None:
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"mintgate {' '.join(words)}: {done.stdout}{done.stderr}")

    @contextmanager
    def serving(self, *options: str) -> Iterator[None]:
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [*PROGRAM, "serve", *options, "--port", str(self.port)],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_for(process)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"the server did not start:\n{self.log.read_text()[-3000:]}")


def free_port(wished: int) -> int:
    for port in (wished, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise SystemExit("no free port")
