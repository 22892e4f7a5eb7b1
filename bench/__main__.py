"""`python -m bench`: measure, write the results down, show them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import (
    checking,
    cores,
    edge,
    growth,
    guarding,
    machine,
    pages,
    plans,
    report,
    scaling,
    signing_in,
    starting,
)
from bench.comparison import Settings
from bench.latencies import Latencies
from bench.minting import comparison, grants
from bench.pages.findings import Pages
from bench.plans.findings import Plans
from bench.problems import Unmeasurable
from bench.processes import ROOT
from bench.progress import Progress
from bench.report import Report

COMPARISONS = {
    "minting": comparison.run,
    "workers": scaling.workers,
    "grants": grants.run,
    "checking": checking.run,
    "checking-cached": checking.run_cached,
    "middleware": guarding.middleware,
    "forward-auth": guarding.forward_auth,
    "gate": guarding.gate,
    "edge": edge.edge,
}
"""Each a function of folder, cores, settings and progress."""
FIGURES = {"start": starting.start, "memory": starting.memory}
"""The same for what is no rate."""
LATENCIES = {"latency": signing_in.latency}
"""The same for how long something takes."""

NORMAL = Settings(rounds=9, seconds=3.0, warm_up=8.0)
QUICK = Settings(rounds=3, seconds=1.0, warm_up=4.0)
REPORT_WIDTH = 130
ROWS = 10_000_000
PAGES = "pages"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("speed", "growth", "plans", PAGES),
        default="speed",
        help="speed: minting, checking and guarding, against the floor and against peers, and "
        "pages (the default); growth: lookup, start and purging with a database that has grown; "
        "plans: whether a statement looks at a whole table when one after the other is full; "
        "pages: how long a person waits for each",
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=ROWS,
        metavar="N",
        help=f"growth: revoked tokens, and a tenth as many reference tokens; plans: rows of the "
        f"table that is full; default {ROWS:,}",
    )
    parser.add_argument(
        "--postgresql",
        action="store_true",
        help="growth, plans, pages: on PostgreSQL instead of SQLite",
    )
    for name in ("users", "applications", "audit-rows"):
        parser.add_argument(f"--{name}", type=int, metavar="N", help="pages: how many there are")
    parser.add_argument(
        "--tables", metavar="A,B", help="plans: only these are filled; default all that grow"
    )
    parser.add_argument("--quick", action="store_true", help="a short run, for a look")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"default {NORMAL.rounds}")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help=f"of one measurement, default {NORMAL.seconds}"
    )
    parser.add_argument(
        "--only", choices=sorted({*COMPARISONS, *FIGURES, *LATENCIES, PAGES}), help="one group"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "bench" / "results",
        metavar="PATH",
        help="folder or .json file for the results",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="print a results file and measure nothing"
    )
    return parser.parse_args()


def settings_of(given: argparse.Namespace) -> Settings:
    usual = QUICK if given.quick else NORMAL
    settings = Settings(
        rounds=usual.rounds if given.rounds is None else given.rounds,
        seconds=usual.seconds if given.seconds is None else given.seconds,
        warm_up=usual.warm_up,
    )
    if settings.rounds < 1 or settings.seconds <= 0:
        raise Unmeasurable("--rounds and --seconds must be positive")
    return settings


def measure(given: argparse.Namespace, progress: Progress) -> Report:
    settings, chosen = settings_of(given), cores.choose()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    os.sched_setaffinity(0, {chosen.load})  # this process only waits; the server's core is its own
    disk = machine.disk_folder()
    if disk is None:
        progress.say("Only memory to write to: commits cost nothing here, so mintgate looks fast.")
    with tempfile.TemporaryDirectory(prefix="mintgate-bench-", dir=disk) as name:
        folder = Path(name)
        return Report(
            started_at=started,
            revision=machine.revision(),
            settings=settings,
            cores=chosen,
            machine=machine.describe(folder),
            versions=machine.versions(),
            comparisons=[
                run(folder, chosen, settings, progress)
                for which, run in COMPARISONS.items()
                if given.what == "speed" and given.only in {None, which}
            ],
            figures=[
                measure(folder, chosen, settings, progress)
                for which, measure in FIGURES.items()
                if given.what == "speed" and given.only in {None, which}
            ],
            latencies=latencies_of(given, folder, chosen, settings, progress),
            plans=plans_of(given, folder, progress),
            pages=pages_of(given, folder, chosen, settings, progress),
        )


def latencies_of(
    given: argparse.Namespace,
    folder: Path,
    chosen: cores.Cores,
    settings: Settings,
    progress: Progress,
) -> list[Latencies]:
    if given.what != "growth":
        return [
            measure(folder, chosen, settings, progress)
            for which, measure in LATENCIES.items()
            if given.what == "speed" and given.only in {None, which}
        ]
    sizes = growth.Sizes.of(given.rows)
    return growth.run(folder, chosen, settings, sizes, progress, on_postgresql=given.postgresql)


def plans_of(given: argparse.Namespace, folder: Path, progress: Progress) -> list[Plans]:
    if given.what != "plans":
        return []
    sizes = plans.Sizes.of(given.rows, given.tables)
    return [plans.run(folder, sizes, progress, on_postgresql=given.postgresql)]


def pages_of(
    given: argparse.Namespace,
    folder: Path,
    chosen: cores.Cores,
    settings: Settings,
    progress: Progress,
) -> list[Pages]:
    if given.what != PAGES and not (given.what == "speed" and given.only in {None, PAGES}):
        return []
    sizes = pages.Sizes.of(given.users, given.applications, given.audit_rows, quick=given.quick)
    return [pages.run(folder, chosen, settings, sizes, progress, on_postgresql=given.postgresql)]


def main() -> None:
    given = arguments()
    # An ordinary end of the process unwinds, and unwinding stops the children.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if given.markdown is not None:
            print(report.markdown(report.load(given.markdown)), end="")
            return
        made = measure(given, Progress(Console(stderr=True)))
    except Unmeasurable as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    console = Console()
    # Into a file or a pipe the tables are as wide as they need.
    report.show(made, console if console.is_terminal else Console(width=REPORT_WIDTH))
    print(f"\nwritten to {made.save(given.out)}")


if __name__ == "__main__":
    main()
