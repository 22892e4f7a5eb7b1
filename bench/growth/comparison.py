"""Lookup, start and purging, each against a database that has not grown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bench import engines
from bench.comparison import Settings
from bench.cores import Cores
from bench.growth import lookup, purging, starting
from bench.growth.cases import Cases, build
from bench.growth.sizes import Sizes
from bench.latencies import Latencies, Round
from bench.progress import Progress

M = TypeVar("M")
LONGER = 4.0
"""A measurement beside purging lasts so many times longer: a stall is a rare thing."""


def run(
    folder: Path,
    cores: Cores,
    settings: Settings,
    sizes: Sizes,
    progress: Progress,
    *,
    on_postgresql: bool = False,
) -> list[Latencies]:
    """Fill the databases, then measure in turns."""
    engine = engines.postgresql(folder) if on_postgresql else engines.sqlite()
    name = "PostgreSQL" if on_postgresql else "SQLite"
    with engine as new_database:
        cases = build(folder, sizes, new_database, progress)
        return [
            _lookup(cases, sizes, settings, cores, progress, name),
            _start(cases, sizes, settings, cores, progress, name),
            *_purge(cases, sizes, settings, cores, progress, name),
        ]


def _lookup(
    cases: Cases, sizes: Sizes, settings: Settings, cores: Cores, progress: Progress, engine: str
) -> Latencies:
    counts = {_tokens(sizes.few): sizes.few, _tokens(sizes.tokens): sizes.tokens}
    sites = dict(zip(counts, (cases.few, cases.many), strict=True))
    measured = _in_turns(
        "lookup",
        sites,
        lambda case, number: lookup.measure(sites[case], counts[case], number, cores),
        settings.rounds,
        progress,
    )
    return Latencies.of(
        "lookup",
        f"A reference token that the server has not seen, introspected ({engine})",
        measured,
        floor=_tokens(sizes.few),
        notes={"connections": 1},
    )


def _start(
    cases: Cases, sizes: Sizes, settings: Settings, cores: Cores, progress: Progress, engine: str
) -> Latencies:
    floor = "none revoked"
    sites = {
        floor: cases.empty,
        f"{sizes.revoked:,} that ended less than a day ago (kept)": cases.kept,
        f"{sizes.revoked:,} that ended longer ago (being removed)": cases.removable,
    }
    measured = _in_turns(
        "start",
        sites,
        lambda case, _: Round.of([starting.measure(sites[case], cores)]),
        settings.rounds,
        progress,
    )
    return Latencies.of(
        "start",
        f"From the start of the process to ready ({engine})",
        measured,
        floor=floor,
        notes={},
    )


def _purge(
    cases: Cases, sizes: Sizes, settings: Settings, cores: Cores, progress: Progress, engine: str
) -> list[Latencies]:
    floor, kept = "nothing to remove", f"{sizes.revoked:,} rows that are kept"
    grown = f"{sizes.revoked:,} rows being removed"
    sites = {floor: cases.empty, kept: cases.kept, grown: cases.removable}
    seconds = settings.seconds * LONGER
    measured = _in_turns(
        "purging",
        sites,
        lambda case, _: purging.measure(sites[case], seconds, cores),
        settings.rounds,
        progress,
    )
    idle = purging.measure_idle(cases.removable, seconds, cores)
    notes = {
        "rows removed a second under this load": purging.rate_text(measured[grown]),
        "rows removed a second without load": purging.rate_text([idle]),
        "rows left at the end": f"{purging.rows_of(cases.removable):,}",
    }
    kinds: dict[str, Callable[[purging.Measured], Round]] = {
        purging.TOKENS: lambda one: one.tokens,
        purging.CHECKS: lambda one: one.checks,
    }
    titles = {
        purging.TOKENS: f"A token by client credentials, 100 a second ({engine})",
        purging.CHECKS: f"A token introspected, 200 a second beside them ({engine})",
    }
    return [
        Latencies.of(
            kind.replace(" ", "_"),
            titles[kind],
            {case: [part(one) for one in rounds] for case, rounds in measured.items()},
            floor=floor,
            notes=notes if kind == purging.TOKENS else {},
        )
        for kind, part in kinds.items()
    ]


def _in_turns(
    what: str,
    cases: Mapping[str, object],
    measure: Callable[[str, int], M],
    rounds: int,
    progress: Progress,
) -> dict[str, list[M]]:
    """Every case in every round, each time in another order."""
    names = list(cases)
    measured: dict[str, list[M]] = {name: [] for name in names}
    progress.begin(rounds * len(names))
    for number in range(rounds):
        shift = number % len(names)
        turn = [*names[shift:], *names[:shift]]
        for name in turn if number % 2 == 0 else turn[::-1]:
            progress.step(f"{what}, round {number + 1} of {rounds}: {name}")
            os.sync()  # what the case before has left to be written is not this one's burden
            measured[name].append(measure(name, number))
    progress.end()
    return measured


def _tokens(count: int) -> str:
    return f"{count:,} tokens"
