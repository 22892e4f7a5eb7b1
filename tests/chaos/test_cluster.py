"""Three servers over PostgreSQL behind nginx, at work while one thing after another goes wrong.

`make test` has each fault happen once; `make chaos` goes on for CHAOS_SECONDS, with longer ones.
See docs/chaos.md. MINTGATE_CHAOS_SEED repeats a run's choices, MINTGATE_CHAOS_REPORT is where its
report goes.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from tests.chaos.cluster.callers import Run
from tests.chaos.cluster.checks import check_all
from tests.chaos.cluster.faults import FAULTS, LONGER_FAULTS, ROLLING_UPGRADE, strike
from tests.chaos.cluster.journal import Journal
from tests.chaos.cluster.load import Load
from tests.chaos.cluster.report import Report
from tests.chaos.cluster.restoring import back_up, check_restored, restore
from tests.chaos.cluster.watch import RevocationWatch, SlotWatch
from tests.chaos.cluster.world import Cluster

SECONDS = float(os.environ.get("MINTGATE_CHAOS_SECONDS", "0"))
SEED = int(os.environ.get("MINTGATE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
REPORT = os.environ.get("MINTGATE_CHAOS_REPORT")
ONLY = os.environ.get("MINTGATE_CHAOS_ONLY", "")
"""Part of a fault's name, to have that one alone."""
IS_LONG = SECONDS > 0
STALE = (0.0, 60.0) if IS_LONG else (0.0, 1.5)


def test_nothing_is_lost_whatever_goes_wrong(tmp_path: Path) -> None:
    """[TOP-13, TKN-47, LIF-14, REV-4, SES-11, SES-33]"""
    chance = random.Random(SEED)
    journal, report = Journal(), Report(SEED)
    print(f"seed {SEED}")  # noqa: T201 - repeats the run
    with Cluster(tmp_path, STALE) as cluster:
        run = Run(cluster, journal, report)
        load = Load(run, SEED, *((3, 2) if IS_LONG else (2, 1)))
        slots = SlotWatch(run)
        revocations = RevocationWatch(run, SEED)
        for worker in (load, slots, revocations):
            worker.start()
        try:
            backup = _strike_all(run, chance)
        finally:
            load.stop()
            slots.stop()
            revocations.stop()
        check_all(run, slots)
        restore(run, backup)
        check_restored(run)
        text = report.markdown(journal.totals)
        said = cluster.said() if journal.problems else ""
    print(text)  # noqa: T201 - for `make chaos`
    if REPORT:
        Path(REPORT).write_text(text)
    print(said)  # noqa: T201 - pytest shows the beginning and the end of long texts only
    assert not journal.problems, (SEED, journal.problems[:20])
    for what in (
        "codes",
        "rotations",
        "races",
        "sign-outs",
        "revoked access tokens",
        "revoked service tokens",
        "refusals of revoked tokens",
    ):
        assert journal.totals[what] > 0, (what, journal.totals)


def _strike_all(run: Run, chance: random.Random) -> Path:
    """One fault after the other in an order of chance, with a calm time between.

    Returns:
        A backup of the beginning: most of what was done is missing in it.
    """
    time.sleep(1.0)
    backup = back_up(run)
    end = time.monotonic() + SECONDS
    while True:
        faults = [*FAULTS, ROLLING_UPGRADE, *(LONGER_FAULTS if IS_LONG else ())]
        faults = [fault for fault in faults if ONLY in fault.name]
        chance.shuffle(faults)
        for fault in faults:
            strike(run, fault, chance, is_long=IS_LONG)
            time.sleep(chance.uniform(1.0, 4.0) if IS_LONG else 0.2)
            if run.journal.problems or (IS_LONG and time.monotonic() > end):
                return backup
        if time.monotonic() >= end:
            return backup
