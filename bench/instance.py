"""A mintgate with a database of its own, as a user runs it: `mintgate apply`, `mintgate serve`."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench.minting.subject import free_port
from bench.problems import Unmeasurable
from bench.processes import ROOT, Child, Children
from mintgate.store import Database, applications, instances, users

CLIENT_ID = "bench.example.org/service"
LOGIN = "mira.k"
API, API_SECRET = "DomainAPI", "the-secret-of-the-api-under-load"
CLIENT_SECRET = "the-secret-of-the-service-under-load"
_COMMAND = (sys.executable, "-m", "mintgate.cli")
DECLARATION = f"""
[instance]
name = "growth"
database = "GROWTH"
base_url = "http://127.0.0.1:{{port}}"

[[apis]]
Name = "{API}"
Secret = "{API_SECRET}"

[[applications]]
ApplicationUri = "{CLIENT_ID}"
Name = "Service"
ApplicationSecret = "{CLIENT_SECRET}"
SystemUserAllowed = true
SystemUser = "svc.bench"
Scope = "read update"
ReferenceTokens = "AuthenticatedUsers"

[[users]]
Login = "svc.bench"
Name = "Service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "{LOGIN}"
Name = "Mira"
UserType = "InternalUser"
Password = "Nobody-Signs-In-With-This-1"
"""


class Ids(msgspec.Struct, frozen=True):
    """What the rows of tokens point to."""

    instance: str
    application: str
    user: str


class Site:
    """One declared instance; its database is what a case fills.

    Args:
        folder: its own; the key file lies in it, and the SQLite file when there is no `url`.
        url: a database that is there and empty.
        declaration: of the instance; `{port}` stands for its port.

    Raises:
        Unmeasurable: what `mintgate apply` said.
    """

    def __init__(
        self, folder: Path, url: str | None = None, *, declaration: str = DECLARATION
    ) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.port = free_port()
        self.url = url or f"sqlite:///{folder / 'mintgate.db'}"
        file = folder / "instance.toml"
        file.touch(mode=0o600)
        file.write_text(declaration.format(port=self.port))
        done = subprocess.run(
            [*_COMMAND, "apply", str(file)],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unmeasurable(f"mintgate apply failed: {done.stderr or done.stdout}")

    @cached_property
    def ids(self) -> Ids:
        database = Database(self.url)
        try:
            (instance,) = database.read_now(instances.all_of)
            application = database.read_now(
                lambda c: applications.by_uri(c, instance.id, CLIENT_ID)
            )
            user = database.read_now(lambda c: users.by_login(c, instance.id, LOGIN))
        finally:
            database.close()
        assert application is not None
        assert user is not None
        return Ids(instance.id, application.id, user.id)

    def serve(self, children: Children, core: int | tuple[int, ...], *options: str) -> Child:
        command = [*_COMMAND, "serve", "--port", str(self.port), *options]
        return children.start("mintgate", core, command, env=self.environment())

    def introspection(self, token: str) -> bytes:
        """The request with which the API asks for a token."""
        credentials = b64encode(f"{API}:{API_SECRET}".encode()).decode()
        return self._post("introspect", {"token": token}, f"Authorization: Basic {credentials}\r\n")

    def token_request(self) -> bytes:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": "read",
        }
        return self._post("token", form)

    def _post(self, endpoint: str, form: dict[str, str], header: str = "") -> bytes:
        body = urlencode(form)
        return (
            f"POST /id/connect/{endpoint} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{header}"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def environment(self) -> dict[str, str]:
        # Settings of the person who runs this must not reach the server under test.
        own = {name: value for name, value in os.environ.items() if "MINTGATE" not in name}
        key_file = str(self.folder / "mintgate.key")
        return {**own, "MINTGATE_DATABASE": self.url, "MINTGATE_KEY_FILE": key_file}
