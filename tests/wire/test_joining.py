"""Addresses that are confirmed, people who register, and people who are invited [USR-3, SGN-7,
IMG-6]."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mintgate.contract.automation.problems import Conflict
from mintgate.contract.users import User, UserType
from mintgate.identity.administration import own_email
from mintgate.identity.administration.call import Acting, Call
from mintgate.identity.mail.delivery import LOOK_AGAIN_SECONDS
from mintgate.identity.mail.post import ConsolePost
from mintgate.store import users
from tests.command_line import command
from tests.leaks import dump_of
from tests.mail_server import MailServer, link_in, serving_mail, text_of
from tests.wire.mail_world import BUYER, MIRA, choose, comparable, forget, heading, link_to, post_to
from tests.wire.management_world import MORE, Automation
from tests.world import PASSWORD, SPA, Browser, World, answer_of, sqlite_url

NOT = own_email.NOT_AN_ADDRESS
NEW = "several words nobody guesses"
JANE = "jane@client.example"
ADA = "ada@orion.example"
CONFIRMED, SENT = "Your address is confirmed", "Look into your mailbox"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving_mail() as server:
        yield server


@pytest.fixture
def world(a_world: Callable[..., World], mail: MailServer) -> World:
    world = a_world(post=post_to(mail), more=MORE)
    world.change_user("ada", email=ADA, email_confirmed=True)
    return world


@pytest.fixture(scope="module")
def still_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For tests in which nobody becomes a user, and nothing is sent."""
    url, post = sqlite_url(tmp_path_factory.mktemp("world")), ConsolePost()
    world = World(url, post=post, more=MORE).start()
    yield world
    world.stop()


def user(world: World, login: str) -> User:
    found = world.database.read_now(lambda c: users.by_login(c, world.instance.id, login))
    assert found is not None
    return found


def confirm(world: World, link: str) -> str:
    browser = world.browser()
    page = browser.http.get(link)
    return heading(browser.submit(page) if "<form" in page.text else page)


def change(world: World, api: Automation, login: str, **changes: Any) -> Any:
    answer = api("PATCH", f"/users/{user(world, login).id}", changes, If_Match="*")
    assert answer.status_code == 200, answer.text
    return answer.json()


# Another address


def test_another_address_is_to_be_confirmed(world: World, mail: MailServer) -> None:
    """The old one is told, and the new one gets a link."""
    api = Automation(world)
    moved = "mira@elsewhere.example"
    assert change(world, api, "mira.k", Email=moved)["EmailConfirmed"] is False
    told = text_of(mail.to(MIRA))
    assert "link=" not in told
    assert moved not in told  # whoever reads the old mailbox need not know the new one
    link = link_in(mail.to(moved))
    forget(world, "mira.k")
    assert confirm(world, link) == CONFIRMED
    assert user(world, "mira.k").email_confirmed
    assert confirm(world, link) == "This link works no more"
    (confirmed,) = world.events("user.email_confirmed")
    assert confirmed.actor == "mira.k"
    forget(world, "mira.k")
    mail.to(moved, 2)
    assert [m["To"] for m in mail.messages].count(MIRA) == 1


def test_a_link_is_for_the_address_that_it_went_to(world: World, mail: MailServer) -> None:
    api = Automation(world)
    change(world, api, "mira.k", Email="first@elsewhere.example")
    link = link_in(mail.to("first@elsewhere.example"))
    change(world, api, "mira.k", Email="second@elsewhere.example")
    assert confirm(world, link) == "This link works no more"
    assert not user(world, "mira.k").email_confirmed
    late = link_in(mail.to("second@elsewhere.example"))
    world.clock.advance(3 * 24 * 3600)
    assert confirm(world, late) == "This link works no more"


def test_an_administrator_who_changes_a_password(world: World, mail: MailServer) -> None:
    api = Automation(world)
    answer = api("POST", f"/users/{user(world, 'mira.k').id}/password", {"password": NEW})
    assert answer.status_code == 204
    assert mail.to(MIRA)["Subject"] == "Паролата ви в orion беше сменена"


def test_a_person_changes_the_own_address(world: World, mail: MailServer) -> None:
    """What the page for it does, once it has asked for the password."""
    moved = "mira@elsewhere.example"

    def act(work: Callable[[Call], Any]) -> Any:
        with world.database.begin() as tx:
            acting = Acting(user=user(world, "mira.k"), name="mira.k", address="127.0.0.1")
            told = work(
                Call(
                    connection=tx.connection,
                    instance=world.instance,
                    now=tx.now,
                    acting=acting,
                    key_encryption_key=lambda: world.kek,
                    tx=tx,
                    can_mail=True,
                )
            )
        world.clock.advance(LOOK_AGAIN_SECONDS)
        return told

    refused = (BUYER.upper(), own_email.NOT_FREE), ("a@b.example, c@d.example", NOT), ("", NOT)
    for not_hers, why in refused:
        assert act(partial(own_email.change, email=not_hers)) == why
    assert act(partial(own_email.change, email=moved)) is None
    assert act(partial(own_email.change, email=moved)) == own_email.SAME
    assert "link=" not in text_of(mail.to(MIRA))
    mail.to(moved)
    for number in (2, 3):
        act(own_email.confirm)
        link = link_in(mail.to(moved, number))
    with pytest.raises(Conflict, match="Too many"):
        act(own_email.confirm)
    assert confirm(world, link) == CONFIRMED
    act(own_email.confirm)  # nothing to do
    assert user(world, "mira.k").email_confirmed


