"""Profile of somebody who has much: lists in parts, and a search among applications [PRF-4]."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.identifiers import new_guid, new_hex128
from mintgate.store import applications, refresh, users
from mintgate.store.refresh import Family
from tests.site_visits import SiteVisit, quick_passwords
from tests.world import NOW, World, sqlite_url

TOKENS = "/profile/security/tokens"
GRANTS, APPLICATIONS = 60, 30


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteVisit]:
    with pytest.MonkeyPatch.context() as patch:
        world = World(sqlite_url(tmp_path_factory.mktemp("world")))
        world.password_hash = quick_passwords(patch)
        world.start()
        try:
            fill(world)
            visit = SiteVisit(world, "ada")
            visit.open(TOKENS)
            yield visit
        finally:
            world.stop()


def fill(world: World) -> None:
    here = world.instance.id
    with world.database.begin() as tx:
        ada = users.by_login(tx.connection, here, "ada")
        assert ada is not None
        for number in range(APPLICATIONS):
            made = TrustedApplication(
                id=new_guid(),
                name={"en": f"Report no. {number}"},
                application_uri=f"many.example/{number:02}",
                impersonate_as_internal_user_allowed=True,
                scope="read",
                reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS,
            )
            applications.add(tx, here, made)
        for number in range(GRANTS):
            family = Family(
                id=f"family-{number:02}",
                application_id=made.id,
                user_id=ada.id,
                sid=new_hex128(),
                scopes=("read",),
                auth_time=int(NOW),
                amr=("pwd",),
                idp="local",
                tid=None,
                created_at=NOW + number,
                expires_at=NOW + 100_000,
            )
            refresh.start_family(tx, here, family, f"hash-{number}")
    world.sync()


def ends(visit: SiteVisit, query: str = "") -> list[str]:
    """The grants that a page of the list can end."""
    page = visit.open(f"{TOKENS}{query}")
    assert page.status_code == 200
    assert len(page.content) < 90_000
    return re.findall(rf"{TOKENS}/([^/\"]+)/revoke", page.text)


def test_own_tokens_in_parts(visit: SiteVisit) -> None:
    first, second = ends(visit), ends(visit, "?page=2")
    assert (len(first), len(set(first) | set(second))) == (50, GRANTS)
    page = visit.open(TOKENS).text
    assert f'rel="next" href="{visit.world.base}{TOKENS}?page=2"' in page
    assert 'rel="prev"' not in page
    last = visit.open(f"{TOKENS}?all=1&page=2").text
    assert f'rel="prev" href="{visit.world.base}{TOKENS}?all=1"' in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "9" * 30, ""])
def test_what_is_no_page_is_the_first_one(page: str, visit: SiteVisit) -> None:
    assert ends(visit, f"?page={page}") == ends(visit)


def test_behind_the_last_page_there_is_nothing(visit: SiteVisit) -> None:
    assert ends(visit, "?page=9") == []


def offered(visit: SiteVisit, search: str = "") -> list[str]:
    page = visit.open(f"{TOKENS}/new?search={search}")
    return re.findall(r"<code>(many\.example/\d+)</code>", page.text)


def test_a_choice_among_many_applications_is_searched(visit: SiteVisit) -> None:
    """[PRF-4]"""
    assert len(offered(visit)) == 24
    assert "6 more are not shown" in visit.open(f"{TOKENS}/new").text
    assert offered(visit, "EXAMPLE/07") == ["many.example/07"]
    assert offered(visit, "no. 29") == ["many.example/29"]
    assert "No application is called so" in visit.open(f"{TOKENS}/new?search=nothing").text
