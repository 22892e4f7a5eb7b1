"""Looking up a reference token that the server has not seen, among few and among many."""

from __future__ import annotations

import random

from bench.cores import Cores
from bench.growth.rows import reference_token
from bench.growth.traffic import Stream, drive, wait_until_ready
from bench.instance import Site
from bench.latencies import Round
from bench.processes import Children

ASKED = 1000
"""Different tokens of one measurement: no answer can come from a copy."""
WARM_UP = 300
SECONDS = 120.0


def measure(site: Site, tokens: int, round_number: int, cores: Cores) -> Round:
    """Start a server that knows nothing yet, and have an API ask for one token after the other.

    Args:
        tokens: how many there are in the database; all are alive.
    """
    chance = random.Random(round_number)  # noqa: S311 - others in each round
    numbers = chance.sample(range(tokens), min(ASKED, tokens))
    with Children(site.folder) as children:
        server = site.serve(children, cores.server)
        wait_until_ready(server, site.port)
        # Code paths and the connection get warm with tokens that do not exist.
        _ask(site, [reference_token(-1 - number) for number in range(WARM_UP)], b'"active":false')
        latencies = _ask(site, [reference_token(number) for number in numbers], b'"active":true')
    return Round.of(latencies)


def _ask(site: Site, tokens: list[str], must_hold: bytes) -> list[float]:
    requests = [site.introspection(token) for token in tokens]
    stream = Stream(name="lookup", requests=iter(requests), must_hold=must_hold)
    return drive(site.port, [stream], SECONDS)["lookup"]
