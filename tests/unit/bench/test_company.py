"""Start, memory and sign-ins are measured with a small company, so that the code does not rot."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from bench import openssl_speed, python_peers
from bench.cores import Cores
from bench.edge.servers import program
from bench.figures import Bound, Figures, remarks, rows, verdict
from bench.latencies import Latencies, RatioBound, Round
from bench.load import family
from bench.populated import populated
from bench.problems import PeerUnavailable
from bench.processes import Children
from bench.signing_in.comparison import BUSY, DECLARED, measure
from bench.starting.measured import CPU, PSS, RSS, WALL, first_token, memory
from bench.starting.servers import of_company

from mintgate.store import Database, users

PEOPLE = 30


def test_a_company_is_started_weighed_and_signed_in_to(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    cores = Cores(server=core, load=core, are_siblings=False)
    site = populated(tmp_path / "company", PEOPLE, 5, more=DECLARED)
    database = Database(site.url)
    logins = {
        user.login for user in database.read_now(lambda c: users.all_of(c, site.ids.instance))
    }
    database.close()
    assert len(logins) == PEOPLE + 2

    server = of_company(site, core)
    with Children(site.folder) as children:
        child = server.serve(children)
        found = first_token(child, server.port, server.request, time.perf_counter())
        assert found[CPU] > 0
        assert found[WALL] > 0
        weight = memory(child.pid)
        assert 0 < weight[PSS] <= weight[RSS]

        people = children.worker("people", cores.load, "bench.signing_in.people")
        measured = measure(site, child, people, BUSY, 0.5, number_of_people=PEOPLE)
        assert measured.sign_ins > 0
        assert measured.tokens.count > 0
    assert os.getpid() in family(os.getpid())


def figures(*values: float) -> Figures:
    return Figures.of(
        "start",
        "Start",
        "s",
        {"mintgate": [{"CPU": value} for value in values]},
        bounds=[Bound(text="under a second", of="mintgate", what="CPU", limit=1.0)],
        left_out={"node": "not installed"},
        versions={},
        notes={},
    )


def test_a_bound_holds_for_the_median() -> None:
    group = figures(0.5, 9.0, 0.6)
    assert next(remarks(group)).startswith("met")
    assert next(rows(group)) == ("mintgate", "CPU", "0.60 s", "0.50 to 9.00")


def test_a_bound_that_is_broken_or_has_no_figure_says_so() -> None:
    assert verdict(figures(1.2).bounds[0], "s").startswith("NOT MET")
    assert verdict(Bound(text="x", of="nobody", what="CPU", limit=1.0), "s") == "not measured: x"
    assert "left out: node: not installed" in list(remarks(figures(1.0)))


@pytest.mark.parametrize(("p99", "said"), [(29.0, "met"), (31.0, "NOT MET")])
def test_a_latency_may_be_so_many_times_the_quiet_one(p99: float, said: str) -> None:
    made = Latencies.of(
        "latency",
        "Latency",
        {"quiet": [Round.of([10.0])], "busy": [Round.of([p99])]},
        floor="quiet",
        notes={},
        bounds=[RatioBound(text="three times", case="busy", limit=3.0)],
    )
    assert made.bounds[0].verdict().startswith(said)


def test_openssl_tells_seconds_or_a_number() -> None:
    assert openssl_speed.rate_in("+F2:2:2048:2020.0:41114.2\n") == pytest.approx(2020)
    assert openssl_speed.rate_in("+F2:2:2048:0.0005:0.00002\n") == pytest.approx(2000)
    with pytest.raises(PeerUnavailable):
        openssl_speed.rate_in("nothing")


def test_what_is_not_installed_is_left_out_with_a_reason() -> None:
    with pytest.raises(PeerUnavailable, match="make edge"):
        program("a-server-that-nobody-has")
    with pytest.raises(PeerUnavailable):
        python_peers._run(["false"])


def test_the_lock_file_of_the_peers_names_every_hash() -> None:
    text = (python_peers.FOLDER / "requirements.txt").read_text()
    for peer in python_peers.PEERS:
        assert f"\n{peer.package}==" in text
    assert text.count("--hash=sha256:") > text.count("==")
