"""No request waits for a look at a whole table, however many rows there are.

With 200,000 rows in every table that grows, on both engines: every statement that the flows of
`bench.plans` had the server run is shown to the planner.
"""

from __future__ import annotations

import os

from bench.plans import flows
from bench.plans.filling import fill
from bench.plans.place import Place
from bench.plans.planner import can_be_explained, scan_in

ROWS = int(os.environ.get("MINTGATE_SCAN_ROWS", "200000"))


def test_no_request_looks_at_a_whole_table(database_url: str) -> None:
    with Place(database_url, lambda database, instance: fill(database, instance, ROWS)) as place:
        flows.run(place)
        with place.database.engine.connect() as connection:
            scans = {
                statement: plan
                for statement, parameters in list(place.statements.items())
                if can_be_explained(statement)
                and (plan := scan_in(connection, statement, parameters)) is not None
            }
    assert len(place.statements) > 60
    assert not scans, "\n\n".join(f"{plan}\n{statement}" for statement, plan in scans.items())
