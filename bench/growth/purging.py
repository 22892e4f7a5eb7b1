"""Tokens issued and tokens checked, while the server removes what has ended and while not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from statistics import median

import msgspec
from sqlalchemy import func, select

from bench.cores import Cores
from bench.growth.traffic import Stream, ask_once, drive, wait_until_ready
from bench.instance import Site
from bench.latencies import Round
from bench.processes import Children
from mintgate.store import Database
from mintgate.store.tables import revoked_tokens

TOKENS, CHECKS = "token requests", "token checks"
WARM_UP = 1.0
CONNECTIONS = 8
TOKEN_SECONDS, CHECK_SECONDS = 0.08, 0.04
"""Between two requests of a connection: 100 tokens and 200 checks a second leave the core room to
spare, so that a request waits for the database and not for the load."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows went in the `seconds` for which the server ran."""

    rows: int
    seconds: float


class Measured(Removed, frozen=True, kw_only=True):
    """One measurement."""

    tokens: Round
    checks: Round


def measure(site: Site, seconds: float, cores: Cores) -> Measured:
    """Start a server, which begins to purge at once, and load it for so many seconds."""
    before = rows_of(site)
    with Children(site.folder) as children:
        server = site.serve(children, cores.server)
        wait_until_ready(server, site.port)
        began = time.perf_counter()
        token = msgspec.json.decode(ask_once(site.port, site.token_request()))["access_token"]
        drive(site.port, _streams(site, token), WARM_UP)
        found = drive(site.port, _streams(site, token), seconds)
        ran = time.perf_counter() - began
    return Measured(
        rows=before - rows_of(site),
        seconds=ran,
        tokens=Round.of(found[TOKENS]),
        checks=Round.of(found[CHECKS]),
    )


def measure_idle(site: Site, seconds: float, cores: Cores) -> Removed:
    """The same without load."""
    before = rows_of(site)
    with Children(site.folder) as children:
        server = site.serve(children, cores.server)
        wait_until_ready(server, site.port)
        began = time.perf_counter()
        time.sleep(seconds)
        ran = time.perf_counter() - began
    return Removed(rows=before - rows_of(site), seconds=ran)


def rows_of(site: Site) -> int:
    """The revoked tokens that are there."""
    database = Database(site.url)
    try:
        with database.engine.connect() as connection:
            return int(
                connection.execute(select(func.count()).select_from(revoked_tokens)).scalar_one()
            )
    finally:
        database.close()


def rate_text(parts: Sequence[Removed]) -> str:
    """Rows a second, and for how long ten million of them would be removed."""
    rates = [part.rows / part.seconds for part in parts]
    rate = median(rates)
    if rate <= 0:
        return "0"
    spread = f" ({min(rates):,.0f} to {max(rates):,.0f})" if len(rates) > 1 else ""
    return f"{rate:,.0f}{spread}; at this rate 10,000,000 take {1e7 / rate / 3600:.1f} hours"


def _streams(site: Site, token: str) -> list[Stream]:
    """Client credentials, each of which commits an audit row; and introspection of a JWT."""
    return [
        Stream(
            name=TOKENS,
            requests=itertools.repeat(site.token_request()),
            must_hold=b'"access_token"',
            connections=CONNECTIONS,
            every=TOKEN_SECONDS,
        ),
        Stream(
            name=CHECKS,
            requests=itertools.repeat(site.introspection(token)),
            must_hold=b'"active":true',
            connections=CONNECTIONS,
            every=CHECK_SECONDS,
        ),
    ]
