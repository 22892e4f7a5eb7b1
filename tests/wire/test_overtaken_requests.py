"""Who acts is what was committed when a request gets its turn, and not when it arrived [TOP-13].

A request that changes something waits for the lock of the instance. Whoever has it may be taking
away the right to what the request does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from mintgate.identity.mail.delivery import LOOK_AGAIN_SECONDS
from mintgate.store import users
from tests.mail_server import MailServer, link_in, serving_mail
from tests.site_visits import SiteVisit
from tests.wire.mail_world import MIRA, heading, post_to
from tests.wire.management_world import MORE, Automation, user_token
from tests.wire.overtaking import (
    SHUT_OUT,
    Change,
    changing_user,
    deadlocks,
    disabling,
    overtaken,
    stored_user,
)
from tests.world import BACKOFFICE, NOW, World

DAY = 24 * 3600
PROFILE = "internal.erp.net/profile"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving_mail() as server:
        yield server


@pytest.fixture
def world(postgresql: Callable[[], str], mail: MailServer) -> Iterator[World]:
    world = World(str(postgresql()), more=MORE, post=post_to(mail)).start()
    yield world
    world.stop()


def revoking_everything(world: World, login: str) -> Change:
    user_id = stored_user(world, login).id
    return lambda tx: users.revoke_everything(tx, world.instance.id, user_id, "ada")


def application_id(world: World, uri: str, **changes: Any) -> str:
    return world.change_application(uri, **changes).id


@pytest.mark.parametrize("changes", SHUT_OUT, ids=str)
def test_own_details(changes: dict[str, Any], world: World) -> None:
    """[USR-4, SGN-10] whoever is shut out does not come back by saving a form."""
    visit = SiteVisit(world)
    form = visit.hidden(visit.open("/profile")) | {"name_en": "Mira X", "language": "bg"}
    answer = overtaken(
        world,
        lambda: visit.post("/profile/details", form),
        changing_user(world, "mira.k", **changes),
    )
    assert answer.status_code == 403
    assert stored_user(world, "mira.k") == replace(stored_user(world, "mira.k"), **changes)
    assert stored_user(world, "mira.k").name["en"] == "Mira Kolarova"


def test_own_details_of_who_is_no_administrator_any_more(world: World) -> None:
    """[USR-5] what the form says is stored, and nothing else."""
    visit = SiteVisit(world, "ada")
    form = visit.hidden(visit.open("/profile")) | {"name_en": "Ada X"}
    answer = overtaken(
        world,
        lambda: visit.post("/profile/details", form),
        changing_user(world, "ada", is_admin=False),
    )
    assert answer.is_redirect
    assert (stored_user(world, "ada").name["en"], stored_user(world, "ada").is_admin) == (
        "Ada X",
        False,
    )


@pytest.mark.parametrize(
    ("act", "changes"),
    [("make-admin", {"is_admin": False}), ("enable", SHUT_OUT[0]), ("unlock", SHUT_OUT[1])],
    ids=str,
)
def test_an_administrator_undoes_what_happens_to_the_own_account(
    act: str, changes: dict[str, Any], world: World
) -> None:
    """[USR-4, USR-5, SGN-10, IMG-1]"""
    visit = SiteVisit(world, "ada")
    form = visit.hidden(visit.open("/manage"))
    where = f"/manage/users/{stored_user(world, 'ada').id}/{act}"
    answer = overtaken(
        world, lambda: visit.post(where, form), changing_user(world, "ada", **changes)
    )
    assert answer.status_code == 403
    assert stored_user(world, "ada") == replace(stored_user(world, "ada"), **changes)


def test_a_personal_token_after_everything_was_revoked(world: World) -> None:
    """[LIF-18, REF-13] the sign-in that the form belongs to has ended."""
    application = application_id(world, BACKOFFICE, reference_tokens="AuthenticatedUsers")
    visit = SiteVisit(world)
    form = visit.hidden(visit.open("/profile/security/tokens/new")) | {
        "application": application,
        "once": "once-1",
        "days": "365",
        "scope_read": "on",
    }
    answer = overtaken(
        world,
        lambda: visit.post("/profile/security/tokens", form),
        revoking_everything(world, "mira.k"),
    )
    assert answer.status_code == 403
    assert not world.rows("reference_tokens")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda world, login: changing_user(world, login, active=False), 403),
        (revoking_everything, 401),
        (lambda world, _: disabling(world, PROFILE), 401),
    ],
    ids=["USR-4", "LIF-18", "TAP-4"],
)
def test_a_personal_token_asked_for_by_a_program(
    change: Callable[[World, str], Change], status: int, world: World
) -> None:
    """[REF-13] a token that was good when the request arrived makes no other one."""
    application = application_id(world, BACKOFFICE, reference_tokens="AuthenticatedUsers")
    headers = {"Authorization": f"Bearer {world.site_token()}"}
    body = {"application_id": application, "scopes": ["read"], "expires_at": NOW + DAY}
    answer = overtaken(
        world,
        lambda: world.http.post("/profile/security/tokens", json=body, headers=headers),
        change(world, "mira.k"),
    )
    assert answer.status_code == status, answer.text
    assert not world.rows("reference_tokens")


@pytest.mark.parametrize("changes", [{"is_admin": False}, *SHUT_OUT], ids=str)
def test_the_automation_api(changes: dict[str, Any], world: World) -> None:
    """[API-33, USR-4]"""
    api = Automation(world, user_token(world, "ada", "openid sec"))
    path = f"/users/{stored_user(world, 'ada').id}"
    answer = overtaken(
        world,
        lambda: api("PATCH", path, {"IsAdmin": True}, If_Match="*"),
        changing_user(world, "ada", **changes),
    )
    assert answer.status_code == 403, answer.text
    assert stored_user(world, "ada") == replace(stored_user(world, "ada"), **changes)


@pytest.mark.parametrize(
    ("changes", "confirmed"), [(SHUT_OUT[0], False), (SHUT_OUT[1], True)], ids=str
)
def test_a_link_that_confirms_an_address(
    changes: dict[str, Any], confirmed: bool, world: World, mail: MailServer
) -> None:
    """[USR-3, USR-4] who follows it and who shuts the user out do not stop one another."""
    world.change_user("mira.k", default_language="en", email_confirmed=False)
    visit = SiteVisit(world)
    visit.submit(visit.open("/profile/email"), "/email/confirm")
    world.clock.advance(LOOK_AGAIN_SECONDS)
    page = visit.http.get(link_in(mail.to(MIRA)))
    before = deadlocks(world.database)
    answer = overtaken(
        world,
        lambda: visit.browser.submit(page),
        meanwhile=changing_user(world, "mira.k", **changes),
    )
    assert (heading(answer) == "Your address is confirmed") is confirmed
    changes = changes | {"email_confirmed": confirmed}
    assert stored_user(world, "mira.k") == replace(stored_user(world, "mira.k"), **changes)
    assert deadlocks(world.database) == before
