"""`kill -9` at random points under a mixed load: nothing is lost, nothing is used twice.

`make chaos` kills 200 times, `make test` 8 (MINTGATE_CHAOS_KILLS).
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import httpx

from mintgate.server import declaration
from mintgate.store import Database, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.tables import audit_events
from tests.chaos.journal import Journal
from tests.chaos.load import AUTH, Load
from tests.leaks import Leaks, require_clean_folder
from tests.wire.test_serve import PROGRAM, free_port, run
from tests.world import PASSWORD_HASH, REDIRECT, TOML, Browser, sqlite_url

KILLS = int(os.environ.get("MINTGATE_CHAOS_KILLS", "8"))
SEED = int(os.environ.get("MINTGATE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
SAMPLE = 5


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{(port := free_port())}"
    declare(tmp_path, base)
    chance = random.Random(SEED)
    totals: Counter[str] = Counter()
    cookies = httpx.Cookies()
    survivors: Journal | None = None  # of the round before
    for round_ in range(KILLS):
        journal = Journal()
        with serving_until_killed(tmp_path, port) as process:
            if not cookies:
                cookies = sign_in(base)
            if survivors is not None:
                check(base, survivors, tmp_path, chance)
            load = Load(base, cookies, journal, SEED + round_)
            load.start()
            time.sleep(chance.uniform(0.05, 0.6))
            process.kill()
            load.stop()
        assert not load.problems, (SEED, round_, load.problems)
        totals += Counter(
            operations=journal.operations,
            codes=len(journal.used_codes),
            refreshes=len(journal.used_refresh_tokens),
            revocations=len(journal.revoked_access_tokens),
            unanswered=len(journal.unanswered_codes) + len(journal.unanswered_refresh_tokens),
        )
        survivors = journal
    with serving_until_killed(tmp_path, port):
        check(base, survivors, tmp_path, chance)
    require_clean_folder(tmp_path)
    print(f"seed {SEED}, {KILLS} kills: {dict(totals)}")  # noqa: T201 - shown by `make chaos`
    assert min(totals[name] for name in ("codes", "refreshes", "revocations")) > 0, totals


def declare(folder: Path, base: str) -> None:
    text = TOML.format(base_url=base, instance_settings="", password_hash=PASSWORD_HASH, more="")
    (folder / "instance.toml").write_text(text)
    database = Database(sqlite_url(folder).replace("test.db", "mintgate.db"))
    schema.upgrade(database)
    key = KeyEncryptionKey.from_file(folder / "mintgate.key", create=True)
    declaration.apply(database, declaration.read(text, {}), lambda: key)
    database.close()


@contextmanager
def serving_until_killed(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", str(port)],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.03)
        yield process
    finally:
        process.kill()
        process.wait(30)


def sign_in(base: str) -> httpx.Cookies:
    browser = Browser(SimpleNamespace(base=base, leaks=Leaks()))  # type: ignore[arg-type]
    browser.sign_in()
    return browser.http.cookies


def check(base: str, journal: Journal, folder: Path, chance: random.Random) -> None:
    """Hold what was acknowledged before the kill against the server after it."""
    with httpx.Client(base_url=base, timeout=30) as http:

        def redeem(code: str) -> int:
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
            return http.post("/id/connect/token", data=form, auth=AUTH).status_code

        def refresh(token: str) -> int:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            return http.post("/id/connect/token", data=form, auth=AUTH).status_code

        def call(token: str) -> int:
            url = "/api/domain/odata/Crm_Sales_Customers?$top=1"
            return http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code

        # Revoked is revoked; what was not is still good, or the first half would prove nothing.
        assert {call(token) for token in journal.revoked_access_tokens} <= {401}
        alive = chance.sample(
            journal.live_access_tokens, min(SAMPLE, len(journal.live_access_tokens))
        )
        assert {call(token) for token in alive} <= {200}
        assert {refresh(token) for token in journal.revoked_refresh_tokens} <= {400}
        # What was sent and never answered may be used once or not at all.
        for code in journal.unanswered_codes:
            assert [redeem(code), redeem(code)].count(200) <= 1
        for token in journal.unanswered_refresh_tokens:
            assert [refresh(token), refresh(token)].count(200) <= 1
        # What was used is used. These end families as replays, so they come last.
        for token in chance.sample(
            journal.used_refresh_tokens, min(SAMPLE, len(journal.used_refresh_tokens))
        ):
            assert refresh(token) == 400
        for code in chance.sample(journal.used_codes, min(SAMPLE, len(journal.used_codes))):
            assert redeem(code) == 400
    check_audit(journal, folder)


def check_audit(journal: Journal, folder: Path) -> None:
    """Every acknowledged event is in the audit table, whose chains hold."""
    database = Database(f"sqlite:///{folder}/mintgate.db")
    stored = database.read_now(
        lambda c: {
            (row.event, row.jti)
            for row in c.execute(
                audit_events.select().with_only_columns(audit_events.c.event, audit_events.c.jti)
            )
        }
    )
    database.close()
    missing = set(journal.events) - stored
    assert not missing, (SEED, missing)
    done = run("audit", "verify", cwd=folder)
    assert done.returncode == 0, (SEED, done.stdout, done.stderr)
