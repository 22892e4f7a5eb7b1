"""The latency of service tokens, quiet and while argon2 has all the work that it can do."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.comparison import Settings
from bench.cores import Cores
from bench.growth.traffic import Stream, drive, wait_until_ready
from bench.instance import Site
from bench.latencies import Latencies, RatioBound, Round
from bench.load import cpu_seconds
from bench.populated import populated
from bench.problems import Unmeasurable
from bench.processes import Child, Children
from bench.progress import Progress
from bench.signing_in.people import REDIRECT, WEB_CLIENT, Crowd

PEOPLE = 5_000
AT_ONCE = 16
"""More than are hashed at a time, fewer than may wait."""
PASSWORD = "Nobody-Signs-In-With-This-1"
CONNECTIONS, TOKEN_SECONDS = 8, 0.08
"""100 tokens a second: a request is late because of its neighbours, not because of its number."""
LONGER = 4.0
"""A p99 needs some hundreds of answers in each round."""
LEAD_IN = 1.5
QUIET, BUSY = "quiet", "while people sign in"
MOST_TIMES = 3.0
DECLARED = f"""
[[applications]]
ApplicationUri = "{WEB_CLIENT}"
Name = "Web"
ClientType = "Public"
ImpersonateAsInternalUserAllowed = true
ImpersonateLoginUrl = "{REDIRECT}"
Scope = "openid profile read"
"""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. Args: cpu: share of its core that the server used."""

    tokens: Round
    sign_ins: float
    cpu: float


def latency(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Latencies:
    """Tokens asked for at a fixed rate; each waits from the moment when it was due."""
    progress.say("latency: starting the server")
    site = populated(folder / "latency", PEOPLE, 0, more=DECLARED)
    seconds = settings.seconds * LONGER
    found: dict[str, list[Measured]] = {QUIET: [], BUSY: []}
    with Children(site.folder) as children:
        server = site.serve(children, cores.server)
        people = children.worker("people", cores.load, "bench.signing_in.people")
        wait_until_ready(server, site.port)
        for case in found:
            measure(site, server, people, case, seconds=2.0)
        progress.begin(settings.rounds * len(found))
        for number in range(settings.rounds):
            for case in list(found)[:: 1 if number % 2 == 0 else -1]:
                progress.step(f"latency, round {number + 1} of {settings.rounds}: {case}")
                found[case].append(measure(site, server, people, case, seconds))
        progress.end()
    busy = found[BUSY]
    return Latencies.of(
        "latency",
        "A token by client credentials, 100 a second, while people sign in (SQLite)",
        {case: [one.tokens for one in rounds] for case, rounds in found.items()},
        floor=QUIET,
        bounds=[
            RatioBound(
                text="p99 of service tokens beside sign-ins at most three times the quiet one",
                case=BUSY,
                limit=MOST_TIMES,
            )
        ],
        notes={
            "connections": CONNECTIONS,
            "people at once": AT_ONCE,
            "sign-ins a second": f"{median(one.sign_ins for one in busy):.1f}",
            "the server's core": ", ".join(
                f"{median(one.cpu for one in rounds):.0%} used {case}"
                for case, rounds in found.items()
            ),
        },
    )


def measure(
    site: Site,
    server: Child,
    people: Child,
    case: str,
    seconds: float,
    number_of_people: int = PEOPLE,
) -> Measured:
    request = site.token_request()
    stream = Stream(
        name="tokens",
        requests=itertools.repeat(request),
        must_hold=b'"access_token"',
        connections=CONNECTIONS,
        every=TOKEN_SECONDS,
    )
    with _crowd(site, people, seconds if case == BUSY else 0.0, number_of_people) as signed_in:
        began, used = time.perf_counter(), cpu_seconds(server.pid)
        latencies = drive(site.port, [stream], seconds)["tokens"]
        used, ran = cpu_seconds(server.pid) - used, time.perf_counter() - began
    return Measured(
        tokens=Round.of(latencies), sign_ins=signed_in[0] if signed_in else 0.0, cpu=used / ran
    )


@contextmanager
def _crowd(
    site: Site, people: Child, seconds: float, number_of_people: int
) -> Iterator[list[float]]:
    """People who have begun before and end after; their number a second when it is over."""
    rate: list[float] = []
    if not seconds:
        yield rate
        return
    lasts = seconds + 2 * LEAD_IN
    crowd = Crowd(
        base_url=f"http://127.0.0.1:{site.port}",
        logins=[f"person.{number}" for number in range(number_of_people)],
        password=PASSWORD,
        at_once=AT_ONCE,
        seconds=lasts,
    )
    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(people.ask, crowd)
        time.sleep(LEAD_IN)
        yield rate
        count = answer.result()["signed_in"]
    if not count:
        raise Unmeasurable("nobody signed in")
    rate.append(count / lasts)
