"""mintgate as a user runs it: `mintgate apply`, `mintgate serve`, SQLite on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.minting.subject import CLIENT_ID, SCOPE, Subject
from bench.problems import Unmeasurable
from bench.processes import ROOT, Child, Children
from mintgate.jose import SigningKey
from mintgate.store import Database, instances, keys
from mintgate.store.keys import KeyEncryptionKey

TOKEN_PATH = "/id/connect/token"
_COMMAND = (sys.executable, "-m", "mintgate.cli")
_DECLARATION = """
[instance]
name = "bench"
database = "BENCH"
base_url = "http://127.0.0.1:{port}"

[[applications]]
ApplicationUri = "{client_id}"
Name = "Bench"
ApplicationSecret = {{ env = "BENCH_SECRET" }}
SystemUserAllowed = true
SystemUser = "svc.bench"
Scope = "{scope}"

[[users]]
Login = "svc.bench"
Name = "Bench service"
UserType = "SystemUserNoLogin"
"""


def declare(subject: Subject, port: int) -> SigningKey:
    """Make the database, and give the key that it signs with, for the other contenders.

    Raises:
        Unmeasurable: what `mintgate apply` said.
    """
    file = subject.folder / "bench.toml"
    file.write_text(_DECLARATION.format(port=port, client_id=CLIENT_ID, scope=SCOPE))
    done = subprocess.run(
        [*_COMMAND, "apply", str(file)],
        cwd=ROOT,
        env={**_environment(subject.folder), "BENCH_SECRET": subject.secret},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unmeasurable(f"mintgate apply failed: {done.stderr or done.stdout}")
    return signing_key(_url(subject.folder), subject.folder)


def serve(children: Children, subject: Subject, core: int, port: int) -> Child:
    return children.start(
        "mintgate",
        core,
        [*_COMMAND, "serve", "--port", str(port)],
        env=_environment(subject.folder),
    )


def signing_key(url: str, folder: Path) -> SigningKey:
    """The key of the one instance in a database.

    Args:
        folder: where the key-encryption key lies.
    """
    database = Database(url)
    try:
        kek = KeyEncryptionKey.from_file(folder / "mintgate.key", create=False)
        (instance,) = database.read_now(instances.all_of)
        ((key, _),) = database.read_now(
            lambda connection: keys.all_of(connection, instance.id, kek)
        )
    finally:
        database.close()
    return key


def _environment(folder: Path) -> dict[str, str]:
    # Settings of the person who runs this must not reach the server under test.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MINTGATE_")}
    return {**own, "MINTGATE_DATABASE": _url(folder)}


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'mintgate.db'}"
