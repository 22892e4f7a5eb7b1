"""Fill a database, sign in, and ask for every page again and again."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import engines
from bench.comparison import Settings
from bench.cores import Cores
from bench.growth.traffic import wait_until_ready
from bench.instance import Site
from bench.pages import person
from bench.pages.browser import Browser
from bench.pages.company import Company
from bench.pages.filling import filled
from bench.pages.findings import Asked, Pages
from bench.pages.person import Person
from bench.pages.sizes import Sizes
from bench.processes import Children
from bench.progress import Progress

TIMES = 5
"""Each page in each round."""


def run(
    folder: Path,
    cores: Cores,
    settings: Settings,
    sizes: Sizes,
    progress: Progress,
    *,
    on_postgresql: bool = False,
) -> Pages:
    """All of it happens in `folder`, which the caller removes.

    Raises:
        Unmeasurable: there is no PostgreSQL, or a page was not what it should be.
    """
    engine = engines.postgresql(folder) if on_postgresql else engines.sqlite()
    with engine as new_database:
        site, company = filled(folder / "pages", sizes, new_database, progress)
        asked, notes = measured(site, company, cores, settings.rounds, progress)
    name = "PostgreSQL" if on_postgresql else "SQLite"
    return Pages.of(f"Pages, with {sizes} ({name})", asked, excused=person.EXCUSED, notes=notes)


def measured(
    site: Site, company: Company, cores: Cores, rounds: int, progress: Progress
) -> tuple[dict[str, list[Asked]], dict[str, Any]]:
    """Every page some times in every round, each round beginning with another one."""
    found: dict[str, list[Asked]] = defaultdict(list)
    base_url = f"http://127.0.0.1:{site.port}"
    with (
        Children(site.folder) as children,
        Browser(base_url) as known,
        Browser(base_url) as unknown,
    ):
        server = site.serve(children, cores.server)
        wait_until_ready(server, site.port)
        visitor = Person(known, unknown, company, time.time())
        names = visitor.begin()
        for name in names:  # code that is loaded with its first use, and what is kept of it
            visitor.ask(name)
        progress.begin(rounds * len(names))
        for number in range(rounds):
            visitor.begin()  # for pages that ask for a sign-in of a moment ago
            shift = number * len(names) // rounds
            for name in [*names[shift:], *names[:shift]]:
                progress.step(f"pages, round {number + 1} of {rounds}: {name}")
                times = 1 if name in person.ONCE else TIMES
                found[name] += [visitor.ask(name) for _ in range(times)]
        progress.end()
    # In the order of the list, not of the last round.
    return {name: found[name] for name in names}, {"connections": 2}
