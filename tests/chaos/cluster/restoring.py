"""A backup taken while everybody is at work, and its restore: nothing that ended lives again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.chaos.cluster.callers import CUSTOMERS, Caller, Run, bearer, is_no_slot
from tests.chaos.cluster.checks import refresh_status, require_whole_audit
from tests.chaos.cluster.people import Person

SAMPLE = 20


def back_up(run: Run) -> Path:
    """Write the backup while servers run; gives its file."""
    file = run.cluster.folder / "backup"
    _command(run, "backup", str(file))
    run.journal.count("backups under load")
    return file


def restore(run: Run, file: Path) -> None:
    """As after the loss of the database: an empty one is filled, and servers start on it."""
    cluster = run.cluster
    for node in cluster.nodes:
        node.stop()
    cluster.postgresql.make_empty()
    _command(
        run,
        "restore",
        str(file),
        "--revoke-reference-tokens",
        "--key-file",
        str(cluster.key_file),
    )
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_ready()


def check_restored(run: Run) -> None:
    """Every token of before is refused by everybody, and people can sign in again."""
    journal = run.journal
    processes = [*run.cluster.nodes, *run.cluster.adapters]
    before = [ended.token for ended in journal.ended][-SAMPLE:] + journal.alive[-SAMPLE:]
    for process in processes:
        with closing(Caller(run, process.name, process.port)) as caller:
            for token in before:
                answer = caller.ask("restored", "GET", CUSTOMERS, (401,), headers=bearer(token))
                if answer.is_success or is_no_slot(answer):
                    journal.problem(f"{process.name} accepts a token of before the restore")
    with closing(Caller(run, "nginx")) as front:
        used = [value for value, count in journal.uses.items() if count]
        for token in [*used[-SAMPLE:], *journal.dead[-SAMPLE:], *journal.refreshable[-SAMPLE:]]:
            if (status := refresh_status(front, token)) != 400:
                journal.problem(f"{status} for a refresh token of before the restore")
        front.http.cookies.clear()
        Person.sign_in_once(run, front)
    require_whole_audit(run)


def _command(run: Run, *words: str) -> None:
    done = run.cluster.command("db", *words)
    assert done.returncode == 0, (done.stdout, done.stderr)
