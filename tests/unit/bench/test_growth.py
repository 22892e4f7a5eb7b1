"""The growth benchmark against a small database, so that its code does not rot."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from bench.cores import Cores
from bench.growth import Sizes, lookup, purging, starting
from bench.growth.filling import fill
from bench.growth.rows import DAY, reference_rows, revoked_rows
from bench.growth.traffic import Stream, drive
from bench.instance import Site
from bench.latencies import Latencies, Round, rows
from bench.problems import Unmeasurable

from mintgate.store.tables import reference_tokens, revoked_tokens

TOKENS, REVOKED = 60, 800


def test_a_small_database_is_filled_and_measured(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    cores = Cores(server=core, load=core, are_siblings=False)
    site, now = Site(tmp_path / "site"), time.time()
    fill(site.url, reference_tokens, reference_rows(site.ids, TOKENS, now))
    fill(site.url, revoked_tokens, revoked_rows(site.ids, REVOKED, now - 9 * DAY, now - 8 * DAY))
    assert purging.rows_of(site) == REVOKED

    # Each token of the database is known to the server and alive, or this would raise.
    assert lookup.measure(site, TOKENS, 1, cores).count == TOKENS

    measured = purging.measure(site, 0.5, cores)
    assert measured.tokens.count > 0
    assert measured.checks.count > 0
    assert purging.rows_of(site) < REVOKED
    assert starting.measure(site, cores) > 0


def test_a_server_that_is_not_there_is_an_error() -> None:
    stream = Stream(name="lookup", requests=iter([b"GET / HTTP/1.1\r\n\r\n"]), must_hold=b"")
    with pytest.raises(OSError, match="refused"):
        drive(9, [stream], 1.0)


def test_ratios_are_taken_within_each_round() -> None:
    floor = [Round.of([1.0, 2.0]), Round.of([10.0, 20.0])]
    grown = [Round.of([2.0, 4.0]), Round.of([20.0, 80.0])]
    made = Latencies.of("x", "X", {"few": floor, "many": grown}, floor="few", notes={})
    assert made.cases["few"].p50_ratio is None
    assert made.cases["many"].p50_ratio == pytest.approx(2.0)
    assert made.cases["many"].p99_ratio == pytest.approx(3.0)
    first, second = rows(made)
    assert first[:2] == ("few (the floor)", "4")
    assert second[4] == "2.00 times"
    assert second[-1] == "80.00"


def test_too_few_rows_say_nothing() -> None:
    assert Sizes.of(10_000_000) == Sizes(few=1000, tokens=1_000_000, revoked=10_000_000)
    with pytest.raises(Unmeasurable):
        Sizes.of(10)
