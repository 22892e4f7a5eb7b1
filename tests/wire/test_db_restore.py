"""A backup must not bring the dead back to life: real servers, and a verifier elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mintgate.contract.identifiers import secret_hash, token_digest
from mintgate.contract.reference_tokens import TokenKind
from mintgate.server import declaration
from mintgate.store import Database, apis, portable, reference_tokens, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.portable.ending import end_all
from mintgate.store.records import fill_demo_data
from tests.command_line import command
from tests.promptness import PROMPT_SECONDS
from tests.ready_databases import PostgresqlDatabases
from tests.wire.test_reference_tokens import CUSTOMERS, create
from tests.wire.test_serve import PROGRAM, free_port, run
from tests.wire.verifier_process import VerifierProcess
from tests.world import FULL, PASSWORD_HASH, TOML, World, empty_sqlite_url, payload_of, sqlite_url

API_SECRET = "the + secret % of an API"
AUTH = ("DomainAPI", API_SECRET)


class Place(World):
    """A declared database whose server is another process; the clock is that of the machine."""

    def prepare(self, port: int) -> None:
        self.clock = time.time
        self.base = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.base}/id"
        self.kek = KeyEncryptionKey(bytes(32))
        self.database = Database(self.database_url)
        schema.upgrade(self.database)
        self.declare()
        with self.database.begin() as tx:
            fill_demo_data(tx, self.instance.id)
            apis.set_secret(tx, self.instance.id, "DomainAPI", secret_hash(API_SECRET))
        self.open()

    def open(self) -> None:
        self.database = Database(self.database_url)
        self.http = self.leaks.watch(httpx.Client(base_url=self.base, timeout=30))

    def introspected(self, token: str) -> Any:
        answer = self.http.post("/id/connect/introspect", data={"token": token}, auth=AUTH)
        return answer.json()["active"]

    def key_ids(self) -> list[str]:
        found = self.http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]
        return [key["kid"] for key in found]


def environment(url: str) -> dict[str, str]:
    return {
        "MINTGATE_DATABASE": url,
        "MINTGATE_KEY_ENCRYPTION_KEY": b64encode(bytes(32)).decode(),
    }


@contextlib.contextmanager
def server(folder: Path, place: Place) -> Iterator[None]:
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", place.base.rpartition(":")[2]],
            env={**os.environ, **environment(place.database_url)},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{place.base}/readyz").status_code == 200:
                    break
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.parametrize("engines", ["sqlite to postgresql", "postgresql to sqlite"])
def test_nothing_dead_lives_again(
    engines: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """[TKN-47, TKN-48, LIF-14, API-13, API-16, TOP-13]"""
    other = str(request.getfixturevalue("postgresql").empty())
    here = empty_sqlite_url(tmp_path)
    before, after = (here, other) if engines.startswith("sqlite") else (other, here)
    place = Place(before)
    place.prepare(free_port())
    with VerifierProcess(place.issuer, place.instance.database, API_SECRET) as elsewhere:
        with server(tmp_path, place):
            browser = place.browser()
            tokens = place.redeem(browser.code(scope=FULL)).json()
            open_code = place.browser().code(scope=FULL)
            year = time.time() + 365 * 86400
            kept, revoked = create(place, expires_at=year), create(place, expires_at=year)
            service = create(place, TokenKind.SERVICE, expires_at=year)
            done = run("db", "backup", "made.mgb", cwd=tmp_path, **environment(before))
            assert done.returncode == 0, done.stderr
            assert "is not in it" in done.stdout
            # What the backup does not know.
            rotated = place.refresh(tokens["refresh_token"]).json()
            used = place.redeem(open_code)
            assert used.status_code == 200, used.text
            with place.database.begin() as tx:
                found = reference_tokens.by_key(
                    tx.connection, place.instance.id, token_digest(revoked)
                )
                assert found is not None
                reference_tokens.revoke(tx, place.instance.id, found.id, "ada")
            old_keys = place.key_ids()
            later = [rotated["access_token"], used.json()["access_token"]]
            for token in (tokens["access_token"], *later, kept):
                assert elsewhere.accepts(token, time.time())
                assert place.introspected(token)
        done = run("db", "restore", "made.mgb", "--json", cwd=tmp_path, **environment(after))
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)["instances"][0]
        assert told["ended"] == {
            "sign_ins": 2,
            "codes": 1,
            "refresh_tokens": 1,
            "erp_sessions": 0,
            "recovery_codes": 0,
            "keys": 1,
            "reference_tokens": 0,
        }
        assert {token["owner"] for token in told["reference_tokens"]} == {"mira.k", "svc.stock"}
        assert len(told["reference_tokens"]) == 3  # the revoked one lives, and is told of
        place.database.close()
        place.database_url = after
        place.open()
        with server(tmp_path, place):
            for token in (tokens["access_token"], *later):
                assert place.introspected(token) is False
                assert place.api(CUSTOMERS, token).status_code == 401
                assert elsewhere.seconds_until_refused(token, time.time()) < PROMPT_SECONDS
            for token in (tokens["refresh_token"], rotated["refresh_token"]):
                answer = place.refresh(token)
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
            answer = place.redeem(open_code)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
            page = browser.authorize(scope=FULL)
            assert "<h1>Sign in</h1>" in page.text  # the session of before has ended
            new = place.user_tokens()
            assert place.api(CUSTOMERS, new["access_token"]).status_code == 200
            assert place.refresh(new["refresh_token"]).status_code == 200
            for token in (new["access_token"], kept, service, revoked):
                assert elsewhere.accepts(token, time.time())
            assert not set(old_keys) & set(place.key_ids())
            assert place.events("database.restored")[0].details["left"] == 3  # type: ignore[index]
    place.database.close()


def test_a_server_that_runs_over_it_forgets_what_it_knew(world: World) -> None:
    """Another database under the same name: no copy of the one before holds."""
    token = world.service_token()
    tokens = world.user_tokens()
    pat = create(world)
    for good in (token, tokens["access_token"], pat):
        assert world.api(CUSTOMERS, good).status_code in {200, 404}
    with world.database.begin() as tx:
        # As it was in the backup: nobody tells the feed of it.
        tx.connection.exec_driver_sql("UPDATE users SET active = false WHERE login = 'ada'")
        end_all(
            tx,
            world.instance,
            world.kek,
            revoke_reference_tokens=False,
            actor="cli:test",
            backup_at=1.0,
        )
    world.sync()
    for dead in (token, tokens["access_token"]):
        assert world.api(CUSTOMERS, dead).status_code == 401
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.api(CUSTOMERS, pat).status_code in {200, 404}
    # In the very second of the restore: its `iat` is the next one.
    new = world.service_token()
    assert payload_of(new)["iat"] == int(world.clock()) + 1
    world.clock.advance(1)
    assert world.api(CUSTOMERS, new).status_code in {200, 404}
    refused = world.browser().sign_in("ada")
    assert not refused.is_redirect
    assert world.http.get("/readyz").status_code == 200


def test_what_restore_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a message that says what to do, before anything is written."""
    database = Database(sqlite_url(tmp_path))
    schema.upgrade(database)
    text = TOML.format(
        base_url="http://127.0.0.1:1",
        instance_settings="",
        password_hash=PASSWORD_HASH,
        more="",
    )
    kek = KeyEncryptionKey(bytes(32))
    declaration.apply(database, declaration.read(text, {}), lambda: kek)
    file = tmp_path / "made.mgb"
    portable.back_up(database, file)
    database.close()
    monkeypatch.chdir(tmp_path)
    empty = environment("sqlite:///empty.db")
    wrong = empty | {"MINTGATE_KEY_ENCRYPTION_KEY": b64encode(b"x" * 32).decode()}

    def refused(*arguments: str, code: int = 1, **variables: str) -> str:
        done = command("db", *arguments, **(empty | variables))
        assert done.returncode == code, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stderr)

    assert "sealed with another key-encryption key" in refused("restore", "made.mgb", **wrong)
    assert "is not empty" in refused("restore", "made.mgb", MINTGATE_DATABASE="sqlite:///test.db")
    assert "cannot read nowhere.mgb: No such file" in refused("restore", "nowhere.mgb")
    assert "test.db is not a backup" in refused("restore", "test.db")
    assert "made.mgb is there already" in refused(
        "backup", "made.mgb", MINTGATE_DATABASE="sqlite:///test.db"
    )
    assert "the file is a backup" in refused("upgrade", MINTGATE_DATABASE="sqlite:///made.mgb")
    assert "Missing argument 'FILE'" in refused("restore", code=2)


def test_the_copy_command(
    tmp_path: Path, postgresql: PostgresqlDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Database(sqlite_url(tmp_path))
    schema.upgrade(source)
    source.close()
    target = postgresql.empty()
    done = command("db", "copy", "--from", "sqlite:///test.db", "--to", target)
    assert done.returncode == 0, done.stderr
    assert re.match(r"Copied 0 rows of \d+ tables; every row was compared.\n", done.stdout)
    assert "The key-encryption key is not in a database" in done.stdout
    for arguments, code, sentence in (
        (("--from", "sqlite:///test.db"), 2, "Missing option '--to'"),
        (("--from", "sqlite:///none.db", "--to", target), 1, "no database at none.db"),
        (("--from", "sqlite:///test.db", "--to", "oracle://x"), 1, "not a usable database URL"),
    ):
        done = command("db", "copy", *arguments)
        assert done.returncode == code, done.stderr
        assert sentence in done.stderr
