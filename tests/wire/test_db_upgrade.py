"""Releases beside each other on one schema, with real processes; `mintgate db upgrade|check`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.wire.test_serve import free_port, run, serving

FORM = {
    "grant_type": "client_credentials",
    "client_id": "demo.app/service",
    "client_secret": "demo-secret",
}


def minted(port: int) -> int:
    return httpx.post(f"http://127.0.0.1:{port}/id/connect/token", data=FORM).status_code


def newer_release(folder: Path, *options: str) -> None:
    """Migrate as the next release would; with `--contract` so that this one cannot go on."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.newer_release", f"sqlite:///{folder}/mintgate.db", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_release_runs_beside_the_next_one(tmp_path: Path) -> None:
    with serving(tmp_path, first := free_port(), "--demo"):
        assert minted(first) == 200
        newer_release(tmp_path)  # under the running server
        assert minted(first) == 200
    with serving(tmp_path, second := free_port(), "--demo"):  # and it starts again
        assert minted(second) == 200
    done = run("db", "upgrade", cwd=tmp_path)
    assert "9001, which is newer than this program needs" in done.stdout
    done = run("db", "check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "NOTE  schema" in done.stdout


def test_an_older_release_refuses_a_schema_that_was_contracted(tmp_path: Path) -> None:
    assert run("db", "upgrade", cwd=tmp_path).stdout.startswith("Created the tables")
    newer_release(tmp_path, "--contract")
    for command in (("serve", "--port", str(free_port())), ("user", "list"), ("db", "upgrade")):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert "the database has schema 9001: a newer mintgate has migrated it" in done.stderr
        assert "Traceback" not in done.stderr
    done = run("db", "check", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["good"] is False


def test_a_newer_release_migrates_at_its_start_or_says_how(tmp_path: Path) -> None:
    """Only `serve` and `db upgrade` do: who looks at something must not migrate for all."""
    run("db", "upgrade", cwd=tmp_path)
    with sqlite3.connect(tmp_path / "mintgate.db") as database:  # as the release before left it
        database.executescript(
            "DROP TABLE schema_state; UPDATE alembic_version SET version_num = '0015'"
        )
    database.close()
    for command in (("user", "list"), ("serve", "--no-upgrade", "--port", str(free_port()))):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert "migrate it with: mintgate db upgrade" in done.stderr
    done = run("db", "check", cwd=tmp_path)
    assert (done.returncode, "mintgate db upgrade" in done.stdout) == (1, True)
    with serving(tmp_path, free_port()):
        pass
    assert run("db", "upgrade", cwd=tmp_path).stdout.endswith("already; nothing to do.\n")


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    with serving(tmp_path, free_port(), "--demo"):
        done = run("db", "check", cwd=tmp_path)  # beside a server
        assert done.returncode == 0, done.stdout
        assert "the key-encryption key opens all signing keys (1 live)" in done.stdout
        assert "demo (http://127.0.0.1:" in done.stdout
    (tmp_path / "mintgate.key").rename(tmp_path / "elsewhere")
    done = run("db", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert "WRONG keys" in done.stdout
    assert "mintgate.key" in done.stdout


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///nowhere.db", "there is no database at nowhere.db"),
        ("mysql://x", "not a usable database URL"),
        ("postgresql://nobody@127.0.0.1:1/none", "the database refused"),
    ],
)
def test_a_database_that_is_not_there(url: str, sentence: str, tmp_path: Path) -> None:
    done = run("db", "check", "--database", url, cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
