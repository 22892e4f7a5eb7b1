"""Releases beside each other on one schema, with real processes; `mintgate db upgrade|check`."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests import newer_release
from tests.command_line import command
from tests.wire.test_serve import free_port, run, serving

FORM = {
    "grant_type": "client_credentials",
    "client_id": "demo.app/service",
    "client_secret": "demo-secret",
}


def minted(port: int) -> int:
    return httpx.post(f"http://127.0.0.1:{port}/id/connect/token", data=FORM).status_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands of this process and servers find the same `mintgate.db`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_release_runs_beside_the_next_one(folder: Path) -> None:
    with serving(folder, first := free_port(), "--demo"):
        assert minted(first) == 200
        done = command("db", "check")
        assert done.returncode == 0, done.stdout
        assert "the key-encryption key opens all signing keys (1 live)" in done.stdout
        assert f"demo (http://127.0.0.1:{first})" in done.stdout
        newer_release.migrate("sqlite:///mintgate.db")  # under the running server
        assert minted(first) == 200
    with serving(folder, second := free_port()):  # and it starts again
        host = {"Host": f"127.0.0.1:{first}"}
        url = f"http://127.0.0.1:{second}/id/connect/token"
        assert httpx.post(url, data=FORM, headers=host).status_code == 200
    assert "9001, which is newer than this program needs" in command("db", "upgrade").stdout
    done = command("db", "check")
    assert done.returncode == 0, done.stdout
    assert "NOTE  schema" in done.stdout
    (folder / "mintgate.key").rename(folder / "elsewhere")
    done = command("db", "check")
    assert done.returncode == 1
    assert "WRONG keys" in done.stdout
    assert "mintgate.key" in done.stdout


def test_an_older_release_refuses_a_schema_that_was_contracted(folder: Path) -> None:
    assert command("db", "upgrade").stdout.startswith("Created the tables")
    newer_release.migrate("sqlite:///mintgate.db", "--contract")
    serve = ("serve", "--port", str(free_port()))
    for done in (run(*serve, cwd=folder), command("user", "list"), command("db", "upgrade")):
        assert done.returncode == 1
        assert "the database has schema 9001: a newer mintgate has migrated it" in done.stderr
        assert "Traceback" not in done.stderr
    done = command("db", "check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["good"] is False


def test_a_newer_release_migrates_at_its_start_or_says_how(folder: Path) -> None:
    """Only `serve` and `db upgrade` do: who looks at something must not migrate for all."""
    newer_release.migrate_to(f"sqlite:///{folder / 'mintgate.db'}", "0015")
    for arguments in (("user", "list"), ("serve", "--no-upgrade", "--port", str(free_port()))):
        done = command(*arguments)
        assert done.returncode == 1
        assert "migrate it with: mintgate db upgrade" in done.stderr
    done = command("db", "check")
    assert (done.returncode, "mintgate db upgrade" in done.stdout) == (1, True)
    with serving(folder, free_port()):
        pass
    assert command("db", "upgrade").stdout.endswith("already; nothing to do.\n")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///nowhere.db", "there is no database at nowhere.db"),
        ("mysql://x", "not a usable database URL"),
        ("postgresql://nobody@127.0.0.1:1/none", "the database refused"),
    ],
)
def test_a_database_that_is_not_there(url: str, sentence: str, folder: Path) -> None:
    done = command("db", "check", "--database", url)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.iterdir())