# Registration


def register(browser: Browser, **given: str) -> Any:
    form = browser.http.get(link_to("/register", browser.authorize()))
    return browser.submit(form, **({"email": JANE, "name": "Jane Doe", "password": NEW} | given))


def test_somebody_registers(world: World, mail: MailServer) -> None:
    browser = world.browser()
    done = register(browser)
    assert heading(done) == SENT
    found = user(world, JANE)
    assert (found.user_type, found.email, found.email_confirmed) == (
        UserType.COMMUNITY,
        JANE,
        False,
    )
    assert found.display_name() == "Jane Doe"
    (event,) = world.events("user.registered")
    assert (event.actor, event.application) == (JANE, "shop.example.org/backoffice")
    assert JANE in text_of(mail.to(ADA))
    back = browser.http.get(link_to("/signin", done))
    assert answer_of(browser.submit(back, login=JANE, password=NEW))["code"]
    forget(world, JANE)  # not confirmed yet [SGN-8]
    assert confirm(world, link_in(mail.to(JANE))) == CONFIRMED
    assert user(world, JANE).email_confirmed
    forget(world, JANE)
    mail.to(JANE, 2)


def test_active_administrators_are_told(world: World, mail: MailServer) -> None:
    """[SGN-7] and of these who has a confirmed address; nobody else"""
    api = Automation(world)
    for login, changes in {
        "left": {"Active": False},
        "unconfirmed": {"EmailConfirmed": False},
        "no-admin": {"IsAdmin": False},
        "second": {},
    }.items():
        address = {"Email": f"{login}@orion.example", "EmailConfirmed": True}
        kind = {"Login": login, "Name": login, "UserType": "InternalUser", "IsAdmin": True}
        api.post("/users", {"Password": NEW, **kind, **address, **changes}, 201)
    register(world.browser())
    told = {ADA, "second@orion.example"}
    for address in (JANE, *told):
        mail.to(address)
    deadline = time.monotonic() + 20
    while world.rows("mails"):
        assert time.monotonic() < deadline, "letters wait"
        time.sleep(0.01)
    assert {m["To"] for m in mail.messages if JANE in text_of(m)} - {JANE} == told


def test_nobody_learns_who_is_registered(world: World, mail: MailServer) -> None:
    new = register(world.browser())
    known = register(world.browser(), email="MIRA.K@orion.example", password="of a stranger")
    assert _without_interaction(new) == _without_interaction(known)
    told = mail.to(MIRA)
    assert told["Subject"] == "Вече имате профил в orion"
    assert "link=" not in text_of(told)
    assert answer_of(world.browser().sign_in("mira.k", PASSWORD))["code"]
    register(world.browser(), email=BUYER, password="of a stranger")
    mail.to(BUYER, 2)  # with it a link, as the address was never confirmed
    links = [m for m in mail.messages if m["To"] == BUYER and "link=" in text_of(m)]
    assert confirm(world, link_in(links[0])) == CONFIRMED
    assert answer_of(world.browser().sign_in(BUYER, PASSWORD))["code"]


def _without_interaction(page: Any) -> str:
    return comparable(page).replace(link_to("/signin", page), "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"email": "jane"}, "not a mail address"),
        ({"email": f"{'j' * 60}@b.example"}, "not a mail address"),
        ({"email": "a@b.example, c@d.example"}, "not a mail address"),
        ({"name": ""}, "Tell your name"),
        ({"name": "Jane\nDoe"}, "Tell your name"),
        ({"password": "seven77"}, "at least 8 characters"),
        ({"password": "Jane@Client.example"}, "must not be your login"),
    ],
)
def test_what_cannot_be_registered(given: dict[str, str], told: str, still_world: World) -> None:
    answer = register(still_world.browser(), **given)
    assert (answer.status_code, told in answer.text) == (400, True)
    assert NEW not in answer.text
    assert still_world.events("user.registered") == []


def test_where_nobody_may_register(still_world: World) -> None:
    """[SGN-7] The application takes no community users."""
    browser = still_world.browser()
    page = browser.authorize(client_id=SPA, code_challenge="a" * 43, code_challenge_method="S256")
    assert "/register" not in page.text
    name = str(page.url.params["interaction"])
    refused = browser.http.get("/id/register", params={"interaction": name})
    assert (refused.status_code, "Nobody can register" in refused.text) == (403, True)


def test_registrations_are_counted(world: World, mail: MailServer) -> None:
    pages = {_without_interaction(register(world.browser(), name=f"Jane {n}")) for n in range(5)}
    assert len(pages) == 1
    assert len(world.events("user.registered")) == 1
    assert world.events("user.registration_throttled")


