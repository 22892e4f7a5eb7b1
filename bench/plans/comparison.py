"""Record what the server asks, then show it to the planner of a database that has grown."""

from __future__ import annotations

from pathlib import Path

from bench import engines
from bench.plans import flows
from bench.plans.filling import fill
from bench.plans.findings import OfTable, Plans
from bench.plans.place import Place
from bench.plans.sizes import RECORDED, Sizes
from bench.plans.turns import Turns
from bench.progress import Progress
from mintgate.store import Database


def run(folder: Path, sizes: Sizes, progress: Progress, *, on_postgresql: bool = False) -> Plans:
    """All of it happens in `folder`, which the caller removes.

    Raises:
        Unmeasurable: there is no PostgreSQL, or a request was answered otherwise than it should.
    """
    engine = engines.postgresql(folder) if on_postgresql else engines.sqlite()
    with engine as new_database:
        url = new_database() or f"sqlite:///{folder / 'plans.db'}"
        progress.say("plans: recording what requests and housekeeping ask of the database")
        place = Place(url, lambda database, instance: fill(database, instance, RECORDED))
        with place:
            flows.run(place)
        progress.say(f"plans: {len(place.statements)} statements")
        database = Database(url)
        turns = Turns(database, place.instance_id, place.statements, sizes, folder, progress)
        try:
            found = list(turns.run())
        finally:
            database.close()
    return Plans.of(
        "PostgreSQL" if on_postgresql else "SQLite",
        [one for one in found if isinstance(one, OfTable)],
        rows=sizes.rows,
        others=sizes.others,
        recorded=len(place.statements),
        left_out=dict(one for one in found if not isinstance(one, OfTable)),
    )
