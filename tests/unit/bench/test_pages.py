"""The benchmark of pages with a small company, so that its code does not rot."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from bench import pages
from bench.comparison import Settings
from bench.cores import Cores
from bench.pages import findings, happenings, person
from bench.pages.browser import Visit
from bench.pages.company import Company, Program
from bench.pages.company import Person as Employee
from bench.pages.findings import Asked, Pages
from bench.pages.sizes import Sizes
from bench.problems import Unmeasurable
from bench.progress import Progress
from rich.console import Console

from mintgate.store.audit.chain import genesis, row_hash
from mintgate.store.audit.rows import COLUMNS, HASHED

SMALL = Sizes(users=120, applications=60, audit_rows=4_000)
NOW = 1_780_000_000.0
COMPANY = Company(
    instance_id="00000000-0000-0000-0000-000000000001",
    people=[Employee(f"id-{number}", f"somebody.{number}") for number in range(50)],
    programs=[Program(f"app-{number}", f"company.example/{number}") for number in range(20)],
)


def test_every_page_is_asked_for(tmp_path: Path) -> None:
    """Each is what it should be, or this would raise."""
    core = min(os.sched_getaffinity(0))
    cores = Cores(server=core, load=core, are_siblings=False)
    settings = Settings(rounds=2, seconds=1.0, warm_up=0.0)
    progress = Progress(Console(file=io.StringIO()))
    made = pages.run(tmp_path, cores, settings, SMALL, progress)
    assert len(made.pages) > 70
    assert {one.name for one in made.pages} > {"users", "dashboard, a month", person.CSV}
    assert all(one.p50_ms > 0 and one.times >= 2 for one in made.pages)
    with_assets = [one for one in made.pages if not one.name.startswith("audit log as")]
    assert all(one.first_visit_bytes > one.page_bytes > 1000 for one in with_assets)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Pages) == made


def test_the_log_is_spread_as_work_is() -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in happenings.rows(COMPANY, 5_000, NOW)]
    assert len(rows) == 5_000
    assert min(row["at"] for row in rows) > NOW - 181 * 86_400
    assert max(row["at"] for row in rows) < NOW
    kinds = Counter(row["event"] for row in rows)
    assert set(kinds) == {kind.event for kind in happenings.KINDS}
    assert kinds["token.issued"] > 50 * kinds["application.changed"]
    assert len({row["actor_id"] for row in rows}) > 40
    uses = Counter(row["application"] for row in rows)
    assert uses["company.example/0"] > 3 * uses["company.example/19"] > 0


def test_the_log_is_chained_as_the_server_would_have_done_it() -> None:
    """What the pages read is no other table than in the field, and `audit verify` accepts it."""
    ends: dict[str, tuple[int, bytes]] = {}
    for row in happenings.rows(COMPANY, 3_000, NOW):
        values = dict(zip(COLUMNS, row, strict=True))
        writer = values["writer_id"]
        number, previous = ends.get(writer) or genesis(COMPANY.instance_id, writer)
        assert values["sequence"] == number + 1
        assert values["hash"] == row_hash(previous, [values[name] for name in HASHED])
        ends[writer] = (values["sequence"], values["hash"])
    assert len(ends) > 20


def of(*milliseconds: float, size: int = 50_000, excused: bool = False) -> Pages:
    asked = [
        Asked(page_ms=ms - 10, page_bytes=size, assets_ms=10, assets_bytes=20_000)
        for ms in milliseconds
    ]
    return Pages.of(
        "Pages", {"home": asked}, excused={"home": "on purpose"} if excused else {}, notes={}
    )


def test_a_page_is_judged_by_the_median_of_its_first_visits() -> None:
    good, slow = of(100, 900, 120), of(100, 160, 170)
    assert [next(findings.remarks(one)).split(":")[0] for one in (good, slow)] == ["met", "NOT MET"]
    ((name, times, *_, kilobytes),) = findings.rows(slow)
    assert (name, times, kilobytes) == ("home SLOW", "3", "70.0")


def test_a_page_that_is_too_large_is_told() -> None:
    heavy = of(100, size=90_000)
    assert [text.split(":")[0] for text in findings.remarks(heavy)] == ["met", "NOT MET"]
    assert next(findings.rows(heavy))[0] == "home HEAVY"


def test_a_password_takes_its_time_on_purpose() -> None:
    told = list(findings.remarks(of(500, excused=True)))
    assert told[-1] == "time not judged: home: on purpose"
    assert not of(500, excused=True).slow()


def test_a_first_visit_loads_what_the_page_names() -> None:
    text = (
        '<link rel="stylesheet" href="http://a/s.css"><link rel="canonical" href="http://a/x">'
        '<script src="/id/f.js" defer></script><img src="data:image/png;base64,AAAA" alt="">'
        '<link rel="icon" href="http://a/i.svg">'
    )
    page = Visit(
        url="http://a/profile", status=200, text=text, milliseconds=1.0, requests=1, received=1
    )
    assert page.needs() == ["http://a/s.css", "http://a/id/f.js", "http://a/i.svg"]


@pytest.mark.parametrize("given", [(10, None, None), (None, 5, None), (None, None, 100)])
def test_too_few_fill_no_list(given: tuple[int | None, int | None, int | None]) -> None:
    with pytest.raises(Unmeasurable):
        Sizes.of(*given, quick=False)


def test_a_quick_run_has_a_shorter_log() -> None:
    usual = Sizes.of(None, None, None, quick=False)
    assert usual == Sizes(users=10_000, applications=500, audit_rows=1_000_000)
    assert Sizes.of(None, None, None, quick=True).audit_rows == 100_000
    assert Sizes.of(None, None, 2_000, quick=True).audit_rows == 2_000
