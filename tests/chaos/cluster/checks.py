"""What must be true at the end, when every fault is over and nobody is at work."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from sqlalchemy import select

from mintgate.store import erp_session_ends
from mintgate.store.tables import audit_events
from tests.chaos.cluster.callers import CUSTOMERS, Caller, Run, bearer, is_no_slot
from tests.chaos.cluster.people import AUTH
from tests.chaos.cluster.watch import SlotWatch
from tests.chaos.cluster.world import LICENCES
from tests.world import REDIRECT, SECRET, STOCK

SAMPLE = 40
TOKEN = "/id/connect/token"
DUE = (200, 400)


def check_all(run: Run, slots: SlotWatch) -> None:
    """Hold what was acknowledged against what is stored; problems go into the journal."""
    journal = run.journal
    with closing(Caller(run, "nginx")) as front:
        _check_grants(run, front)
        _check_single_use(run, front)
        _check_alive(run, front)
        _check_slots(run, front, slots)
    _check_audit(run)
    with journal.lock:
        repeated = [value for value, count in journal.uses.items() if count > 1]
    if repeated:
        journal.problem(f"{len(repeated)} codes or refresh tokens were used twice")


def refresh_status(front: Caller, token: str) -> int:
    """What the token endpoint answers to a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return front.ask("refresh", "POST", TOKEN, DUE, data=form, auth=AUTH).status_code


def _redeem(front: Caller, code: str) -> int:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    form["code_verifier"] = "x" * 43
    return front.ask("code", "POST", TOKEN, DUE, data=form, auth=AUTH).status_code


def _check_grants(run: Run, front: Caller) -> None:
    journal = run.journal
    for token in journal.dead:
        if (status := refresh_status(front, token)) != 400:
            journal.problem(f"{status} for a refresh token of a grant that was ended")
    for token in journal.refreshable:
        if (status := refresh_status(front, token)) != 200:
            journal.problem(f"{status} for the last refresh token of a grant: a rotation was lost")
        else:
            journal.used(token, "rotations")
            journal.count("grants that went on at the end")


def _check_single_use(run: Run, front: Caller) -> None:
    """What was used is used. Replays end grants, so they come after what must go on."""
    journal = run.journal
    with journal.lock:
        used = [value for value, count in journal.uses.items() if count]
        doubtful = [value for value in journal.tried if not journal.uses[value]]
    for value in used[-SAMPLE:] + used[:SAMPLE]:
        if 200 in (refresh_status(front, value), _redeem(front, value)):
            journal.problem("a code or refresh token that was used is taken again")
    for value in doubtful:
        # It was sent and never answered: used or not, but never twice.
        if [refresh_status(front, value), refresh_status(front, value)].count(200) > 1:
            journal.problem("a refresh token is taken twice")
    journal.totals["codes and refresh tokens whose answer was lost"] = len(doubtful)


def _check_alive(run: Run, front: Caller) -> None:
    for token in run.journal.alive[-SAMPLE:]:
        answer = front.ask("call", "GET", CUSTOMERS, headers=bearer(token))
        if not (answer.is_success or is_no_slot(answer)):
            run.journal.problem(f"{answer.status_code} for a token that nobody has ended")


def _check_slots(run: Run, front: Caller, slots: SlotWatch) -> None:
    """Nobody is in session any more; and then exactly as many as there are licences can be."""
    journal = run.journal
    with run.cluster.database.begin() as tx:
        erp_session_ends.close_all(tx, run.cluster.instance_id, "chaos")
    time.sleep(1.0)  # until every server knows [TOP-13]
    if left := slots.in_use():
        journal.problem(f"{left} slots are in use, and nobody is in session")
    tokens = []
    for _ in range(LICENCES + 3):
        answer = front.ask(
            "service token",
            "POST",
            "/id/connect/token",
            data={"grant_type": "client_credentials"},
            auth=(STOCK, SECRET),
        )
        tokens.append(answer.json()["access_token"])

    def call(token: str) -> bool:
        return front.ask("call", "GET", CUSTOMERS, headers=bearer(token)).is_success

    with ThreadPoolExecutor(len(tokens)) as pool:
        opened = sum(pool.map(call, tokens))
    if not opened == slots.in_use() == LICENCES:
        journal.problem(f"{opened} of {LICENCES} sessions opened, {slots.in_use()} slots in use")


def _check_audit(run: Run) -> None:
    cluster, journal = run.cluster, run.journal
    stored = cluster.database.read_now(
        lambda c: {
            (row.event, row.jti)
            for row in c.execute(select(audit_events.c.event, audit_events.c.jti))
        }
    )
    if missing := set(journal.events) - stored:
        journal.problem(f"{len(missing)} acknowledged events are not in the audit log: {missing}")
    require_whole_audit(run)


def require_whole_audit(run: Run) -> None:
    """`mintgate audit verify` finds every chain whole."""
    cluster = run.cluster
    done = cluster.command("audit", "verify", "--key-file", str(cluster.key_file))
    if done.returncode != 0:
        run.journal.problem(f"the audit log does not hold: {done.stdout} {done.stderr}")