# Invitations


def test_somebody_is_invited(world: World, mail: MailServer) -> None:
    api = Automation(world)
    wanted = {"email": JANE, "login": "jane.d", "default_language": "bg"}
    made = api("POST", "/invitations", wanted)
    assert (made.status_code, made.json()["link"]) == (201, None)
    assert user(world, "jane.d").user_type is UserType.INVITED_INTERNAL
    letter = mail.to(JANE)
    assert letter["Subject"] == "Поканени сте в orion"
    link = link_in(letter)
    assert link.partition("link=")[2] not in dump_of(world.database_url)
    assert world.browser().sign_in("jane.d", NEW).status_code == 400

    browser = world.browser()
    form = browser.http.get(link)
    assert "jane.d" in form.text
    assert browser.submit(form, name="Jane", password="short").status_code == 400
    assert heading(browser.submit(form, name="Jane Doe", password=NEW)) == "Welcome"
    found = user(world, "jane.d")
    assert (found.user_type, found.email_confirmed) == (UserType.INTERNAL, True)
    assert found.name == {"bg": "Jane Doe"}
    assert answer_of(world.browser().sign_in("jane.d", NEW))["code"]
    assert heading(browser.http.get(link)) == "This invitation works no more"
    assert [len(world.events(f"user.{e}")) for e in ("invited", "invitation_completed")] == [1, 1]
    again = api("POST", f"/users/{found.id}/invite", {})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "conflict")


def test_an_invitation_again(world: World, mail: MailServer) -> None:
    """The link of before ends, and the new one has its time."""
    api = Automation(world)
    made = api("POST", "/invitations", {"email": JANE, "user_type": "community"}).json()
    first = link_in(mail.to(JANE))
    assert api("POST", f"/users/{made['user_id']}/invite", {}).status_code == 200
    world.clock.advance(LOOK_AGAIN_SECONDS)  # no user was changed, so that nobody tells of it
    second = link_in(mail.to(JANE, 2))
    assert heading(world.browser().http.get(first)) == "This invitation works no more"
    world.clock.advance(7 * 24 * 3600 - LOOK_AGAIN_SECONDS - 1)
    browser = world.browser()
    form = browser.http.get(second)
    world.clock.advance(1)
    late = browser.submit(form, name="Jane", password=NEW)
    assert (late.status_code, heading(late)) == (404, "This invitation works no more")
    assert user(world, JANE).user_type is UserType.INVITED_EXTERNAL


def test_a_link_that_is_passed_on(world: World, mail: MailServer) -> None:
    """Who has it may read no mail at that address, so that the address stays unconfirmed."""
    api = Automation(world)
    wanted = {"email": JANE, "user_type": "community", "send": False}
    made = api("POST", "/invitations", wanted, Idempotency_Key="k1")
    assert made.json()["link"].startswith(f"{world.issuer}/invitation?link=")
    browser = world.browser()
    form = browser.http.get(made.json()["link"])
    assert heading(browser.submit(form, name="Jane", password=NEW)) == "Welcome"
    found = user(world, JANE)
    assert (found.user_type, found.email_confirmed) == (UserType.COMMUNITY, False)
    assert mail.messages == []


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"email": MIRA}, "is that of another user"),
        ({"email": JANE, "login": "MIRA.K"}, "exists already"),
        ({"email": "Jane <jane@client.example>"}, "Email"),
        ({"email": "a@b.example,c@d.example"}, "Email"),
    ],
)
def test_who_cannot_be_invited(wanted: dict[str, str], told: str, still_world: World) -> None:
    answer = Automation(still_world)("POST", "/invitations", wanted)
    assert (answer.status_code, told in answer.text) == (400, True)


def test_inviting_where_no_mail_is_sent(a_world: Callable[..., World]) -> None:
    world = a_world(more=MORE)
    api = Automation(world)
    refused = api("POST", "/invitations", {"email": JANE})
    assert (refused.status_code, "--smtp-host" in refused.text) == (409, True)
    assert api("POST", "/invitations", {"email": JANE, "send": False}).status_code == 201


def test_inviting_by_command(
    world: World, mail: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter is written here, and sent by the server."""
    monkeypatch.chdir(tmp_path)
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    variables = {"MINTGATE_DATABASE": world.database_url, "MINTGATE_KEY_ENCRYPTION_KEY": key}
    done = command("user", "invite", JANE, "--type", "community", "--name", "Jane", **variables)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    world.clock.advance(time.time() - world.clock())  # the command has no other
    link = link_in(mail.to(JANE))
    shown = command("user", "invite-again", JANE, "--show-link", **variables)
    assert heading(world.browser().http.get(link)) == "This invitation works no more"
    assert "Jane" in world.browser().http.get(shown.stdout.strip()).text
    assert choose(world, shown.stdout.strip(), "short").status_code == 400
    twice = command("user", "invite", JANE, **variables)
    assert (twice.returncode, "is that of another user" in twice.stderr) == (1, True)
