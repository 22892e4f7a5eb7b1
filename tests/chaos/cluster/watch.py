"""Those who look all the time: at revoked tokens, and at sessions and slots."""

from __future__ import annotations

import random
import threading
from contextlib import closing

from sqlalchemy import select

from mintgate.store import DatabaseUnavailable, erp_session_ends, licence_pools
from mintgate.store.tables import erp_sessions
from tests.chaos.cluster.callers import (
    CUSTOMERS,
    Caller,
    Run,
    Unanswered,
    bearer,
    is_no_slot,
)
from tests.chaos.cluster.journal import Ended
from tests.chaos.cluster.world import LICENCES, Adapter, Node

AT_ONCE = 1.0
"""[TOP-13] Seconds from the commit of a revocation until everybody who can know it does."""
A_BIT = 0.02


class Verifier:
    """One process that checks tokens: a server, or an API that follows the feed."""

    def __init__(self, run: Run, process: Node | Adapter) -> None:
        self._run = run
        self._process = process
        self._caller = Caller(run, process.name, process.port)

    def check(self, ended: Ended) -> None:
        """Ask with a token that was revoked at least a second ago; note if it is accepted."""
        report = self._run.report
        asked = report.now
        is_cut_off = isinstance(self._process, Node) and self._process.is_cut_off
        try:
            answer = self._caller.ask(
                "revoked", "GET", CUSTOMERS, (401,), headers=bearer(ended.token)
            )
        except Unanswered:
            return
        if not (answer.is_success or is_no_slot(answer)):
            self._run.journal.count("refusals of revoked tokens")
            return
        is_cut_off = is_cut_off or answer.headers.get("x-follows") == "0"
        late = asked - ended.at - AT_ONCE - (self._process.stale if is_cut_off else 0.0)
        if late > 0:
            self._run.journal.problem(
                f"{self._caller.name} accepts a token {asked - ended.at:.2f} s after it was "
                f"revoked, at {asked:.1f} s of the run"
            )

    def close(self) -> None:
        self._caller.close()


class RevocationWatch:
    """A thread for each verifier: every revoked token after a second, and again at random."""

    def __init__(self, run: Run, seed: int) -> None:
        self._run = run
        self._stopping = threading.Event()
        cluster = run.cluster
        self._verifiers = [Verifier(run, one) for one in (*cluster.nodes, *cluster.adapters)]
        self._threads = [
            threading.Thread(target=self._work, args=(verifier, random.Random(f"{seed}/{number}")))
            for number, verifier in enumerate(self._verifiers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, and ask once more about every token."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
        last = [threading.Thread(target=self._ask_all, args=(v,)) for v in self._verifiers]
        for thread in last:
            thread.start()
        for thread in last:
            thread.join(300)

    def _work(self, verifier: Verifier, chance: random.Random) -> None:
        ended = self._run.journal.ended
        seen = 0
        while not self._stopping.is_set():
            if seen < len(ended):
                wait = ended[seen].at + AT_ONCE + A_BIT - self._run.report.now
                if wait > 0:
                    self._stopping.wait(min(wait, 0.1))
                    continue
                verifier.check(ended[seen])
                seen += 1
            else:
                if ended:
                    verifier.check(chance.choice(ended[-50:]))
                self._stopping.wait(0.5)

    def _ask_all(self, verifier: Verifier) -> None:
        with closing(verifier):
            for ended in self._run.journal.ended:
                verifier.check(ended)


class SlotWatch:
    """The administrator: counts slots, closes what was left, looks for sessions that were lost."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def look(self) -> None:
        """Once; nothing while the database is away."""
        try:
            self._look()
        except DatabaseUnavailable:
            self._run.journal.count("looks while PostgreSQL was away")

    def stored(self) -> set[str]:
        return set(
            self._run.cluster.database.read_now(
                lambda c: c.execute(select(erp_sessions.c.key)).scalars().all()
            )
        )

    def in_use(self) -> int:
        """Slots by the true time."""
        cluster = self._run.cluster
        now = cluster.database.clock()
        return cluster.database.read_now(
            lambda c: licence_pools.counts(c, cluster.instance_id, now).in_use
        )

    def _work(self) -> None:
        while not self._stopping.wait(0.3):
            self.look()

    def _look(self) -> None:
        journal = self._run.journal
        in_use = self.in_use()
        if in_use > LICENCES:
            journal.problem(f"{in_use} slots of {LICENCES} are in use")
        with journal.lock:
            before = set(journal.open)
        stored = self.stored()
        with journal.lock:
            lost = before & journal.open - stored
            unknown = stored - journal.open - journal.perhaps - journal.over
            over = stored & journal.over
        if lost or unknown:
            journal.problem(f"sessions lost: {lost}, opened by nobody: {unknown}")
        for key in over:
            with self._run.cluster.database.begin() as tx:
                erp_session_ends.close(tx, self._run.cluster.instance_id, key, "chaos")
            journal.count("sessions closed by the administrator")
